"""What is known of the blobs in outputs, so that an export that changes nothing reads none of them.

Invariant: a blob whose status is not exactly the one it had when it was last known to be whole is read and checked.
"""

import os
import time
from pathlib import Path

from metalor_lang.build.statcache import StatCache
from metalor_lang.hints import Final

_SETTLED_NS: Final = 12_000_000
"""After so long a file's times tell a later write from the last one: the clock that stamps files stands still for up
to a hundredth of a second."""


class BlobMemory:
    """Digests of blobs by their status, kept in a file.

    Args:
        path: the file.

    """

    def __init__(self, path: Path) -> None:
        self._cache = StatCache(path, settled=_SETTLED_NS)
        self._written: list[tuple[Path, str]] = []

    def digest(self, info: os.stat_result, /) -> str | None:
        """The hexadecimal SHA-256 of a blob with this status, if it is known."""
        return self._cache.digest(info)

    def remember(self, info: os.stat_result, digest: str, /) -> None:
        """Keep the digest of a blob that was just read and checked."""
        self._cache.remember(info, digest)

    def wrote(self, path: Path, digest: str, /) -> None:
        """Keep the digest of a blob that was just written; its status is taken by `save`."""
        self._written.append((path, digest))

    def save(self) -> None:
        """Keep everything: call it when nothing of the outputs will be touched any more, their owners neither."""
        for path, digest in self._written:
            info = os.stat(path)
            age = time.time_ns() - max(info.st_ctime_ns, info.st_mtime_ns)
            if 0 <= age < _SETTLED_NS:
                time.sleep((_SETTLED_NS - age) / 1e9)
            self._cache.remember(info, digest)
        self._cache.save()
