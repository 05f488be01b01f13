"""Remember the SHA-256 of files by their status, so that unchanged files are not read again.

Invariant: a digest is only remembered for a file that had not been touched for two seconds when it was read (or for
less, where the file system is known to tell shorter times apart): a later write then always changes its times (git
calls younger entries racy).
"""

import contextlib
import hashlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Final

_VERSION: Final = 1
_YOUNG_NS: Final = 2_000_000_000
_SECOND_NS: Final = 1_000_000_000
_SPARE: Final = 20_000
"""Entries kept in the file beside three times those in use: the file is read whole by every build."""


class StatCache:
    """Digests of file contents by (device, inode, size, mtime, ctime).

    Args:
        path: the file that keeps them between builds; None keeps them in memory only.
        settled: nanoseconds after which a write is told from an earlier one by the times of files that have fractions
            of seconds (times in whole seconds may come from a file system that has no finer ones); None for two
            seconds.

    """

    def __init__(self, path: Path | None = None, *, settled: int | None = None) -> None:
        self._path = path
        self._settled = settled
        self._lock = threading.Lock()
        self._old = _load(path) if path is not None else {}
        self._used: dict[str, str] = {}
        self._fresh = False

    def digest(self, info: os.stat_result) -> str | None:
        """The remembered hexadecimal SHA-256 of a file with this status."""
        key = f"{info.st_dev}.{info.st_ino}.{info.st_size}.{info.st_mtime_ns}.{info.st_ctime_ns}"
        found = self._used.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self._used[key] = found
        return found

    def remember(self, info: os.stat_result, digest: str) -> None:
        """Keep a digest, unless the file is so young that a write may still go unseen."""
        coarse = not info.st_mtime_ns % _SECOND_NS or not info.st_ctime_ns % _SECOND_NS
        young = _YOUNG_NS if coarse or self._settled is None else self._settled
        if time.time_ns() - max(info.st_mtime_ns, info.st_ctime_ns) < young:
            return
        key = f"{info.st_dev}.{info.st_ino}.{info.st_size}.{info.st_mtime_ns}.{info.st_ctime_ns}"
        self._used[key] = digest
        self._fresh = True

    def save(self) -> None:
        """Write the file where something new was learned; a cache that cannot be written is only slower."""
        if self._path is None or not self._fresh:
            return
        with self._lock:
            self._fresh = False
            everything = {key: value for key, value in self._old.items() if key not in self._used} | self._used
            entries = dict(list(everything.items())[-(3 * len(self._used) + _SPARE) :])
            text = json.dumps({"version": _VERSION, "entries": entries}, separators=(",", ":"))
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}")
            try:
                draft.write_text(text, encoding="ascii")
                draft.replace(self._path)
            except OSError:
                with contextlib.suppress(OSError):
                    draft.unlink()


def _load(path: Path) -> dict[str, str]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict) or data.get("version") != _VERSION or not isinstance(data.get("entries"), dict):
        return {}
    entries: dict[str, str] = data["entries"]
    return entries


def hash_file(fd: int) -> str:
    """The hexadecimal SHA-256 of an open file, from its beginning."""
    hasher = hashlib.sha256()
    offset = 0
    while chunk := os.pread(fd, 1 << 20, offset):
        hasher.update(chunk)
        offset += len(chunk)
    return hasher.hexdigest()
