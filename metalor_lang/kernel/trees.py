"""Whole trees by descriptors: walk, remove, and copy contents and extended attributes.

Invariant: no call follows a symbolic link; every step down is one plain name opened with `O_NOFOLLOW`.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping

from metalor_lang.hints import Final

_CHUNK: Final = 1 << 20
_COPY_STEP: Final = 1 << 30
_DEEPEST: Final = 400
"""Directories one descent holds open; below the usual limit of 1,024 descriptors."""

_NO_ACCESS: Final = frozenset({errno.EACCES, errno.EPERM})
_NO_COPY_RANGE: Final = frozenset({errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})
_NO_XATTRS: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Entry:
    """One name found by `walk`: a plain class, since a walk makes one for every file.

    Attributes:
        path: relative to where the walk began, without a leading `/`.
        name: its last component.
        dirfd: the directory it lies in; valid only until the walk goes on.
        stat: its status, links not followed.

    """

    __slots__ = ("dirfd", "name", "path", "stat")

    def __init__(self, path: str, name: str, dirfd: int, stat: os.stat_result) -> None:
        self.path = path
        self.name = name
        self.dirfd = dirfd
        self.stat = stat

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory itself (not a link to one)."""
        return stat.S_ISDIR(self.stat.st_mode)


def sorted_names(dirfd: int) -> list[str]:
    """The names in an open directory, sorted by their bytes."""
    return sorted(os.listdir(dirfd), key=os.fsencode)


def open_directory(name: str, dirfd: int) -> int:
    """Open the directory `name` in `dirfd`, not following a link."""
    return os.open(name, _DIRECTORY, dir_fd=dirfd)


def walk(dirfd: int, *, enter: Callable[[Entry], bool] | None = None) -> Iterator[Entry]:
    """Every entry below a directory: parents before children, names of a directory sorted by their bytes.

    Args:
        dirfd: where to begin (itself not given); may be `O_PATH`.
        enter: says whether to go into a directory; None enters all.

    Raises:
        OSError: ELOOP when directories nest deeper than 400; whatever the lookups give.

    """
    top = os.open(".", _DIRECTORY, dir_fd=dirfd)
    stack: list[tuple[int, str, list[str]]] = [(top, "", sorted_names(top)[::-1])]
    try:
        while stack:
            fd, prefix, names = stack[-1]
            if not names:
                os.close(stack.pop()[0])
                continue
            name = names.pop()
            entry = Entry(prefix + name, name, fd, os.stat(name, dir_fd=fd, follow_symlinks=False))
            yield entry
            if stat.S_ISDIR(entry.stat.st_mode) and (enter is None or enter(entry)):
                if len(stack) >= _DEEPEST:
                    raise OSError(errno.ELOOP, f"directories nest deeper than {_DEEPEST}", entry.path)
                child = open_directory(name, fd)
                stack.append((child, entry.path + "/", sorted_names(child)[::-1]))
    finally:
        for fd, _, _ in stack:
            os.close(fd)


def remove_tree(dirfd: int, name: str) -> None:
    """Remove `name` in `dirfd` and everything below it.

    Directories without permissions are opened up first; very deep trees are cut into pieces by renames.

    Raises:
        OSError: FileNotFoundError when there is nothing of that name.

    """
    if name in ("", ".", "..") or "/" in name:
        raise ValueError(f"not a plain name: {name!r}")
    if not _unlink(dirfd, name):
        pending = [name]
        while pending:
            _remove_directory(dirfd, pending.pop(), pending)


def _remove_directory(top: int, name: str, pending: list[str]) -> None:
    # (parent descriptor, own name, own descriptor, children not yet looked at)
    first = _open_for_removal(name, top)
    stack: list[tuple[int, str, int, list[str]]] = [(top, name, first, os.listdir(first))]
    try:
        while stack:
            parent, own, fd, names = stack[-1]
            if not names:
                stack.pop()
                os.close(fd)
                os.rmdir(own, dir_fd=parent)
                continue
            child = names.pop()
            if _unlink(fd, child):
                continue
            if len(stack) >= _DEEPEST:
                moved = f".removing-{os.getpid()}-{len(pending)}-{os.urandom(6).hex()}"
                os.rename(child, moved, src_dir_fd=fd, dst_dir_fd=top)
                pending.append(moved)
                continue
            child_fd = _open_for_removal(child, fd)
            stack.append((fd, child, child_fd, os.listdir(child_fd)))
    finally:
        for _, _, fd, _ in stack:
            os.close(fd)


def _unlink(dirfd: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=dirfd)
    except IsADirectoryError:
        return False
    except PermissionError:
        if stat.S_ISDIR(os.stat(name, dir_fd=dirfd, follow_symlinks=False).st_mode):
            return False
        raise
    return True


def _open_for_removal(name: str, dirfd: int) -> int:
    try:
        fd = open_directory(name, dirfd)
        mode = os.fstat(fd).st_mode
        if mode & 0o300 != 0o300 and os.geteuid() != 0:
            os.fchmod(fd, 0o700)
        return fd
    except OSError as error:
        if error.errno not in _NO_ACCESS:
            raise
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dirfd)
    try:
        os.chmod(f"/proc/self/fd/{handle}", 0o700)
    finally:
        os.close(handle)
    return open_directory(name, dirfd)


def set_mode(dirfd: int, name: str, mode: int) -> None:
    """Set the permission bits of `name` in `dirfd`, which is never followed, even if it becomes a link meanwhile.

    Raises:
        OSError: as chmod(2); EOPNOTSUPP for a link.

    """
    # fchmodat(2) cannot be told not to follow; through /proc the mode goes to the inode that was opened.
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dirfd)
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            raise OSError(errno.EOPNOTSUPP, "a symbolic link has no mode of its own", name)
        os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)


def copy_file_contents(source: int, target: int) -> int:
    """Copy a regular file's bytes to an empty file, keeping its holes.

    Args:
        source: descriptor open for reading.
        target: descriptor open for writing, at size 0.

    Returns:
        the size in bytes.

    """
    size = os.fstat(source).st_size
    offset = 0
    while offset < size:
        try:
            start = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                break
            if error.errno != errno.EINVAL:
                raise
            start, end = offset, size
        else:
            end = os.lseek(source, start, os.SEEK_HOLE)
        _copy_span(source, target, start, min(end, size))
        offset = end
    os.ftruncate(target, size)
    return size


def _copy_span(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            done = os.copy_file_range(source, target, min(end - start, _COPY_STEP), start, start)
        except OSError as error:
            if error.errno not in _NO_COPY_RANGE:
                raise
            break
        if done == 0:
            break
        start += done
    while start < end:
        data = os.pread(source, min(end - start, _CHUNK), start)
        if not data:
            break
        view = memoryview(data)
        while view:
            done = os.pwrite(target, view, start)
            view = view[done:]
            start += done


def read_xattrs(dirfd: int, name: str) -> dict[str, bytes]:
    """The extended attributes of `name` in `dirfd`, links not followed, by name.

    A file system without attributes gives none.
    """
    # There is no lgetxattrat: the descriptor's entry in /proc is the directory itself, then one plain name.
    path = f"/proc/self/fd/{dirfd}/{name}"
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return {}
        raise
    return {key: os.getxattr(path, key, follow_symlinks=False) for key in sorted(names)}


def write_xattrs(dirfd: int, name: str, attributes: Mapping[str, bytes]) -> None:
    """Set extended attributes on `name` in `dirfd`, links not followed.

    Raises:
        OSError: as setxattr(2).

    """
    path = f"/proc/self/fd/{dirfd}/{name}"
    for key, value in attributes.items():
        os.setxattr(path, key, value, follow_symlinks=False)


def copy_xattrs(source: tuple[int, str], target: tuple[int, str], keep: Callable[[str], bool]) -> None:
    """Copy the attributes that `keep` accepts between two (directory descriptor, name) places."""
    attributes = read_xattrs(*source)
    write_xattrs(*target, {key: value for key, value in attributes.items() if keep(key)})
