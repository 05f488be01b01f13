"""Ask this machine what `metalor doctor` reports: can it run steps, and what is missing.

Invariant: each finding is made by trying the thing itself where that is possible; nothing is changed and nothing stays
behind; a probe that fails is a finding, never an exception.
"""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from metalor_lang.errors import MetalorError
from metalor_lang.kernel import process, seccomp
from metalor_lang.runtime import overlay
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.request import StepRequest, TmpfsSpec
from metalor_lang.store.store import default_path

_OLDEST_KERNEL = (5, 12)  # mount_setattr(2)
_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about this machine.

    Args:
        name: what was looked at.
        ok: builds can rely on it.
        detail: what was found.
        help: what to do when it is not ok, else "".

    """

    name: str
    ok: bool
    detail: str
    help: str = ""


def _kernel() -> Finding:
    system = os.uname()
    found = _VERSION.match(system.release)
    ok = found is not None and (int(found[1]), int(found[2])) >= _OLDEST_KERNEL
    wanted = ".".join(map(str, _OLDEST_KERNEL))
    return Finding(
        name="kernel", ok=ok, detail=f"{system.sysname} {system.release} {system.machine}",
        help="" if ok else f"steps need Linux {wanted} or later",
    )  # fmt: skip


def _root() -> Finding:
    uid = os.geteuid()
    return Finding(
        name="root", ok=not uid, detail="running as root" if not uid else f"running as user {uid}",
        help="" if not uid else "run builds with sudo; `metalor check` and `metalor plan` need no root",
    )  # fmt: skip


def _seccomp() -> Finding:
    name = "system call filter"
    try:
        seccomp.program()
    except OSError as error:
        return Finding(
            name=name, ok=False, detail=str(error.strerror), help="use x86_64, aarch64 or riscv64 to run steps"
        )
    actions = Path("/proc/sys/kernel/seccomp/actions_avail")
    ok = actions.exists() and "errno" in actions.read_text()
    return Finding(
        name=name, ok=ok, detail="seccomp filters are available" if ok else "the kernel has no seccomp filters",
        help="" if ok else "use a kernel with CONFIG_SECCOMP_FILTER",
    )  # fmt: skip


def _steps() -> Finding:
    """Start the helper and run a step in an empty root: everything but the command itself must work."""
    name = "steps in namespaces"
    if os.geteuid():
        return Finding(name=name, ok=False, detail="not tried: needs root", help="run `metalor doctor` with sudo")
    folder = tempfile.mkdtemp(prefix="metalor-probe-")
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with start_runtime() as runtime:
                request = StepRequest(argv=("/none",), network="none", mounts=(TmpfsSpec(target="/tmp"),))
                status = runtime.run(fd, request, output=lambda data: None)
        finally:
            os.close(fd)
    except (MetalorError, OSError) as error:
        return Finding(name=name, ok=False, detail=str(error), help=getattr(error, "help", ""))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if status.code == 127:
        return Finding(name=name, ok=True, detail="mount, pid, ipc, uts, cgroup and network namespaces work")
    return Finding(
        name=name, ok=False, detail=status.message or f"the trial step ended with status {status.code}",
        help="inside a container, run it with more privileges (for example docker run --privileged)",
    )  # fmt: skip


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _overlay(store: Path) -> Finding:
    name = "overlay"
    if os.geteuid():
        return Finding(name=name, ok=False, detail="not tried: needs root", help="run `metalor doctor` with sudo")
    try:
        folder = Path(tempfile.mkdtemp(prefix="metalor-probe-", dir=_existing(store)))
    except OSError as error:
        return Finding(name=name, ok=False, detail=f"{error.filename}: {error.strerror}", help="set METALOR_STORE")
    try:
        tier = overlay.probe(folder)
    except (MetalorError, OSError) as error:
        return Finding(
            name=name, ok=False, detail=str(error),
            help="builds work by plain copies, slower; put the store on ext4 or xfs with METALOR_STORE",
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Finding(name=name, ok=True, detail=f"works (by `{tier}`)")


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def filesystem_of(path: Path, mountinfo: str) -> str:
    """Give the type of the file system that holds `path`, by the text of /proc/self/mountinfo (proc(5))."""
    best, kind = "", "unknown"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        point = _unescaped(fields.split()[4])
        inside = str(path) == point or str(path).startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, rest.split()[0]
    return kind


def _store(store: Path) -> Finding:
    place = _existing(store)
    try:
        kind = filesystem_of(place.resolve(), Path("/proc/self/mountinfo").read_text())
        disk = os.statvfs(place)
    except OSError as error:
        return Finding(name="store", ok=False, detail=f"{store}: {error.strerror}", help="set METALOR_STORE")
    free = disk.f_bavail * disk.f_frsize
    detail = f"{store} on {kind}, {free / 1e9:.1f} GB free"
    if not os.access(place, os.W_OK) or not stat.S_ISDIR(place.stat().st_mode):
        return Finding(name="store", ok=False, detail=f"{detail}, not writable", help="set METALOR_STORE")
    ok = free > 1e9
    return Finding(name="store", ok=ok, detail=detail, help="" if ok else "free some space, or run `metalor cache gc`")


def _tool(name: str, use: str) -> Callable[[], Finding]:
    def look() -> Finding:
        try:
            said = process.run_tool([name, "--version"], timeout=20).stdout.decode("utf-8", "replace").split("\n")[0]
        except MetalorError as error:
            return Finding(name=name, ok=False, detail=error.message, help=f"{error.help} ({use})")
        return Finding(name=name, ok=True, detail=said.strip())

    return look


def _namespaces_limit() -> Finding:
    """A machine may forbid namespaces by number although the kernel has them."""
    limits = {}
    for kind in ("mnt", "pid", "ipc", "uts", "net", "cgroup"):
        try:
            limits[kind] = int(Path(f"/proc/sys/user/max_{kind}_namespaces").read_text())
        except (OSError, ValueError):
            limits[kind] = -1
    none = [kind for kind, limit in limits.items() if limit == 0]
    return Finding(
        name="namespace limits", ok=not none,
        detail=f"no {', '.join(none)} namespaces are allowed" if none else "namespaces are allowed",
        help=f"sysctl user.max_{none[0]}_namespaces=1000" if none else "",
    )  # fmt: skip


def probe(store: Path | None = None) -> tuple[Finding, ...]:
    """Look at this machine; takes about a second.

    Args:
        store: the store's directory, which need not exist; by default the user's own.

    """
    place = store or default_path()
    return (
        _kernel(),
        _root(),
        _namespaces_limit(),
        _seccomp(),
        _steps(),
        _overlay(place),
        _store(place),
        _tool("skopeo", "needed for bases from registries and for docker:// outputs")(),
        _tool("umoci", "needed only for --unpacker umoci")(),
    )
