"""Path work beneath one directory file descriptor.

Invariant: whatever symbolic links lie below a root, no call here reads or writes outside it: every lookup is one
`openat2(RESOLVE_IN_ROOT)` (openat2(2)), and what changes the tree works on a parent's descriptor and one plain name.
Paths are `str` (file system encoding with surrogate escapes); a leading `/` means the root itself.
"""

import errno
import os
import stat
from collections.abc import Callable

from metalor_lang.guards import Closing
from metalor_lang.hints import Final, Self
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.trees import copy_file_contents, copy_xattrs, read_xattrs, remove_tree, set_mode, walk

__all__ = [
    "Root",
    "copy_file_contents",
    "copy_xattrs",
    "open_beneath",
    "read_xattrs",
    "remove_tree",
    "set_mode",
    "split",
    "walk",
]

_CHAIN_LIMIT: Final = 40
"""Symbolic links followed in one lookup: the kernel's own limit (path_resolution(7))."""

_RETRIES: Final = 128
"""A rename elsewhere makes openat2 give EAGAIN: the lookup could not be proven to stay inside."""

_IN_ROOT: Final = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_EXACT: Final = _IN_ROOT | syscalls.RESOLVE_NO_SYMLINKS
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


def split(path: str) -> list[str]:
    """The components of a path, without empty ones and `.`; `..` is kept."""
    return [part for part in path.split("/") if part not in ("", ".")]


def open_beneath(dirfd: int, path: str, flags: int, mode: int = 0, *, resolve: int = _IN_ROOT) -> int:
    """Open `path` with `dirfd` as its root; close-on-exec is always set.

    Raises:
        OSError: as openat2(2); EAGAIN only after many tries.

    """
    for _ in range(_RETRIES):
        try:
            return syscalls.openat2(dirfd, path or ".", flags | os.O_CLOEXEC, mode, resolve)
        except BlockingIOError:
            continue
    raise OSError(errno.EAGAIN, "the tree kept changing during the lookup", path)


class Root(Closing):
    """A directory that acts as `/` for every path given to it; owns its descriptor.

    Args:
        fd: a directory descriptor (`O_PATH` is enough); closed by `close()`.

    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Self:
        """The root at a path of the host, whose own links are followed."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def open(self, path: str, flags: int, mode: int = 0, *, follow: bool = True) -> int:
        """Open a path inside the root.

        Args:
            path: any path; links are resolved inside the root and never leave it.
            flags: of open(2); `O_CLOEXEC` is added.
            mode: permission bits for `O_CREAT`.
            follow: whether the last component may be a link (`O_NOFOLLOW` when not).

        Returns:
            a descriptor that the caller closes.

        Raises:
            OSError: as openat2(2).

        """
        return open_beneath(self.fd, path, flags if follow else flags | os.O_NOFOLLOW, mode)

    def open_exactly(self, path: str, flags: int) -> int:
        """Open a path inside the root without following any link; errors as openat2(2), ELOOP at a link."""
        return open_beneath(self.fd, path, flags, resolve=_EXACT)

    def stat(self, path: str, follow: bool = False) -> os.stat_result | None:
        """The status of a path, None where there is nothing."""
        try:
            fd = self.open(path, os.O_PATH, follow=follow)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def readlink(self, path: str) -> str:
        """The target text of a symbolic link.

        Raises:
            OSError: EINVAL or ENOENT when it is not a link.

        """
        fd = self.open(path, os.O_PATH, follow=False)
        try:
            return _link_text(fd)
        finally:
            os.close(fd)

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, sorted by their bytes."""
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.listdir(fd), key=os.fsencode)
        finally:
            os.close(fd)

    def read_bytes(self, path: str, limit: int) -> bytes:
        """The whole content of a regular file.

        Args:
            path: links are followed inside the root.
            limit: the most bytes it may have.

        Raises:
            OSError: EFBIG when it is longer, EINVAL when it is no regular file, else as openat2(2).

        """
        # O_NONBLOCK: a fifo planted here must not hang us.
        fd = self.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(fd, "rb") as stream:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise OSError(errno.EFBIG, f"longer than {limit} bytes", path)
        return data

    def resolve(self, path: str) -> str:
        """The canonical absolute path inside the root after following every link; a missing tail is kept as written.

        Raises:
            OSError: ELOOP for too many links.

        """
        return "/" + "/".join(self._resolve(path))

    def parent(
        self,
        path: str,
        *,
        create: bool = False,
        mode: int = 0o755,
        owner: tuple[int, int] | None = None,
        on_create: Callable[[str], None] | None = None,
    ) -> tuple[int, str]:
        """Open the directory that holds a path's last component.

        Args:
            path: its last component is not followed and need not exist.
            create: make missing directories.
            mode: of made directories, whatever the umask.
            owner: numeric (user, group) of made directories; None keeps the caller's.
            on_create: called with the canonical path of each made directory.

        Returns:
            (descriptor of the directory, which the caller closes; the last component, a plain name).

        Raises:
            OSError: EISDIR when the path is the root itself; NotADirectoryError when a parent is a file.

        """
        head, _, name = path.rstrip("/").rpartition("/")
        if name in ("", ".", ".."):
            parts = self._resolve(path)
            if not parts:
                raise IsADirectoryError(errno.EISDIR, "the path is the root itself", path)
            head, name = "/".join(parts[:-1]), parts[-1]
        try:
            return self.open(head, os.O_RDONLY | os.O_DIRECTORY), name
        except FileNotFoundError:
            if not create:
                raise
        for made in self.makedirs(head, mode, owner):
            if on_create is not None:
                on_create(made)
        return self.open(head, os.O_RDONLY | os.O_DIRECTORY), name

    def makedirs(self, path: str, mode: int = 0o755, owner: tuple[int, int] | None = None) -> list[str]:
        """Make a directory and its missing parents; a dangling link's target is made inside the root.

        Args:
            path: the directory.
            mode: permission bits of each made directory, whatever the umask.
            owner: numeric (user, group) of each made directory.

        Returns:
            the canonical paths made, outermost first.

        Raises:
            OSError: NotADirectoryError when a component is something else.

        """
        made: list[str] = []
        parts = self._resolve(path)
        fd = open_beneath(self.fd, ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            for depth, name in enumerate(parts):
                try:
                    child = open_beneath(fd, name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, resolve=_EXACT)
                except FileNotFoundError:
                    child = _make_directory(fd, name, mode, owner)
                    made.append("/" + "/".join(parts[: depth + 1]))
                os.close(fd)
                fd = child
        finally:
            os.close(fd)
        return made

    def remove(self, path: str) -> None:
        """Remove a path with everything below it; links are never followed below or at it.

        Raises:
            OSError: FileNotFoundError when there is nothing; EISDIR for the root.

        """
        dirfd, name = self.parent(path)
        try:
            remove_tree(dirfd, name)
        finally:
            os.close(dirfd)

    def _resolve(self, path: str) -> list[str]:
        done: list[str] = []
        todo = split(path)[::-1]
        links = 0
        missing = False
        while todo:
            name = todo.pop()
            if name == "..":
                del done[-1:]
                missing = False
                continue
            done.append(name)
            if missing:
                continue
            try:
                fd = open_beneath(self.fd, "/".join(done), os.O_PATH | os.O_NOFOLLOW, resolve=_EXACT)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                missing = True
                continue
            try:
                if stat.S_ISLNK(os.fstat(fd).st_mode):
                    links += 1
                    if links > _CHAIN_LIMIT:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                    target = _link_text(fd)
                    done = [] if target.startswith("/") else done[:-1]
                    todo.extend(split(target)[::-1])
            finally:
                os.close(fd)
        return done


def _link_text(fd: int) -> str:
    # An empty name reads the link that an O_PATH|O_NOFOLLOW descriptor stands for (readlinkat(2)).
    return os.readlink("", dir_fd=fd)


def _make_directory(dirfd: int, name: str, mode: int, owner: tuple[int, int] | None) -> int:
    os.mkdir(name, 0o700, dir_fd=dirfd)
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dirfd)
    try:
        if owner is not None:
            os.fchown(fd, *owner)
        os.fchmod(fd, mode)
    except OSError:
        os.close(fd)
        raise
    return fd
