"""Fold a stack of overlay layers into one directory.

Invariant: mounted in place of the layers it was made from, the result shows the same tree: whiteouts (0:0 character
devices) and opaque marks (`user.overlay.opaque`) stay wherever something below the stack might shine through; with
nothing below they are gone, and the result is the plain tree.
"""

import errno
import os
import stat
from collections.abc import Sequence

from metalor_lang.hints import Final
from metalor_lang.kernel.trees import (
    copy_file_contents,
    open_directory,
    read_xattrs,
    remove_tree,
    sorted_names,
    write_xattrs,
)

_MARKS: Final = "user.overlay."
_OPAQUE: Final = "user.overlay.opaque"
_NOT_SET: Final = frozenset({errno.ENODATA, errno.EOPNOTSUPP})


def is_whiteout(status: os.stat_result) -> bool:
    """Whether an entry is overlay's mark of a deletion."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def merge_layers(layers: Sequence[int], target: int, *, bottom: bool) -> None:
    """Copy layers over one another into an empty directory.

    Args:
        layers: descriptors of their directories, lowest first.
        target: descriptor of the empty directory; gets the topmost layer's own attributes too.
        bottom: nothing lies below the lowest layer, so no marks are needed.

    Raises:
        OSError: as the calls for reading and writing files.

    """
    for layer in layers:
        _Layer(target).apply(layer, target, "", below=not bottom)
        _copy_attributes((layer, "."), (target, "."), os.fstat(layer))


class _Layer:
    """One layer being laid over the target; names of the same inode become names of one file again."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._links: dict[tuple[int, int], str] = {}

    def apply(self, source: int, target: int, prefix: str, *, below: bool) -> None:
        for name in sorted_names(source):
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            there = _status(target, name)
            if stat.S_ISDIR(status.st_mode):
                self._directory(source, target, prefix, name, status, there, below=below)
                continue
            if there is not None:
                remove_tree(target, name)
            if is_whiteout(status):
                if below:
                    os.mknod(name, stat.S_IFCHR, 0, dir_fd=target)
                continue
            self._file(source, target, prefix, name, status)

    def _directory(
        self,
        source: int,
        target: int,
        prefix: str,
        name: str,
        status: os.stat_result,
        there: os.stat_result | None,
        *,
        below: bool,
    ) -> None:
        joins = there is not None and stat.S_ISDIR(there.st_mode) and not _is_opaque(source, name)
        if joins:
            below = below and not _is_opaque(target, name)
        else:
            # What it replaces here (a file, a deletion, a hidden directory) would also have stopped the look further
            # down, so the new directory must hide whatever lies there.
            hides = there is not None or _is_opaque(source, name)
            if there is not None:
                remove_tree(target, name)
            os.mkdir(name, 0o700, dir_fd=target)
            if hides and below:
                write_xattrs(target, name, {_OPAQUE: b"y"})
                below = False
        from_fd = open_directory(name, source)
        try:
            to_fd = open_directory(name, target)
            try:
                self.apply(from_fd, to_fd, f"{prefix}{name}/", below=below)
            finally:
                os.close(to_fd)
        finally:
            os.close(from_fd)
        _copy_attributes((source, name), (target, name), status)

    def _file(self, source: int, target: int, prefix: str, name: str, status: os.stat_result) -> None:
        if status.st_nlink > 1:
            inode = status.st_dev, status.st_ino
            first = self._links.setdefault(inode, prefix + name)
            if first != prefix + name and self._link(first, target, name):
                return
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFREG:
            _copy_file(source, target, name)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            os.mknod(name, kind | 0o600, status.st_rdev, dir_fd=target)
        _copy_attributes((source, name), (target, name), status)

    def _link(self, first: str, target: int, name: str) -> bool:
        try:
            os.link(first, name, src_dir_fd=self._target, dst_dir_fd=target, follow_symlinks=False)
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.EMLINK):  # then a file of its own has the same bytes
                return False
            raise
        return True


def _status(dirfd: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_opaque(dirfd: int, name: str) -> bool:
    try:
        return os.getxattr(f"/proc/self/fd/{dirfd}/{name}", _OPAQUE, follow_symlinks=False) == b"y"
    except OSError as error:
        if error.errno in _NOT_SET:
            return False
        raise


def _copy_file(source: int, target: int, name: str) -> None:
    from_fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        to_fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target)
        try:
            copy_file_contents(from_fd, to_fd)
        finally:
            os.close(to_fd)
    finally:
        os.close(from_fd)


def copy_root_attributes(source: int, target: int) -> None:
    """Give one directory the owner, mode, attributes and times of another (descriptors), without overlay's marks."""
    _copy_attributes((source, "."), (target, "."), os.fstat(source))


def _copy_attributes(source: tuple[int, str], target: tuple[int, str], status: os.stat_result) -> None:
    dirfd, name = target
    # In this order: a change of owner clears the set-id bits and security.capability; times come last.
    os.chown(name, status.st_uid, status.st_gid, dir_fd=dirfd, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=dirfd)
    wanted = {key: value for key, value in read_xattrs(*source).items() if not key.startswith(_MARKS)}
    for key in read_xattrs(dirfd, name):
        if key not in wanted and not key.startswith(_MARKS):
            os.removexattr(f"/proc/self/fd/{dirfd}/{name}", key, follow_symlinks=False)
    write_xattrs(dirfd, name, wanted)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=dirfd, follow_symlinks=False)
