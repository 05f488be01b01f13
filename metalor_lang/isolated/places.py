"""Directories of this machine, reached by descriptor: below a declared prefix, and never through a symbolic link.

Invariant: every step down is one plain name opened by openat2(2) with links refused; a link anywhere on the way is
found before the first directory is made.
"""

import contextlib
import os
import stat
from collections.abc import Iterator

from metalor_lang.guards import Closing
from metalor_lang.hints import Final
from metalor_lang.isolated.errors import PathRefused
from metalor_lang.isolated.paths import absolute
from metalor_lang.kernel import syscalls

_STRICT: Final = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Prefix(Closing):
    """The declared directory that all roots lie below; owns its descriptor. Its own links are followed once.

    Attributes:
        path: its canonical path.
        fd: its descriptor.

    """

    __slots__ = ("_given", "fd", "path")

    def __init__(self, prefix: str | os.PathLike[str]) -> None:
        """Open it.

        Raises:
            CommandRefused: it is no absolute path.
            PathRefused: it is `/`, does not exist or is no directory.

        """
        what = "runtime root prefix"
        self._given = absolute(prefix, what)
        if self._given == "/":
            raise PathRefused(f"{what} must not be /", help="declare a directory of its own, for example /srv/roots")
        try:
            self.fd = os.open(self._given, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise PathRefused(
                f"{what} {self._given} cannot be opened: {error.strerror}", help=f"make it first: mkdir {self._given}"
            ) from None
        if os.path.samestat(os.fstat(self.fd), os.stat("/")):
            os.close(self.fd)
            raise PathRefused(f"{what} {self._given} leads to /, and must not", help="declare a directory of its own")
        self.path = os.readlink(f"/proc/self/fd/{self.fd}")  # of what was opened, whatever has the name by now

    def below(self, path: str | os.PathLike[str], what: str) -> str:
        """The part of `path` after the prefix, which may be spelled as it was given or canonically.

        Raises:
            CommandRefused: it is no absolute path.
            PathRefused: it is not below the prefix.

        """
        text = absolute(path, what)
        for start in (self._given, self.path):
            if text.startswith(f"{start}/"):
                return text[len(start) + 1 :]
        raise PathRefused(
            f"{what} {text} must live under the runtime root prefix {self.path}",
            help=f"choose a directory such as {self.path}/app",
        )

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


def inspect(base: int, path: str, what: str, shown: str) -> int | None:
    """Look for `path` below the descriptor `base`.

    Args:
        base: a directory.
        path: relative, normalised; "" is `base` itself.
        what: how errors call it, such as "container root".
        shown: the path of `base` as errors show it.

    Returns:
        an O_PATH descriptor (which the caller closes), or None when nothing is there.

    Raises:
        PathRefused: a symbolic link on the way or at the end, or a file in the middle; nothing has been changed.

    """
    fd = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=base)
    parts = [part for part in path.split("/") if part]
    for depth, part in enumerate(parts):
        here = f"{shown.rstrip('/')}/{'/'.join(parts[: depth + 1])}"
        try:
            child = syscalls.openat2(fd, part, os.O_PATH | os.O_NOFOLLOW, resolve=_STRICT)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            above = os.path.dirname(here)
            raise PathRefused(f"{what} {here}: {above} is not a directory", help=f"remove {above}") from None
        except OSError as error:
            raise PathRefused(f"{what} {here} cannot be opened: {error.strerror}") from None
        finally:
            os.close(fd)
        if stat.S_ISLNK(os.fstat(child).st_mode):
            leads = os.readlink("", dir_fd=child)
            os.close(child)
            raise PathRefused(
                f"{what} traverses a symbolic link: {here} leads to {leads}",
                help=f"put a real {'file or ' if depth + 1 == len(parts) else ''}directory at {here}",
            )
        fd = child
    return fd


def require_absent_or(kind: str, base: int, path: str, what: str, shown: str) -> bool:
    """Look for `path` as `inspect`; whether it is there. `kind` is `directory` or `file`.

    Raises:
        PathRefused: as `inspect`, or it is of another kind.

    """
    fd = inspect(base, path, what, shown)
    if fd is None:
        return False
    mode = os.fstat(fd).st_mode
    os.close(fd)
    right = stat.S_ISDIR(mode) if kind == "directory" else stat.S_ISREG(mode)
    if not right:
        raise PathRefused(
            f"{what} {shown.rstrip('/')}/{path} is not a {kind}", help="remove it, or choose another path"
        )
    return True


def make_directory(base: int, path: str, what: str, shown: str, mode: int = 0o755) -> int:
    """Open the directory `path` below `base`, made when missing with its parents.

    Returns:
        a descriptor that can be read (which the caller closes).

    Raises:
        PathRefused: as `inspect`; or the machine refuses to make it.

    """
    require_absent_or("directory", base, path, what, shown)
    fd = os.open(".", _DIRECTORY | os.O_CLOEXEC, dir_fd=base)
    for part in [part for part in path.split("/") if part]:
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, mode, dir_fd=fd)
            child = syscalls.openat2(fd, part, _DIRECTORY, resolve=_STRICT)
        except OSError as error:
            raise PathRefused(f"{what} {shown.rstrip('/')}/{path} cannot be made: {error.strerror} ({part})") from None
        finally:
            os.close(fd)
        fd = child
    return fd


def open_directory(base: int, path: str, what: str, shown: str) -> int:
    """Open the existing directory `path` below `base`; a descriptor that can be read.

    Raises:
        PathRefused: as `inspect`, or there is none.

    """
    if not require_absent_or("directory", base, path, what, shown):
        raise PathRefused(f"{what} {shown.rstrip('/')}/{path} does not exist")
    try:
        return syscalls.openat2(base, path or ".", _DIRECTORY, resolve=_STRICT)
    except OSError as error:
        raise PathRefused(f"{what} {shown.rstrip('/')}/{path} cannot be opened: {error.strerror}") from None


@contextlib.contextmanager
def filesystem_root() -> Iterator[int]:
    """The descriptor of `/`, for paths that no prefix is declared for."""
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
