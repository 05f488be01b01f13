"""Tar members from a stream of byte chunks: ustar, PAX (POSIX pax(1)) and GNU headers, read strictly.

Invariant: an archive that two readers could take in two ways is refused, never guessed at.
"""

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

from metalor_lang.hints import Final
from metalor_lang.oci.budget import Budgets, LayerRefused
from metalor_lang.oci.tarfields import (
    GNU,
    NANO,
    POSIX,
    Extended,
    Header,
    Numbers,
    decimal,
    owner,
    sized,
    time_of,
    xattrs_of,
)
from metalor_lang.oci.tarheader import BLOCK
from metalor_lang.record import dataclass

_ZERO: Final = bytes(BLOCK)
_SPARSE: Final = "GNU.sparse."


_NONE: Final[Mapping[str, bytes]] = MappingProxyType({})


class Kind(StrEnum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHARACTER = "character device"
    BLOCK = "block device"
    FIFO = "fifo"


_KINDS: Final = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}


@dataclass(slots=True, kw_only=True)
class Member:
    """One archive member.

    Attributes:
        name: path as written.
        mode: permission and set-id bits only.
        size: apparent size of a file in bytes.
        stored: bytes of data that follow in the archive.
        mtime: nanoseconds since 1970.
        target: link target as written.
        device: (major, minor).
        extents: (offset, length) of a sparse file's data, None for a plain file.

    """

    name: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    stored: int
    mtime: int
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = _NONE
    extents: list[tuple[int, int]] | None = None


class Chunks:
    """Exact reads from an iterator of byte chunks, without copying large ones."""

    __slots__ = ("_chunk", "_position", "_source")

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._chunk = b""
        self._position = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes; fewer only at the end."""
        position = self._position
        end = position + count
        if end <= len(self._chunk):
            self._position = end
            return self._chunk[position:end]
        return b"".join(self.pieces(count))

    def whole(self, count: int) -> memoryview | None:
        """The next `count` bytes without a copy, where one chunk holds them all; else nothing is taken."""
        position = self._position
        end = position + count
        if end > len(self._chunk):
            return None
        self._position = end
        return memoryview(self._chunk)[position:end]

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next `count` bytes piece by piece; fewer only at the end."""
        while count:
            if self._position >= len(self._chunk):
                chunk = next(self._source, None)
                if chunk is None:
                    return
                self._chunk, self._position = chunk, 0
                continue
            piece = memoryview(self._chunk)[self._position : self._position + count]
            self._position += len(piece)
            count -= len(piece)
            yield piece

    def drain(self) -> None:
        """Read to the end of the stream."""
        self._chunk = b""
        for _ in self._source:
            pass


class TarStream:
    """The members of one archive, in order.

    Iterate; for a file, read `data()` (or not) before going on.
    """

    def __init__(self, chunks: Chunks, budgets: Budgets) -> None:
        self._chunks = chunks
        self._budgets = budgets
        self._left = 0
        self._padding = 0
        self._name = ""

    def data(self) -> Iterator[memoryview]:
        """The stored bytes of the current member.

        Raises:
            LayerRefused: the archive ends inside them.

        """
        if self._left and (piece := self._chunks.whole(self._left)) is not None:
            self._left = 0
            yield piece
            return
        for piece in self._chunks.pieces(self._left):
            self._left -= len(piece)
            yield piece
        if self._left:
            raise LayerRefused(self._name, "the archive ends inside its data")

    def __iter__(self) -> Iterator[Member]:
        while True:
            if self._left or self._padding:
                self._skip()
            headers: Extended | None = None
            while True:
                block = self._chunks.take(BLOCK)
                if block == _ZERO or not block:
                    if headers is not None and not headers.empty:
                        raise LayerRefused(headers.label, "the archive ends after an extended header")
                    self._finish(block)
                    return
                header = Header(block)
                if header.typeflag not in _META:
                    break
                headers = headers or Extended()
                self._extend(headers, header)
            member = self._plain(header) if headers is None and header.usual else None
            yield member or self._member(header, headers or Extended())

    def _finish(self, block: bytes) -> None:
        if block:
            second = self._chunks.take(BLOCK)
            if second and second != _ZERO[: len(second)]:
                raise LayerRefused("", "a lone zero block stands between two members")
        self._chunks.drain()

    def _skip(self) -> None:
        for _ in self.data():
            pass
        if self._padding:
            if len(self._chunks.take(self._padding)) < self._padding:
                raise LayerRefused(self._name, "the archive ends inside its last block")
            self._padding = 0

    def _extend(self, headers: "Extended", header: "Header") -> None:
        size = header.size
        if size > self._budgets.headers:
            raise LayerRefused(header.name, f"an extended header of {size} bytes; at most {self._budgets.headers}")
        raw = self._chunks.take(size + -size % BLOCK)[:size]
        if len(raw) < size:
            raise LayerRefused(header.name, "the archive ends inside an extended header")
        headers.add(header.typeflag, raw, header.name)

    def _plain(self, header: "Header") -> Member | None:
        """The member of a usual header with nothing before it; None where it needs a closer look."""
        kind = _KINDS.get(header.typeflag)
        name, size = header.name, header.size
        if kind is Kind.FILE:
            if header.typeflag != b"0" or name[-1:] == "/":
                return None
        elif size or (kind is not Kind.DIRECTORY and kind is not Kind.SYMLINK and kind is not Kind.HARDLINK):
            return None
        self._name = name
        self._left = size
        self._padding = -size % BLOCK
        return Member(
            name=name,
            kind=kind,
            mode=header.mode & 0o7777,
            uid=header.uid,
            gid=header.gid,
            size=size,
            stored=size,
            mtime=header.mtime * NANO,
            target="" if kind is Kind.FILE or kind is Kind.DIRECTORY else header.field(157, 100),
        )

    def _member(self, header: "Header", extended: "Extended") -> Member:
        pax = extended.pax
        name = extended.text("path", extended.long_name, header.name)
        self._name = name
        kind = _KINDS.get(header.typeflag)
        if kind is None:
            raise LayerRefused(name, f"its type {header.typeflag!r} is not known")
        # GNU tar and libarchive make a directory of any, Go and Python only of the old type; Python looks at the short
        # name then, which is cut where it may be a slash: of the other types that short name says nothing to anybody.
        short = header.name if header.typeflag == b"\0" else name
        if kind is Kind.FILE and (name.endswith("/") or short.endswith("/")):
            if header.typeflag != b"\0" or not (name.endswith("/") and short.endswith("/")):
                raise LayerRefused(name, "its name ends like a directory's, and its type is that of a file")
            kind = Kind.DIRECTORY
        size = sized(name, header.size, pax)
        if size and kind is not Kind.FILE:
            raise LayerRefused(name, f"a {kind} with {size} bytes of data")
        member = Member(
            name=name,
            kind=kind,
            mode=header.mode & 0o7777,
            uid=owner(name, "user", pax.get("uid"), header.uid),
            gid=owner(name, "group", pax.get("gid"), header.gid),
            size=size,
            stored=size,
            mtime=time_of(name, pax.get("mtime"), header.mtime),
            xattrs=xattrs_of(name, pax, self._budgets),
        )
        if kind is Kind.SYMLINK or kind is Kind.HARDLINK:
            member.target = extended.text("linkpath", extended.long_target, header.field(157, 100))
        elif kind is Kind.CHARACTER or kind is Kind.BLOCK:
            member.device = header.device
        self._left = size
        self._padding = -size % BLOCK
        mapped = any(key.startswith(_SPARSE) for key in pax)
        if header.typeflag == b"S":
            if mapped or "size" in pax or header.block[257:265] != GNU:
                raise LayerRefused(name, "an old sparse file with a header of another format")
            self._old_sparse(member, header)
        elif mapped:
            if extended.long_name is not None or header.block[257:263] != POSIX:
                raise LayerRefused(name, "a sparse file with a PAX header and one of another format")
            self._pax_sparse(member, pax)
        return member

    def _old_sparse(self, member: Member, header: "Header") -> None:
        block = header.block
        pairs = _old_pairs(member.name, block, 386, 4)
        more = block[482]
        member.size = header.number("real size", 483, 12)
        while more:
            block = self._chunks.take(BLOCK)
            if len(block) < BLOCK:
                raise LayerRefused(member.name, "the archive ends inside a sparse map")
            pairs += _old_pairs(member.name, block, 0, 21)
            more = block[504]
            if len(pairs) > self._budgets.extents:
                raise LayerRefused(member.name, f"a sparse map of more than {self._budgets.extents} regions")
        member.extents = _checked(member, pairs, self._budgets)

    def _pax_sparse(self, member: Member, pax: dict[str, bytes]) -> None:
        if member.kind is not Kind.FILE:
            raise LayerRefused(member.name, f"a {member.kind} with a sparse map")
        version = (pax.get("GNU.sparse.major", b"0"), pax.get("GNU.sparse.minor", b"0"))
        real = pax.get("GNU.sparse.realsize", pax.get("GNU.sparse.size"))
        if real is None:
            raise LayerRefused(member.name, "a sparse file without its real size")
        if "GNU.sparse.name" in pax:
            member.name = self._name = os.fsdecode(pax["GNU.sparse.name"])
        member.size = decimal(member.name, "real size", real)
        if version == (b"1", b"0"):
            numbers = self._map_in_data(member)
        elif "GNU.sparse.map" in pax:
            numbers = [decimal(member.name, "sparse map", part) for part in pax["GNU.sparse.map"].split(b",") if part]
        else:
            raise LayerRefused(member.name, "a sparse format that is not known")
        if len(numbers) % 2:
            raise LayerRefused(member.name, "a sparse map with an odd count of numbers")
        member.extents = _checked(member, list(zip(numbers[::2], numbers[1::2])), self._budgets)

    def _map_in_data(self, member: Member) -> list[int]:
        # Sparse format 1.0: decimal lines at the start of the data, padded to a whole block.
        raw = b""
        wanted = None
        while wanted is None or raw.count(b"\n") < wanted:
            if self._left < BLOCK or len(raw) > self._budgets.headers:
                raise LayerRefused(member.name, "a sparse map that does not end")
            raw += self._chunks.take(BLOCK)
            self._left -= BLOCK
            if wanted is None and b"\n" in raw:
                count = decimal(member.name, "sparse map", raw.split(b"\n", 1)[0])
                if count > self._budgets.extents:
                    raise LayerRefused(member.name, f"a sparse map of {count} regions")
                wanted = 1 + 2 * count
        member.stored = self._left
        return [decimal(member.name, "sparse map", line) for line in raw.split(b"\n")[1:wanted]]


_META: Final = frozenset({b"x", b"g", b"L", b"K"})


def _old_pairs(name: str, block: bytes, start: int, count: int) -> list[tuple[int, int]]:
    pairs = []
    for index in range(count):
        at = start + 24 * index
        if not block[at + 12]:
            break
        view = Numbers(block, name)
        pairs.append((view.number("sparse map", at, 12), view.number("sparse map", at + 12, 12)))
    return pairs


def _checked(member: Member, pairs: list[tuple[int, int]], budgets: Budgets) -> list[tuple[int, int]]:
    if len(pairs) > budgets.extents:
        raise LayerRefused(member.name, f"a sparse map of {len(pairs)} regions; at most {budgets.extents}")
    end = total = 0
    for offset, length in pairs:
        if offset < end:
            raise LayerRefused(member.name, "a sparse map whose regions overlap")
        end = offset + length
        total += length
    if end > member.size or total != member.stored:
        raise LayerRefused(member.name, "a sparse map that does not fit its data")
    return [(offset, length) for offset, length in pairs if length]
