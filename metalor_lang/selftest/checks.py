"""What `metalor doctor` looks at, as a table: can this machine build, in which way, and what is missing.

Invariant: each check does what a build would do, in small; a check that fails is a finding, never an exception. Nothing
is changed but that the store's directory is made, as the first build would.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from metalor_lang.errors import MetalorError
from metalor_lang.guards import Closing
from metalor_lang.hints import Final
from metalor_lang.kernel import seccomp
from metalor_lang.kernel.process import PACKAGES, find_tool
from metalor_lang.kernel.syscalls import MACHINE
from metalor_lang.record import dataclass
from metalor_lang.runtime import cgroups, emulation, subids
from metalor_lang.runtime.client import Runtime, start_runtime
from metalor_lang.runtime.overlay import tiers
from metalor_lang.runtime.protocol import NOT_FOUND
from metalor_lang.runtime.request import Network, StepRequest, Streams
from metalor_lang.runtime.rootfs import Snapshotter, choose_snapshotter
from metalor_lang.runtime.world import COUNT, SHIFT, Backend, World, enter
from metalor_lang.selftest import reading
from metalor_lang.selftest.measure import Outside
from metalor_lang.store.store import Store

_OLDEST_KERNEL: Final = (5, 12)
"""mount_setattr(2)."""
_ROOM: Final = 500 * 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Args:
        name: what was looked at.
        ok: builds can rely on it.
        detail: what was found.
        help: what to do when it is not ok, else "": commands are lines of their own.
        needed: without it nothing can be built; else its lack only takes something away.

    """

    name: str
    ok: bool
    detail: str
    help: str = ""
    needed: bool = True


class Examined(Closing):
    """What the checks share: the place of the store, and what has been entered and opened so far.

    Args:
        path: the store's directory, which need not exist.
        requested: a backend's name, or None.

    """

    def __init__(self, path: Path, requested: str | None = None) -> None:
        self.path = path.absolute()
        self.requested = requested
        self.root = os.geteuid() == 0
        self.outside = Outside()
        self.ids: subids.SubIds | None = None
        self.world: World | None = None
        self.store: Store | None = None
        self._refused: MetalorError | None = None
        self._stack = ExitStack()
        self._machine: tuple[Runtime, Snapshotter] | None = None

    def open(self) -> World:
        """Enter the world and open the store, once.

        Raises:
            MetalorError: why not.

        """
        if self._refused is not None:  # a world is entered once a process
            raise self._refused
        if self.world is None:
            try:
                world = enter(self.path, self.requested)
                self.store = self._stack.enter_context(Store.open(self.path))
            except MetalorError as error:
                self._refused = error
                raise
            self.world = world
        return self.world

    def machine(self) -> tuple[Runtime, Snapshotter]:
        """What runs steps here, and what makes their trees; raises MetalorError."""
        if self._machine is None:
            world = self.open()
            runtime = start_runtime(world)
            self._stack.callback(runtime.close)
            assert self.store is not None
            self._machine = runtime, choose_snapshotter(self.store)
        return self._machine

    def close(self) -> None:
        """Close what was opened; the world stays entered."""
        self._stack.close()
        self.outside.close()


def _python(it: Examined) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(name="python", ok=sys.version_info >= (3, 11), detail=version, help="install Python 3.11 or newer")


def _kernel(it: Examined) -> Finding:
    system = os.uname()
    ok = reading.kernel_version(system.release) >= _OLDEST_KERNEL
    help = "Linux 5.12 or newer is needed (Debian 12 has 6.1)"
    return Finding(name="kernel", ok=ok, detail=f"Linux {system.release} {system.machine}", help=help)


def _filter(it: Examined) -> Finding:
    name = "system call filter"
    if MACHINE not in seccomp.MACHINES:
        known = ", ".join(seccomp.MACHINES)
        return Finding(name=name, ok=False, detail=f"none is known for {MACHINE}", help=f"run steps on one of: {known}")
    ok = "errno" in reading.sysctl("kernel/seccomp/actions_avail").split()
    detail = "seccomp works" if ok else "this kernel has no seccomp filters"
    return Finding(name=name, ok=ok, detail=detail, help="use a kernel with CONFIG_SECCOMP_FILTER")


def _namespaces(it: Examined) -> Finding:
    none = [kind for kind in reading.forbidden_kinds() if kind != "user" or not it.root]
    commands = "\n".join(f"sudo sysctl user.max_{kind}_namespaces=10000" for kind in none)
    detail = f"none may be made of: {', '.join(none)}" if none else "no kind is forbidden by number"
    return Finding(name="namespaces", ok=not none, detail=detail, help=commands)


def _user_namespaces(it: Examined) -> Finding:
    name = "user namespaces"
    if it.root:
        # The switches for ordinary users do not stop root; this one does, and then steps run as `privileged`.
        ok = reading.sysctl("user/max_user_namespaces") != "0"
        detail = "allowed to root" if ok else "user.max_user_namespaces is 0"
        return Finding(name=name, ok=ok, detail=detail, help="sysctl user.max_user_namespaces=10000", needed=False)
    known, _, command = subids.refusal().partition(": ")
    return Finding(name=name, ok=not known, detail=known or "allowed to ordinary users", help=command)


def _subids(it: Examined) -> Finding:
    name = "subordinate ids"
    if it.root:
        return Finding(name=name, ok=True, detail="not needed by root")
    try:
        it.ids = subids.find()
    except MetalorError as error:
        return Finding(name=name, ok=False, detail=error.message, help=error.help)
    detail = f"{subids.COUNT} users from {it.ids.first_uid}, groups from {it.ids.first_gid}"
    return Finding(name=name, ok=True, detail=detail)


def _backend(it: Examined) -> Finding:
    if not it.root and it.ids is None and it.requested in (None, "auto", Backend.ROOTLESS):
        return Finding(name="backend", ok=False, detail="none without subordinate ids")
    try:
        world = it.open()
    except MetalorError as error:
        return Finding(name="backend", ok=False, detail=error.message, help=error.help)
    match world.backend:
        case Backend.USERNS:
            detail = "userns: the superuser of a step is nobody on this machine; there is no better one"
        case Backend.ROOTLESS:
            detail = "rootless: the superuser of a step is one of your subordinate ids; only root has a better one"
        case Backend.PRIVILEGED:
            detail = f"privileged, not userns, because {world.why}; the superuser of a step is this machine's, confined"
    return Finding(name="backend", ok=True, detail=detail)


def _ids(it: Examined) -> Finding:
    world = it.open()
    if world.backend is Backend.USERNS:
        detail = f"0 to {COUNT - 1} in a step are {SHIFT} to {SHIFT + COUNT - 1} on this machine"
    elif it.ids is not None:
        last = subids.COUNT - 1
        detail = f"0 to {last} in a step are {it.ids.first_uid} to {it.ids.first_uid + last} on this machine"
    else:
        detail = "in a step they are this machine's"
    return Finding(name="ids of steps", ok=True, detail=detail)


def _ids_on_disk(it: Examined) -> Finding:
    world, name = it.open(), "ids on disk"
    if world.backend is Backend.ROOTLESS:
        return Finding(name=name, ok=True, detail="those of steps: your subordinate ids", needed=False)
    if reading.idmapped(it.path, Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")):
        return Finding(
            name=name, ok=True, detail="shifted: no file of the store is this machine's root's", needed=False
        )
    return Finding(
        name=name, ok=False, needed=False, detail=f"not shifted: {world.why}",
        help="put the store on ext4, xfs, btrfs or tmpfs, in a new directory: export METALOR_STORE=DIR",
    )  # fmt: skip


def _store(it: Examined) -> Finding:
    it.open()
    kind = reading.filesystem_of(it.path.resolve(), Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
    disk = os.statvfs(it.path)
    free = disk.f_bavail * disk.f_frsize
    detail = f"{it.path} on {kind}, {free // 10**6} MB free"
    return Finding(name="store", ok=free >= _ROOM, detail=detail, help="make room: metalor cache gc")


def _trees(it: Examined) -> Finding:
    _, snapshotter = it.machine()
    name = "overlay"
    if snapshotter.name == "overlay":
        return Finding(name=name, ok=True, detail=f"works here, by the way `{tiers()[0]}`", needed=False)
    said: list[str] = []
    assert it.store is not None
    choose_snapshotter(it.store, on_notice=said.append)
    help = "put the store on ext4, xfs or btrfs: export METALOR_STORE=DIR"
    return Finding(name=name, ok=False, detail=said[0], help=help, needed=False)


def _steps(it: Examined) -> Finding:
    runtime, snapshotter = it.machine()
    for network in Network:
        with snapshotter.draft(()) as draft:
            request = StepRequest(argv=("/metalor-doctor",), network=network)
            status = runtime.run(draft.for_step(), request, Streams(output=lambda data: None))
        # The tree is empty: a step that gets as far as not finding its command has everything else.
        if status.code != NOT_FOUND:
            return Finding(
                name="steps", ok=False, detail=f"with --network={network}: {status.message}",
                help="inside a container, start it with more rights (for example docker run --privileged)",
            )  # fmt: skip
    return Finding(name="steps", ok=True, detail="a trial step ran with the machine's network, and one without")


def _limits(it: Examined) -> Finding:
    versions = cgroups.find().versions
    found = ", ".join(f"{name} by cgroup v{versions[name]}" for name in sorted(versions))
    lacking = " and ".join(name for name in ("memory", "pids") if name not in versions)
    if not lacking:
        return Finding(name="limits", ok=True, detail=found, needed=False)
    detail = f"{f'{found}; ' if found else ''}no control group for {lacking}: limits of single processes stand in"
    return Finding(name="limits", ok=False, detail=detail, needed=False)


def _tool(name: str, why: str) -> Callable[[Examined], Finding]:
    def look(it: Examined) -> Finding:
        found = find_tool(name)
        detail = str(found) if found else f"not installed; {why}"
        help = f"apt-get install {PACKAGES[name]}"
        return Finding(name=name, ok=found is not None, detail=detail, help=help, needed=False)

    return look


def _emulators(it: Examined) -> Finding:
    found, missing, help = [], [], ""
    for guest in emulation.ARCHITECTURES:
        if not emulation.needed(MACHINE, guest):
            continue
        try:
            found.append(f"{guest} by {emulation.find(MACHINE, guest)}")
        except emulation.NoEmulator as error:
            missing.append(guest)
            help = error.help
    lacks = f"none for steps of {', '.join(missing)}" if missing else ""
    detail = "; ".join([*found, *filter(None, [lacks])])
    return Finding(name="emulators", ok=not missing, detail=detail, help=help, needed=False)


def _zstd(it: Examined) -> Finding:
    try:
        version = str(importlib.import_module("zstandard").__version__)
    except ImportError:
        detail, help = "not installed; only layers packed with zstd need it", "pip install 'metalor-lang[zstd]'"
        return Finding(name="zstandard", ok=False, detail=detail, help=help, needed=False)
    return Finding(name="zstandard", ok=True, detail=version, needed=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One row. `inside`: it needs the world and the store of a build, and is left out when there is none."""

    name: str
    look: Callable[[Examined], Finding]
    inside: bool = False


CHECKS: Final = (
    Check(name="python", look=_python),
    Check(name="kernel", look=_kernel),
    Check(name="system call filter", look=_filter),
    Check(name="namespaces", look=_namespaces),
    Check(name="user namespaces", look=_user_namespaces),
    Check(name="subordinate ids", look=_subids),
    Check(name="backend", look=_backend),
    Check(name="ids of steps", look=_ids, inside=True),
    Check(name="ids on disk", look=_ids_on_disk, inside=True),
    Check(name="store", look=_store, inside=True),
    Check(name="overlay", look=_trees, inside=True),
    Check(name="steps", look=_steps, inside=True),
    Check(name="limits", look=_limits),
    Check(name="skopeo", look=_tool("skopeo", "registry references, docker-archive and docker:// work only with it")),
    Check(name="umoci", look=_tool("umoci", "only --unpacker umoci needs it")),
    Check(name="newuidmap", look=_tool("newuidmap", "ordinary users need it to build")),
    Check(name="emulators", look=_emulators),
    Check(name="zstandard", look=_zstd),
)
"""In this order: what explains a failure stands before it."""


def examine(it: Examined) -> Iterator[Finding]:
    """Make every check; takes about a second.

    Args:
        it: closed by the caller. An ordinary user's process is in its own user namespace afterwards.

    """
    for check in CHECKS:
        if check.inside and it.world is None:
            yield Finding(name=check.name, ok=False, detail="not tried without a backend", needed=False)
            continue
        try:
            yield check.look(it)
        except MetalorError as error:
            yield Finding(name=check.name, ok=False, detail=error.message, help=error.help)
        except OSError as error:
            yield Finding(name=check.name, ok=False, detail=f"{error.strerror}: {error.filename}")
