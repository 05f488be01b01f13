"""From a step request to what the helper is sent: an order, and the descriptors that go along.

Invariant: every directory of this machine that a step will see is copied here, as a detached mount with the step's ids;
the helper opens nothing by a path of the machine.
"""

import errno
import os
import resource

from metalor_lang.errors import MachineError
from metalor_lang.kernel import syscalls
from metalor_lang.runtime import cgroups, protocol
from metalor_lang.runtime.limits import Limits
from metalor_lang.runtime.protocol import MountOrder, Order
from metalor_lang.runtime.request import (
    BindSpec,
    FileSpec,
    LayeredView,
    Mount,
    Network,
    StepRequest,
    TmpfsSpec,
)
from metalor_lang.runtime.world import World, detached

_INSIDE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_LARGEST_RESOLVER = 1 << 16


class Descriptors:
    """What goes along with a message, by index; a descriptor of ours is closed after the sending."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._ours: list[int] = []

    def lend(self, fd: int) -> int:
        """Send a descriptor that stays the caller's."""
        self.numbers.append(fd)
        return len(self.numbers) - 1

    def give(self, fd: int) -> int:
        """Send a descriptor that is closed then."""
        self._ours.append(fd)
        return self.lend(fd)

    def put(self, index: int, fd: int) -> None:
        """Send `fd`, which is closed then, at a place that was lent to nothing."""
        self._ours.append(fd)
        self.numbers[index] = fd

    def close(self) -> None:
        """Close what was given."""
        for fd in self._ours:
            os.close(fd)
        self._ours.clear()


def _layers(view: LayeredView, *, resolving: bool = False) -> "list[list[str] | str | None]":
    points = view.mount_points
    lowest = [] if points is None else [points.resolving if resolving else points.alone]
    return [[*lowest, *view.lowers], view.upper, view.work]


def _bound(mount: BindSpec, world: World | None) -> tuple[int, str]:
    """A detached copy of what a bind shows, and the path below it that the helper must still resolve."""
    if isinstance(mount.source, str):
        return detached(syscalls.AT_FDCWD, mount.source, world=world, readonly=mount.readonly), ""
    assert isinstance(mount.source, int)
    if not mount.subpath:
        return detached(mount.source, world=world, readonly=mount.readonly), ""
    inside = syscalls.openat2(mount.source, mount.subpath, os.O_PATH, resolve=_INSIDE)
    try:
        return detached(inside, world=world, readonly=mount.readonly), ""
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.dup(mount.source), mount.subpath  # a mount that this kernel cannot copy in parts
    finally:
        os.close(inside)


def _mount_order(mount: Mount, fds: Descriptors, world: World | None) -> MountOrder:
    match mount:
        case BindSpec(source=LayeredView() as view):
            return MountOrder(
                kind="bind", target=mount.target, layers=_layers(view), subpath=mount.subpath, readonly=mount.readonly
            )
        case BindSpec():
            try:
                fd, subpath = _bound(mount, world)
            except OSError as error:
                where = mount.source if isinstance(mount.source, str) else mount.subpath or "a directory"
                raise MachineError(f"cannot bind {where} at {mount.target}: {error.strerror}") from error
            return MountOrder(
                kind="bind", target=mount.target, fd=fds.give(fd), subpath=subpath, readonly=mount.readonly
            )
        case TmpfsSpec():
            return MountOrder(
                kind="tmpfs", target=mount.target, size=mount.size, mode=mount.mode, uid=mount.uid, gid=mount.gid
            )
        case FileSpec():
            fd = fds.give(protocol.to_memory(mount.content, "file"))
            return MountOrder(kind="file", target=mount.target, fd=fd, mode=mount.mode, uid=mount.uid, gid=mount.gid)
    raise AssertionError(mount)


def order_of(
    view: int | LayeredView, request: StepRequest, group: cgroups.Group, world: World | None, fds: Descriptors
) -> Order:
    """Give the order for a request; its descriptors are added to `fds`.

    Raises:
        MachineError: the source of a bind is not there.

    """
    order = Order(
        argv=list(request.argv), env=[list(pair) for pair in request.env], cwd=request.cwd, uid=request.uid,
        gid=request.gid, groups=list(request.groups), network=str(request.network), timeout=request.timeout,
        grace=request.grace, hostname=request.hostname, pipefail=request.pipefail,
        mounts=[_mount_order(mount, fds, world) for mount in request.mounts],
        resolver=_resolver() if request.network == Network.HOST else "",
        control_groups=[fds.lend(fd) for fd in group.procs], rlimits=_rlimits(request.limits, group),
    )  # fmt: skip
    if isinstance(view, LayeredView):
        order.layers = _layers(view, resolving=bool(order.resolver))
    else:
        order.view = fds.give(detached(view, world=world, safe=False))
    return order


def _rlimits(limits: Limits, group: cgroups.Group) -> list[list[int]]:
    """The limits of each process where there is no control group for all of them."""
    found = []
    if limits.memory is not None and "memory" not in group.places:
        found.append([resource.RLIMIT_AS, limits.memory])
    if limits.processes is not None and "pids" not in group.places:
        found.append([resource.RLIMIT_NPROC, limits.processes])
    return found


def _resolver() -> str:
    """The machine's resolv.conf, or ""."""
    try:
        with open("/etc/resolv.conf", "rb") as file:
            return file.read(_LARGEST_RESOLVER).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return ""
