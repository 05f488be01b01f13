"""Remember the SHA-256 of files by their status, so that unchanged files are not read again.

Invariant: a digest is only remembered for a file that had not been touched for two seconds when it was read (or for
less, where the file system is known to tell shorter times apart): a later write then always changes its times (git
calls younger entries racy).

Files of a context are kept by the directory that holds them, in one piece: where nothing in it changed, comparing two
strings of bytes says so. The file that keeps them between builds carries the digest of its own bytes, so one that a
power cut tore is not believed.
"""

import contextlib
import os
import struct
import threading
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.kernel.bulk import FIELDS, ROW, STATUS, pack
from metalor_lang.record import dataclass
from metalor_lang.sha import new_hash, sealed, unsealed

_MAGIC: Final = b"metalor digests 3\n"
_SUM: Final = 32
_YOUNG_NS: Final = 2_000_000_000
_SECOND_NS: Final = 1_000_000_000
_SPARE: Final = 20_000
"""Entries kept in the file beside three times those in use: the file is read whole by every build."""
_HEAD: Final = struct.Struct("<QQII32s")
"""Device and inode of a directory (zeros: files that belong to none), count of files, bytes of their names, mark."""
_NO_MARK: Final = bytes(_SUM)

_MTIME: Final = FIELDS.index("st_mtime_ns")
_CTIME: Final = FIELDS.index("st_ctime_ns")

_Place = tuple[int, int]
_NOWHERE: Final[_Place] = (0, 0)
_ALL: Final = (1 << 64) - 1  # Python gives devices of 64 bits as negative numbers, or not, as its version has it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Files of one directory: names, each ended by NUL; what `packed` gives; their digests; a digest of them all."""

    names: bytes
    status: bytes
    shas: bytes
    mark: bytes = _NO_MARK

    @property
    def count(self) -> int:
        return len(self.shas) // _SUM

    def by_name(self) -> dict[str, tuple[bytes, bytes]]:
        names = self.names.decode("utf-8", "surrogateescape").split("\0")
        return {
            name: (self.status[at * ROW : (at + 1) * ROW], self.shas[at * _SUM : (at + 1) * _SUM])
            for at, name in enumerate(names[:-1])
        }


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
        self._old: dict[_Place, _Rows] | None = {} if path is None else None
        self._used: dict[_Place, _Rows] = {}
        self._loose_old: dict[bytes, bytes] = {}
        self._loose: dict[bytes, bytes] = {}
        self._fresh = False

    # --- files one by one -----------------------------------------------------------------------------------------

    def digest(self, info: os.stat_result) -> str | None:
        """The remembered hexadecimal SHA-256 of a file with this status."""
        self._load()
        key = packed((info,))
        found = self._loose.get(key)
        if found is None and (found := self._loose_old.get(key)) is not None:
            self._loose[key] = found
        return None if found is None else found.hex()

    def remember(self, info: os.stat_result, digest: str) -> None:
        """Keep a digest, unless the file is so young that a write may still go unseen."""
        coarse = not info.st_mtime_ns % _SECOND_NS or not info.st_ctime_ns % _SECOND_NS
        young = _YOUNG_NS if coarse or self._settled is None else self._settled
        if time.time_ns() - max(info.st_mtime_ns, info.st_ctime_ns) >= young:
            self._loose[packed((info,))] = bytes.fromhex(digest)
            self._fresh = True

    # --- files by their directory ---------------------------------------------------------------------------------

    def marked(
        self, folder: os.stat_result, names: Sequence[str], infos: Sequence[os.stat_result]
    ) -> tuple[bytes, bytes] | None:
        """The mark that `learn` was given with all files of a directory, and their digests, 32 bytes each, while all
        are what they were; arguments as `digests`.
        """
        self._load()
        place = _place(folder)
        rows = self._used.get(place) or (self._old or {}).get(place)
        if rows is None or rows.mark == _NO_MARK or packed(infos) != rows.status or _joined(names) != rows.names:
            return None
        self._used[place] = rows
        return rows.mark, rows.shas

    def digests(
        self, folder: os.stat_result, names: Sequence[str], infos: Sequence[os.stat_result]
    ) -> list[str | None]:
        """The remembered digests of files of one directory, None for each that must be read.

        Args:
            folder: the directory's status.
            names: of the files, sorted.
            infos: the status of each.

        """
        self._load()
        place = _place(folder)
        rows = self._used.get(place) or (self._old or {}).get(place)
        if rows is None:
            return [None] * len(names)
        self._used[place] = rows
        status = packed(infos)
        if status == rows.status and _joined(names) == rows.names:
            text = rows.shas.hex()
            return [text[at : at + 64] for at in range(0, len(text), 64)]
        known = rows.by_name()
        found: list[str | None] = []
        for at, name in enumerate(names):
            row = known.get(name)
            same = row is not None and row[0] == status[at * ROW : (at + 1) * ROW]
            found.append(row[1].hex() if row is not None and same else None)
        return found

    def learn(
        self,
        folder: os.stat_result,
        names: Sequence[str],
        status: bytes,
        shas: bytes,
        read: int,
        mark: bytes = _NO_MARK,
    ) -> None:
        """Keep the digests of files of one directory, in place of those that were kept of it.

        Args:
            folder: the directory's status.
            names: of the files, sorted.
            status: what `packed` gives of them.
            shas: the SHA-256 of all of them, one after another.
            read: when reading them began, in nanoseconds since 1970; what was young then is left out.
            mark: 32 bytes that stand for all of them, with what their names and modes are.

        """
        limit = read - _YOUNG_NS
        numbers = array("q", status)
        if not status:
            return
        if max(numbers[_MTIME :: len(FIELDS)]) > limit or max(numbers[_CTIME :: len(FIELDS)]) > limit:
            mark = _NO_MARK
            times = zip(numbers[_MTIME :: len(FIELDS)], numbers[_CTIME :: len(FIELDS)])
            old = [at for at, pair in enumerate(times) if max(pair) <= limit]
            names, status = [names[at] for at in old], b"".join([status[at * ROW : (at + 1) * ROW] for at in old])
            shas = b"".join([shas[at * _SUM : (at + 1) * _SUM] for at in old])
        if status:
            self._used[_place(folder)] = _Rows(names=_joined(names), status=status, shas=shas, mark=mark)
            self._fresh = True

    # --- between builds -------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the file where something new was learned; a cache that cannot be written is only slower."""
        if self._path is None or not self._fresh:
            return
        self._load()  # takes the lock itself
        with self._lock:
            self._fresh = False
            data = b"".join(self._encoded())
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}")
            try:
                draft.write_bytes(sealed(_MAGIC, data))
                draft.replace(self._path)
            except OSError:
                with contextlib.suppress(OSError):
                    draft.unlink()

    def _encoded(self) -> Iterator[bytes]:
        old = self._old or {}
        places = [*(place for place in old if place not in self._used), *self._used]
        used = sum(rows.count for rows in self._used.values())
        room = 3 * used + _SPARE
        kept: list[_Place] = []
        for place in reversed(places):  # what was used last goes in first
            room -= (self._used.get(place) or old[place]).count
            if room < 0 and place not in self._used:
                break
            kept.append(place)
        loose = {key: sha for key, sha in self._loose_old.items() if key not in self._loose} | self._loose
        for key in list(loose)[: -(3 * len(self._loose) + _SPARE)]:
            del loose[key]
        if loose:
            yield from _packed(_NOWHERE, _Rows(names=b"", status=b"".join(loose), shas=b"".join(loose.values())))
        for place in reversed(kept):
            yield from _packed(place, self._used.get(place) or old[place])

    def _load(self) -> None:
        if self._old is None:
            with self._lock:
                if self._old is None and self._path is not None:
                    places = dict(_read(self._path))
                    loose = places.pop(_NOWHERE, None)
                    if loose is not None:
                        for at in range(loose.count):
                            key = loose.status[at * ROW : (at + 1) * ROW]
                            self._loose_old[key] = loose.shas[at * _SUM : (at + 1) * _SUM]
                    self._old = places


def packed(infos: Iterable[os.stat_result]) -> bytes:
    """What tells files apart that were changed, as `kernel.bulk` gives it."""
    return pack(list(chain.from_iterable(map(STATUS, infos))))


def _place(folder: os.stat_result) -> _Place:
    return folder.st_dev & _ALL, folder.st_ino & _ALL


def _joined(names: Sequence[str]) -> bytes:
    return ("\0".join(names) + "\0").encode("utf-8", "surrogateescape") if names else b""


def _packed(place: _Place, rows: _Rows) -> Iterator[bytes]:
    yield _HEAD.pack(*place, rows.count, len(rows.names), rows.mark)
    yield rows.names
    yield rows.status
    yield rows.shas


def _read(path: Path) -> Iterator[tuple[_Place, _Rows]]:
    try:
        data = path.read_bytes()
    except OSError:
        return
    body = unsealed(_MAGIC, data)
    if body is None:
        return
    at = len(data) - len(body)
    while at < len(data):
        device, inode, count, size, mark = _HEAD.unpack_from(data, at)
        names = at + _HEAD.size
        status = names + size
        shas = status + count * ROW
        at = shas + count * _SUM
        yield (
            (device, inode),
            _Rows(names=data[names:status], status=data[status:shas], shas=data[shas:at], mark=mark),
        )


def hash_file(fd: int, size: int = 0) -> str:
    """The hexadecimal SHA-256 of an open file, from its beginning; `size` is what it is likely to have."""
    hasher = new_hash()
    offset = 0
    while chunk := os.pread(fd, min(size - offset + 1, 1 << 20) if size >= offset else 1 << 20, offset):
        hasher.update(chunk)
        offset += len(chunk)
        if offset == size and len(chunk) < 1 << 20:
            break  # a byte more was asked for and not there
    return hasher.hexdigest()
