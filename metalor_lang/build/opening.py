"""Open what was listed, exactly where it was, many files of one directory in a row.

Invariant: a directory is opened beneath its tree without following a link, a file by its plain name in it; what is
opened is what was listed, or it is an error.
"""

import errno
import os

from metalor_lang.build.listed import Found, SourceEntry
from metalor_lang.build.sources import EXACT, SourceError, changed, unlike
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import open_beneath

_GONE: Final = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EXDEV, errno.ENXIO})
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


class SourceOpener:
    """Opens listed files of one tree; keeps the directory of the last one open.

    Args:
        fd: the open tree; stays the caller's.

    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._head: str | None = None
        self._folder = -1

    @property
    def root(self) -> int:
        """The open tree."""
        return self._fd

    def close(self) -> None:
        """Close the kept directory."""
        if self._folder >= 0:
            os.close(self._folder)
        self._head, self._folder = None, -1

    def open(self, found: Found, entry: SourceEntry) -> int:
        """Open a listed file for reading; the caller closes the descriptor.

        Raises:
            SourceError: it cannot be read, or it is not the file that was listed.

        """
        return self.open_at(found.place(entry), entry.info)

    def open_at(self, place: str, info: os.stat_result) -> int:
        """As `open`, by the canonical path and the status as it was listed."""
        try:
            folder, name = self.folder(place)
            opened = os.open(name, _READ, dir_fd=folder)
        except PermissionError:
            raise SourceError(f"`{place}` cannot be read: permission denied") from None
        except OSError as error:
            if error.errno in _GONE:
                raise changed(place) from None
            raise
        if unlike(info, os.fstat(opened)):
            os.close(opened)
            raise changed(place)
        return opened

    def folder(self, place: str) -> tuple[int, str]:
        """The directory that holds a canonical place, open until the next call, and the place's name in it.

        Raises:
            OSError: as openat2(2).

        """
        head, _, name = place.rpartition("/")
        if self._head != head:
            folder = open_beneath(self._fd, head, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
            self.close()
            self._head, self._folder = head, folder
        return self._folder, name or "."
