"""Mount overlays that no mount table shows: a view is the descriptor of a detached mount.

Invariant: nothing is ever attached where another process could see it, and the parent's working directory, umask and
namespaces stay as they are, so any number of threads may mount at once. Options are always `userxattr` (marks that an
ordinary user may write) and, with an upper directory, `volatile` (the store syncs once, at the commit).

Three ways are known; the first that works here is used (`METALOR_OVERLAY_TIER` = fd, string or mount forces one):

- `fd`: fsconfig(2) takes descriptors of the layers (Linux 6.13);
- `string`: fsconfig(2) takes one layer at a time, as a short path through /proc/self/fd (Linux 6.5);
- `mount`: mount(2) with names relative to a common directory, in a thread that has a mount namespace and a working
  directory of its own, then open_tree(2) clones the mount out of there (Linux 5.2 and later, as in Debian 12).
"""

import errno
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path

from metalor_lang.errors import MachineError
from metalor_lang.hints import Final
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.room import short_of_room
from metalor_lang.runtime import layering

TIER_VARIABLE: Final = "METALOR_OVERLAY_TIER"

_LACKING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What the machine lacks for the moment. Not EIO: an overlay says that on a file system without attributes."""

_ST_RDONLY: Final = 1
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Tier(StrEnum):
    """A way to mount an overlay."""

    FD = "fd"
    STRING = "string"
    MOUNT = "mount"


class OverlayRefused(MachineError):
    """The machine (or the store's file system) does not let us mount an overlay; views must be copied."""


_chosen: dict[int, Tier] = {}


def mount_view(lowers: Sequence[Path], upper: Path | None = None, work: Path | None = None) -> int:
    """Mount a chain of directories as one tree.

    Args:
        lowers: the read-only layers, base first (the top one last).
        upper: where changes go; None gives a view for reading.
        work: an empty directory on the same file system as `upper`; needed with it.

    Returns:
        a close-on-exec descriptor (`O_PATH`) of a detached mount; closing it unmounts. One layer alone, or an upper
        directory on nothing, is that directory itself: a detached clone where that is allowed, else just opened.

    Raises:
        OverlayRefused: no way works here, or the view is not writable though it has an upper directory.
        OSError: a layer is missing, or the machine lacks room, memory or descriptors.
        ValueError: no layers at all, or `upper` without `work`.

    """
    if upper is not None and work is None:
        raise ValueError("an upper directory needs a work directory")
    if upper is None and len(lowers) == 1:
        return clone_directory(lowers[0], read_only=True)
    if not lowers:
        if upper is None:
            raise ValueError("a view needs at least one directory")
        return clone_directory(upper)
    fd = _mount(tuple(lowers), upper, work)
    if upper is not None:
        try:
            _check_writable(fd, upper)
        except BaseException:
            os.close(fd)
            raise
    return fd


def clone_directory(path: Path, *, read_only: bool = False) -> int:
    """A detached bind mount of one directory, or the directory itself where cloning is refused.

    Args:
        path: the directory.
        read_only: let nothing be written through it (a bare directory cannot promise that).

    Raises:
        OSError: the directory is not there.

    """
    plain = os.open(path, _DIRECTORY)
    try:
        fd = syscalls.open_tree(plain, "", syscalls.OPEN_TREE_CLONE)
    except OSError:
        return plain
    os.close(plain)
    if read_only:
        try:
            syscalls.mount_setattr(fd, set=syscalls.MOUNT_ATTR_RDONLY)
        except BaseException:
            os.close(fd)
            raise
    return fd


def probe(directory: Path) -> Tier:
    """Which way to mount an overlay works on the file system of a directory.

    Args:
        directory: an empty one of the caller's, who removes what the trial leaves in it.

    Raises:
        OverlayRefused: none does; says what each one answered.
        OSError: the machine lacks room, memory or descriptors.

    """
    trial = [directory / name for name in ("lower", "other", "upper", "work")]
    for path in trial:
        path.mkdir()
    (trial[0] / "folder").mkdir()
    (trial[0] / "file").touch()
    fd = mount_view(trial[:2], trial[2], trial[3])
    try:
        # A whiteout, and an opaque mark: without attributes in the store's file system they fail only when needed.
        os.unlink("file", dir_fd=fd)
        os.rmdir("folder", dir_fd=fd)
        os.mkdir("folder", dir_fd=fd)
    except OSError as error:
        if error.errno in _LACKING:
            raise
        raise OverlayRefused(f"overlays cannot note deletions here ({error.strerror})") from error
    finally:
        os.close(fd)
    return tiers()[0]


def tiers() -> tuple[Tier, ...]:
    """The ways to try here, in order.

    Raises:
        OverlayRefused: METALOR_OVERLAY_TIER names none.

    """
    forced = os.environ.get(TIER_VARIABLE, "")
    if forced:
        try:
            return (Tier(forced),)
        except ValueError:
            raise OverlayRefused(
                f"{TIER_VARIABLE} is {forced!r}, which is no way to mount an overlay",
                help="use one of: " + ", ".join(Tier),
            ) from None
    known = _chosen.get(os.getpid())
    return (known,) if known is not None else tuple(Tier)


def _mount(lowers: tuple[Path, ...], upper: Path | None, work: Path | None) -> int:
    said: list[str] = []
    for tier in tiers():
        try:
            fd = _WAYS[tier](lowers, upper, work)
        except OSError as error:
            # A full disk says nothing about overlays: copying instead would fill it further.
            if error.errno in (errno.ENOENT, errno.ENOTDIR) or error.errno in _LACKING:
                raise
            said.append(f"{tier}: {error.strerror}")
            continue
        if not os.environ.get(TIER_VARIABLE):
            # Kept by process: a forked child may live in other namespaces.
            _chosen[os.getpid()] = tier
        return fd
    raise OverlayRefused(
        f"overlay mounts are refused here ({'; '.join(said)})",
        help="run as root, or let views be copied (slower, same results)",
    )


def _mount_in_thread(lowers: tuple[Path, ...], upper: Path | None, work: Path | None) -> int:
    # unshare(CLONE_NEWNS) parts only the calling thread from the others (and implies CLONE_FS: so does its chdir),
    # while descriptors stay common: no fork, and nothing to send back. The namespace ends with the thread.
    outcome: list[int | BaseException] = []

    def body() -> None:
        try:
            outcome.append(_privately(lowers, upper, work))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=body, name="overlay-mount")
    thread.start()
    thread.join()
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


def _privately(lowers: tuple[Path, ...], upper: Path | None, work: Path | None) -> int:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    return _called(layering.by_options, lowers, upper, work)


def _called(
    way: Callable[[list[str], str | None, str | None], int],
    lowers: tuple[Path, ...],
    upper: Path | None,
    work: Path | None,
) -> int:
    return way([str(path) for path in lowers], str(upper) if upper else None, str(work) if work else None)


_Way = Callable[[tuple[Path, ...], Path | None, Path | None], int]
_WAYS: Final[Mapping[Tier, _Way]] = {
    Tier.FD: partial(_called, layering.by_descriptors),
    Tier.STRING: partial(_called, layering.by_strings),
    Tier.MOUNT: _mount_in_thread,
}


def _check_writable(fd: int, upper: Path) -> None:
    # An overlay that cannot use its work directory mounts read-only without an error (overlayfs.rst).
    if os.fstatvfs(fd).f_flag & _ST_RDONLY:
        if short_of_room(upper):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(upper))
        raise OverlayRefused(
            "the overlay came up read-only: the kernel cannot work in the store's file system",
            help="put the store on ext4, xfs, btrfs or tmpfs: export METALOR_STORE=/other/disk/metalor",
        )
    try:
        trial = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=fd)
    except OSError as error:
        # Before Linux 6.1 an overlay has no nameless files, and any other trial would leave a trace in the layer.
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return
        if error.errno in _LACKING:
            raise
        raise OverlayRefused(f"nothing can be written in the overlay: {error.strerror}") from error
    os.close(trial)
