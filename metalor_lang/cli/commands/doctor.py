"""`metalor doctor`: can this machine build, and what is missing.

Invariant: every check really does what a build would do, in small; nothing is left behind.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metalor_lang.errors import Exit, MetalorError
from metalor_lang.kernel.process import PACKAGES, find_tool
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.protocol import NOT_FOUND
from metalor_lang.runtime.request import StepRequest
from metalor_lang.runtime.rootfs import choose_snapshotter
from metalor_lang.store.store import Store, default_path

_OLDEST_KERNEL: Final = (5, 12)
"""mount_setattr(2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. Without `needed` its lack only takes something away."""

    name: str
    ok: bool
    detail: str
    help: str = ""
    needed: bool = True


def run(arguments: argparse.Namespace) -> int:
    """Run every check; 3 when a needed one fails."""
    path = Path(arguments.store) if arguments.store else default_path()
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _kernel,
        _root,
        lambda: _store(path),
        lambda: _overlay(path),
        lambda: _steps(path),
        lambda: _tool("skopeo", "registry references, docker-archive and docker:// work only with it"),
        lambda: _tool("umoci", "only --unpacker umoci needs it"),
        _zstd,
    )
    findings = [check() for check in checks]
    if arguments.format == "json":
        rows = [{name: getattr(each, name) for name in Finding.__slots__} for each in findings]
        print(json.dumps({"ok": _fine(findings), "checks": rows}))
    else:
        for each in findings:
            mark = "ok      " if each.ok else "MISSING " if each.needed else "optional"
            print(f"{mark}  {each.name}: {each.detail}")
            if each.help and not each.ok:
                print(f"          {each.help}")
        print("this machine can build" if _fine(findings) else "this machine cannot build yet")
    return Exit.DONE if _fine(findings) else Exit.MACHINE


def _fine(findings: list[Finding]) -> bool:
    return all(each.ok for each in findings if each.needed)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(name="python", ok=sys.version_info >= (3, 11), detail=version, help="install Python 3.11 or newer")


def _kernel() -> Finding:
    release = os.uname().release
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    return Finding(
        name="kernel",
        ok=numbers >= _OLDEST_KERNEL,
        detail=f"Linux {release}",
        help="Linux 5.12 or newer is needed (Debian 12 has 6.1)",
    )


def _root() -> Finding:
    user = os.geteuid()
    detail = "running as root" if user == 0 else f"running as user {user}"
    return Finding(
        name="root", ok=user == 0, detail=detail, help="run builds with sudo; check, fmt and explain need none"
    )


def _store(path: Path) -> Finding:
    try:
        with Store.open(path):
            pass
    except MetalorError as error:
        return Finding(name="store", ok=False, detail=error.message, help=error.help)
    status = os.statvfs(path)
    free = status.f_bavail * status.f_frsize // 10**6
    return Finding(name="store", ok=free >= 500, detail=f"{path}, {free} MB free", help="make room: metalor cache gc")


def _overlay(path: Path) -> Finding:
    said: list[str] = []
    try:
        with Store.open(path) as store:
            name = choose_snapshotter(store, on_notice=said.append).name
    except MetalorError as error:
        return Finding(name="overlay", ok=False, detail=error.message, help=error.help)
    detail = "overlays can be mounted in the store" if name == "overlay" else said[0]
    return Finding(
        name="overlay",
        ok=name == "overlay",
        detail=detail,
        help="put the store on ext4, xfs or btrfs: export METALOR_STORE=DIR",
        needed=False,
    )


def _steps(path: Path) -> Finding:
    try:
        with Store.open(path) as store, start_runtime() as runtime, choose_snapshotter(store).draft(()) as draft:
            status = runtime.run(draft.view_fd, StepRequest(argv=("/metalor-doctor",)), output=lambda data: None)
    except MetalorError as error:
        return Finding(name="steps", ok=False, detail=error.message, help=error.help)
    # Nothing is in the empty tree: a step that gets as far as not finding its command has everything else.
    return Finding(
        name="steps",
        ok=status.code == NOT_FOUND,
        detail="namespaces, mounts and pivot_root work" if status.code == NOT_FOUND else status.message,
        help="inside a container, start it with --privileged",
    )


def _tool(name: str, why: str) -> Finding:
    found = find_tool(name)
    return Finding(
        name=name,
        ok=found is not None,
        detail=str(found) if found else f"not installed; {why}",
        help=f"apt-get install {PACKAGES[name]}",
        needed=False,
    )


def _zstd() -> Finding:
    try:
        import zstandard
    except ImportError:
        detail = "not installed; only layers packed with zstd need it"
        return Finding(name="zstandard", ok=False, detail=detail, help="pip install 'metalor-lang[zstd]'", needed=False)
    return Finding(name="zstandard", ok=True, detail=zstandard.__version__, needed=False)
