"""Where builds live: which ids steps have on this machine, and how the builder sees the store.

Invariant: in every backend the builder is user 0 with the rights to write a store, and sees in it the ids that images
have; on the disk they are shifted, so that no file of a store is truly the machine's superuser's. Entering changes this
process only: its mount namespace, and (rootless) its user namespace.
"""

import errno
import os
from enum import StrEnum
from pathlib import Path

from metalor_lang.errors import MachineError, UsageError
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.kernel import syscalls, userns
from metalor_lang.record import dataclass

if TYPE_CHECKING:
    from metalor_lang.runtime import subids

BACKEND_VARIABLE: Final = "METALOR_BACKEND"
SHIFT: Final = 1 << 31
"""What a step's superuser is on the machine: ids from here on are given to nobody by any distribution."""
COUNT: Final = (1 << 31) - 2
"""How many ids there are from there: the last one means "none" to chown(2)."""

_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO})
"""Failures that say nothing of what the machine can do: no reason to choose another backend, which keeps steps less."""


class Backend(StrEnum):
    """Who a step is on this machine."""

    USERNS = "userns"
    ROOTLESS = "rootless"
    PRIVILEGED = "privileged"


class HostMap:
    """The user namespace that maps the machine's ids to steps'; made when it is first needed, for a build that finds
    everything in its store shows steps nothing.
    """

    __slots__ = ("_fd", "_lock")

    def __init__(self) -> None:
        self._fd = -1
        self._lock = Lock()

    def fd(self) -> int:
        """Its descriptor; best asked for first before threads exist. Raises OSError."""
        with self._lock:
            if self._fd < 0:
                self._fd = userns.make(((0, SHIFT, COUNT),))
            return self._fd

    def close(self) -> None:
        """Close it, if it was made."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was entered.

    Args:
        backend: how steps run.
        why: why it is not a better one; "" for the best that this user can have.
        store: the store's directory, or None.
        disk: descriptor of the store's directory as it lies on the disk, or -1.
        shift: a step's id plus this is that id for this process; 0 unless the backend is `userns`.
        host_map: by which directories of the machine are shown to steps; None where ids are not shifted.
        owner: (uid, gid) of the user who runs this, as this process sees them; None when they are (0, 0).

    """

    backend: Backend
    why: str = ""
    store: Path | None = None
    disk: int = -1
    shift: int = 0
    host_map: "HostMap | None" = None
    owner: tuple[int, int] | None = None


def enter(store: Path, requested: str | None = None, *, runs: bool = True) -> World:
    """Enter the world in which this process can build with a store; call it first of all, from the only thread.

    The store's directory is made when it is not there. Call it once a process.

    Args:
        store: the store's directory.
        requested: a backend's name; None takes `METALOR_BACKEND`, else the best one.
        runs: steps will run; without it, an ordinary user who cannot run any stays who he is.

    Raises:
        UsageError: no such backend.
        MachineError: this machine or this user cannot; the help says what to do.

    """
    wanted = _wanted(requested)
    path = store.absolute()
    _make(path)
    if os.geteuid():
        if wanted not in (None, Backend.ROOTLESS):
            raise MachineError(f"the backend {wanted} needs root", help="run it with sudo, or leave --backend out")
        from metalor_lang.runtime import subids

        try:
            ids = subids.find()
        except MachineError as error:
            if runs:
                raise
            return World(backend=Backend.ROOTLESS, why=error.message, store=path)
        return _rootless(path, ids)
    if wanted is Backend.ROOTLESS:
        raise MachineError(
            "the backend rootless is for ordinary users", help="run it without sudo, or with --backend userns"
        )
    return _root(path, wanted)


def _wanted(requested: str | None) -> Backend | None:
    text = requested or os.environ.get(BACKEND_VARIABLE, "")
    if text in ("", "auto"):
        return None
    try:
        return Backend(text)
    except ValueError:
        raise UsageError(f"there is no backend {text!r}", help="use one of: " + ", ".join(Backend)) from None


def _make(path: Path) -> None:
    """Make the store's directory now, while we still are who we were: its parents belong to the user."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise MachineError(
            f"the store {path} cannot be made: {error.strerror}: {error.filename}",
            help="choose another directory: export METALOR_STORE=$HOME/metalor-store",
        ) from None


# --- the machine's superuser ------------------------------------------------------------------------------------------


def _root(path: Path, wanted: Backend | None) -> World:
    why = _private_mounts()
    if _shown_already(path):
        syscalls.umount2(path, syscalls.MNT_DETACH)
    disk = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    why = why or _shift(path, disk)
    if not why and wanted is not Backend.PRIVILEGED:
        # That a user namespace can be made and mounts be mapped by it was just seen at the store.
        return World(backend=Backend.USERNS, store=path, disk=disk, shift=SHIFT, host_map=HostMap())
    if wanted is Backend.USERNS:
        raise MachineError(f"the backend userns does not work here: {why}", help="see `metalor doctor`")
    # What the kernel mounts for steps is what the builder sees: the same ids.
    os.close(disk)
    disk = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return World(backend=Backend.PRIVILEGED, why=why or "it was asked for", store=path, disk=disk)


def _private_mounts() -> str:
    """Leave the machine's mount namespace, and still see what is mounted there later; say why not."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    except OSError as error:
        return f"no mount namespace of our own ({error.strerror})"
    return ""


def _shown_already(path: Path) -> bool:
    """Whether this process's mount namespace has the store with shifted ids already (proc_pid_mountinfo(5))."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    name = str(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    return any(fields[4] == name and "idmapped" in fields[5].split(",") for fields in map(str.split, lines))


def _shift(path: Path, disk: int) -> str:
    """Show this process the store with the ids of images, which are shifted on the disk; say why it cannot be."""
    status = os.stat(path)
    if status.st_uid == 0 and os.listdir(path):
        return f"the store {path} was made where ids cannot be shifted"
    try:
        ids = userns.make(((SHIFT, 0, COUNT),))
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return f"user namespaces cannot be made here ({error.strerror})"
    try:
        view = syscalls.open_tree(disk, "", syscalls.OPEN_TREE_CLONE)
        try:
            # Private: what is mounted below it must not spread to the machine's own mount of the store.
            syscalls.mount_setattr(view, set=syscalls.MOUNT_ATTR_IDMAP, propagation=syscalls.MS_PRIVATE, userns_fd=ids)
            if status.st_uid == 0:
                os.chown(path, SHIFT, SHIFT)
            syscalls.move_mount(view, disk)
        finally:
            os.close(view)
    except OSError as error:
        if status.st_uid == SHIFT:
            raise MachineError(
                f"the ids in the store {path} are shifted, and cannot be shown here ({error.strerror})",
                help="choose another directory: export METALOR_STORE=/other/disk/metalor",
            ) from None
        if error.errno in _PASSING:
            raise
        return f"the file system of the store cannot shift ids ({error.strerror})"
    finally:
        os.close(ids)
    return ""


# --- an ordinary user -------------------------------------------------------------------------------------------------


def _rootless(path: Path, ids: "subids.SubIds") -> World:
    from metalor_lang.runtime import subids

    uid = os.geteuid()
    try:
        userns.enter(syscalls.CLONE_NEWNS, ids.write_maps)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    except OSError as error:
        known = "" if error.filename == "uid_map" else subids.refusal()
        raise MachineError(
            f"this machine gives an ordinary user no user namespace: {known or error.strerror}",
            help="run it with sudo, or see `metalor doctor`",
        ) from None
    # What skopeo asks for who we are outside: else it looks for what is the superuser's, and may not read it.
    os.environ.setdefault(userns.ROOTLESS_UID, str(uid))
    owner = (subids.COUNT, subids.COUNT)
    if os.stat(path).st_uid == owner[0]:
        _give(path, owner[0])
    disk = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return World(backend=Backend.ROOTLESS, store=path, disk=disk, owner=owner)


def _give(path: Path, owner: int) -> None:
    """Make a store that the user made before he had subordinate ids the superuser's of the new namespace."""
    for folder, _, names in os.walk(path, topdown=False):
        for place in (*(os.path.join(folder, name) for name in names), folder):
            if os.lstat(place).st_uid == owner:
                os.chown(place, 0, 0, follow_symlinks=False)


# --- what a step is shown of the machine ------------------------------------------------------------------------------


def detached(fd: int, path: str = "", *, world: World | None, readonly: bool = False, safe: bool = True) -> int:
    """A detached copy of the mounts at a place of this machine, as a step may see it.

    Args:
        fd: a directory or file; or a mount that is not attached, which Linux before 6.15 cannot copy.
        path: below `fd`.
        world: whose ids the copy is shown with.
        readonly: let nothing be written through it.
        safe: make setuid programs and device nodes in it do nothing.

    Returns:
        a descriptor of the copy; of `fd` itself where the kernel cannot copy it: it then serves one step.

    Raises:
        OSError: there is no such place.

    """
    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_SYMLINK_NOFOLLOW | syscalls.AT_RECURSIVE
    try:
        copy = syscalls.open_tree(fd, path, flags)
    except OSError as error:
        if error.errno != errno.EINVAL or path:
            raise
        return os.dup(fd)
    try:
        # A copy belongs to the peer group of its mount (mount_namespaces(7)): what a step has mounted below it would
        # appear in the machine's own table, and stay there.
        syscalls.mount_setattr(copy, propagation=syscalls.MS_PRIVATE, recursive=True)
        attributes = syscalls.MOUNT_ATTR_RDONLY if readonly else 0
        if safe:
            attributes |= syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
        if attributes:
            syscalls.mount_setattr(copy, set=attributes, recursive=True)
        if world is not None and world.host_map is not None:
            _show_ids(copy, world.host_map.fd())
    except BaseException:
        os.close(copy)
        raise
    return copy


def _show_ids(copy: int, host_map: int) -> None:
    try:
        syscalls.mount_setattr(copy, set=syscalls.MOUNT_ATTR_IDMAP, userns_fd=host_map, recursive=True)
    except OSError as error:
        # A file system that cannot do it is shown as it is: everybody in it is `nobody`, and what others may read
        # the step may read.
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
