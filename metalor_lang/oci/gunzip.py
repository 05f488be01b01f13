"""Inflate gzip: the container by our own code (RFC 1952), the deflate inside by ISA-L where it is installed, else zlib.

Invariant: what is accepted does not depend on which of the two inflates: headers are read here, and the checksum and
the length of every member are compared here.
"""

import zlib
from collections.abc import Callable, Iterator
from types import ModuleType

from metalor_lang.hints import Final, Protocol
from metalor_lang.oci.budget import LayerRefused

CHUNK: Final = 512 << 10
"""The most bytes of one inflated chunk."""
_READ: Final = 256 << 10
_MAGIC: Final = b"\x1f\x8b"
_RAW: Final = -15
"""Bare deflate with the window of gzip, for `decompressobj`."""
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
_RESERVED: Final = 0xE0


class Readable(Protocol):
    """Where compressed bytes come from."""

    def read(self, size: int, /) -> bytes | None:
        """At most `size` bytes, b"" at the end."""
        ...


def engine() -> ModuleType:
    """The module that inflates: `isal.isal_zlib` (the same interface, three times as fast), else `zlib`."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    # Through a name of a known type: the package has hints for its own interpreters only.
    found: ModuleType = isal_zlib
    return found


def gunzip(source: Readable, holding: Callable[[int], None], library: ModuleType | None = None) -> Iterator[bytes]:
    """Inflate one gzip member after another (RFC 1952, 2.2); zeros may pad the end.

    Args:
        source: read to its end.
        holding: told before each chunk how many bytes were read and not used yet.
        library: what inflates; None for the fastest there is.

    Yields:
        chunks of at most CHUNK bytes.

    Raises:
        LayerRefused: it is not gzip, damaged, or ends early.

    """
    engine_ = library or engine()
    feed = _Feed(source)
    first = True
    while feed.more():
        if not first and feed.only_zeros():
            continue
        magic = feed.up_to(2)
        if magic != _MAGIC:
            raise LayerRefused("", "it is not gzip" if first else "something that is not gzip follows its gzip stream")
        first = False
        _header(feed, magic)
        yield from _member(feed, holding, engine_)
    if first:
        raise LayerRefused("", "it is empty")


def _member(feed: "_Feed", holding: Callable[[int], None], library: ModuleType) -> Iterator[bytes]:
    inflater = library.decompressobj(_RAW)
    crc32 = library.crc32
    checksum = length = 0
    data = feed.rest()
    try:
        while True:
            chunk: bytes = inflater.decompress(data, CHUNK)
            if chunk:
                checksum = crc32(chunk, checksum)
                length += len(chunk)
                holding(len(inflater.unconsumed_tail) + len(inflater.unused_data))
                yield chunk
            if inflater.eof:
                break
            data = inflater.unconsumed_tail
            # An empty result with nothing left to feed: only new input can help.
            if not data and len(chunk) < CHUNK and not (data := feed.read()):
                raise _early()
    except library.error as error:
        raise _damaged(str(error)) from None
    feed.give_back(inflater.unused_data)
    trailer = feed.exactly(8)
    if int.from_bytes(trailer[:4], "little") != checksum:
        raise _damaged("its checksum is wrong")
    if int.from_bytes(trailer[4:], "little") != length & 0xFFFFFFFF:
        raise _damaged("its length is wrong")


def _header(feed: "_Feed", magic: bytes) -> None:
    fixed = feed.exactly(8)
    method, flags = fixed[0], fixed[1]
    if method != 8:
        raise _damaged("its compression method is not known")
    if flags & _RESERVED:
        raise _damaged("its header has flags that are not known")
    checksum = zlib.crc32(fixed, zlib.crc32(magic))
    if flags & _EXTRA:
        size = feed.exactly(2)
        checksum = zlib.crc32(feed.exactly(int.from_bytes(size, "little")), zlib.crc32(size, checksum))
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            checksum = feed.text(checksum)
    if flags & _HEADER_CRC and int.from_bytes(feed.exactly(2), "little") != checksum & 0xFFFF:
        raise _damaged("the checksum of its header is wrong")


def _early() -> LayerRefused:
    return LayerRefused("", "its gzip stream ends early")


def _damaged(why: str) -> LayerRefused:
    return LayerRefused("", f"its gzip stream is damaged ({why})")


class _Feed:
    """Compressed bytes with some read ahead."""

    __slots__ = ("_data", "_source")

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._data = b""

    def read(self) -> bytes:
        """New bytes of the source."""
        return self._source.read(_READ) or b""

    def more(self) -> bool:
        """Whether there are any bytes."""
        self._data = self._data or self.read()
        return bool(self._data)

    def only_zeros(self) -> bool:
        """Drop what was read ahead where it is nothing but zeros."""
        if self._data.strip(b"\0"):
            return False
        self._data = b""
        return True

    def rest(self) -> bytes:
        """What was read ahead."""
        data, self._data = self._data, b""
        return data

    def give_back(self, data: bytes) -> None:
        """Put bytes before all others."""
        self._data = data + self._data

    def up_to(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        while len(self._data) < count and (more := self.read()):
            self._data += more
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def exactly(self, count: int) -> bytes:
        """The next bytes; it is an error where the stream ends before."""
        taken = self.up_to(count)
        if len(taken) < count:
            raise _early()
        return taken

    def text(self, checksum: int) -> int:
        """Pass over a text that ends with NUL, of any length; gives the checksum with it."""
        while True:
            if not self.more():
                raise _early()
            end = self._data.find(b"\0") + 1
            piece = self._data[: end or None]
            checksum = zlib.crc32(piece, checksum)
            self._data = self._data[len(piece) :]
            if end:
                return checksum
