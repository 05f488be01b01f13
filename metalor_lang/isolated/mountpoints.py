"""Mount points that a root lacks: made before its commands run, and gone with the last of them.

Invariant: no mount point goes away while another command has something mounted on it (the kernel would take that mount
away too, umount(2)): every command holds the root's lock shared, and who removes needs it alone.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence

from metalor_lang.hints import Final
from metalor_lang.isolated.errors import PathRefused
from metalor_lang.isolated.paths import covers
from metalor_lang.isolated.targets import AUTOMATIC_DIRECTORIES, AUTOMATIC_FILES, Source
from metalor_lang.kernel import syscalls
from metalor_lang.runtime.stubs import Parent, Stub

_STRICT: Final = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_OWN_DEVICES: Final = "/dev"  # a file system of the command's own: its mount points are not the root's


@contextlib.contextmanager
def mount_points(root_fd: int, sources: Sequence[Source]) -> Iterator[None]:
    """Meanwhile every place that gets something mounted is there.

    Args:
        root_fd: the root, looked at already.
        sources: what is mounted explicitly.

    Raises:
        PathRefused: a place for an explicit mount cannot be made.

    """
    lock = os.open(".", _DIRECTORY | os.O_CLOEXEC, dir_fd=root_fd)
    made = _Made(root_fd)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        for place, directory, explicit in _wanted(sources):
            try:
                made.make(place, directory)
            except OSError as error:
                if explicit or error.errno != errno.EROFS:
                    raise PathRefused(f"the mount point {place} cannot be made: {error.strerror}") from None
        yield
    finally:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.remove()
        made.close()
        os.close(lock)


def _wanted(sources: Sequence[Source]) -> Iterator[tuple[str, bool, bool]]:
    """Each place, whether it must be a directory, and whether it was asked for."""
    explicit = [source.destination for source in sources]
    for source in sources:
        above = [other for other in (*explicit, _OWN_DEVICES) if other != source.destination]
        if not any(covers(other, source.destination) for other in above):
            yield source.destination, source.directory, True
    for directory, places in ((True, AUTOMATIC_DIRECTORIES), (False, AUTOMATIC_FILES)):
        for place in places:
            inside = place != _OWN_DEVICES and covers(_OWN_DEVICES, place)
            if not inside and not any(covers(other, place) for other in explicit):
                yield place, directory, False


class _Made:
    """What was made in a root."""

    def __init__(self, root_fd: int) -> None:
        self._root = root_fd
        self._stubs: list[Stub] = []
        self._parents: dict[str, Parent] = {}

    def make(self, place: str, directory: bool) -> None:
        """Make what is missing of a place."""
        parts = place.strip("/").split("/")
        for depth, name in enumerate(parts):
            above = "/".join(parts[:depth])
            fd = syscalls.openat2(self._root, above or ".", _DIRECTORY, resolve=_STRICT)
            try:
                self._make_one(fd, above, name, directory or depth + 1 < len(parts))
            finally:
                os.close(fd)

    def _make_one(self, fd: int, above: str, name: str, directory: bool) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.stat(name, dir_fd=fd, follow_symlinks=False)
            return
        if above not in self._parents:
            self._parents[above] = Parent(os.dup(fd))
        parent = self._parents[above]
        try:
            if directory:
                os.mkdir(name, 0o755, dir_fd=fd)
                os.chmod(name, 0o755, dir_fd=fd)
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                new = os.open(name, flags, 0o644, dir_fd=fd)
                os.fchmod(new, 0o644)
                os.close(new)
        except FileExistsError:
            return  # another command made it meanwhile, and will remove it
        self._stubs.append(Stub(parent.fd, name, directory))
        parent.after = os.fstat(parent.fd).st_mtime_ns

    def remove(self) -> None:
        """Take away what is still as it was made, and give directories that nobody else changed their times back."""
        untouched = [parent for parent in self._parents.values() if parent.untouched()]
        for stub in reversed(self._stubs):
            with contextlib.suppress(OSError):
                stub.remove()
        for parent in untouched:
            parent.restore()

    def close(self) -> None:
        """Let go of the directories."""
        for parent in self._parents.values():
            os.close(parent.fd)
        self._parents.clear()
