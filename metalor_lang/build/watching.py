"""Whether a source that is being listed is copied while it is: when most of its first files are unknown.

Invariant: nothing is imported or written for a source that is known; what goes wrong with a copy that was begun is not
told here: the copy is given up, and whoever digests or copies next meets it.
"""

from collections.abc import Callable, Mapping

from metalor_lang.build.listed import Folder, Found
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.sources import SourceError
from metalor_lang.build.statcache import StatCache
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.kernel import shared

if TYPE_CHECKING:
    from metalor_lang.build.nursery import Sapling
    from metalor_lang.build.pieces import Hashed

_MOST: Final = 1 << 30
"""Bytes up to which a source is copied ahead: what may turn out to be of no use must not fill a disk."""


class Watch:
    """Sees the directories of one source as they are listed.

    Args:
        cache: what is known of files.
        begin: begins a copy, given the canonical path of the source; None where it would be of no use.

    """

    def __init__(self, cache: StatCache, begin: "Callable[[str], Sapling | None]") -> None:
        self._cache = cache
        self._begin = begin
        self._first: list[Folder] = []
        self._decided = False
        self._seen = self._unknown = self._size = 0
        self._sapling: Sapling | None = None

    def see(self, origin: str, folder: Folder) -> None:
        """A directory of the source, whose canonical path is `origin`, was listed."""
        if not self._decided:
            self._consider(origin, folder)
        elif self._sapling is not None:
            self._add(folder)

    def _consider(self, origin: str, folder: Folder) -> None:
        names, infos = folder.files
        self._first.append(folder)
        self._seen += len(folder.names)
        cache = self._cache
        if names and cache.marked(folder.info, names, infos) is None:
            self._unknown += cache.digests(folder.info, names, infos).count(None)
        if self._seen < shared.WORTH:
            return
        self._decided = True
        if 2 * self._unknown >= self._seen:
            self._sapling = self._begin(origin)
            for each in self._first:
                if self._sapling is not None:
                    self._add(each)
        self._first = []

    def _add(self, folder: Folder) -> None:
        assert self._sapling is not None
        self._size += sum([info.st_size for info in folder.infos])
        try:
            if self._size <= _MOST:
                self._sapling.add(folder)
                return
        except OSError:
            pass
        self._sapling.give_up()
        self._sapling = None

    def finish(self, opener: SourceOpener, found: Found) -> "Mapping[str, Hashed]":
        """What is known of the files of directories, by their paths, that were hashed while the source was copied."""
        if self._sapling is None:
            return {}
        try:
            return self._sapling.finish(opener, found)
        except (SourceError, OSError):
            self._sapling.give_up()
            return {}
