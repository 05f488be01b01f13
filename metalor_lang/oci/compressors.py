"""The ways to pack a layer, block by block.

Invariant: the packed bytes depend on the blocks and on the libraries' own versions alone, on no processor, number of
threads or chance. What the bytes are is pinned by a golden in the tests.
"""

import hashlib
from collections.abc import Mapping

from metalor_lang.errors import MachineError
from metalor_lang.hints import Final, Protocol
from metalor_lang.oci.media import Compression

GZIP_LEVEL: Final = 1
MEMBER_SIZE: Final = 1 << 20
"""Bytes in a gzip member: another size gives other bytes."""
ZSTD_LEVEL: Final = 3
_SAMPLES: Final[Mapping[Compression, str]] = {
    Compression.GZIP: "859ab8035b71f79c14d9079ba388e57ad0f54730e66f66b2e315129ec14efb1a",
    Compression.ZSTD: "c431b872cf6f17adf5e7066c372ca6be53b0c0912cfd7346cc681bf4f310dfe4",
}
"""Digests of `_sample`, packed."""


class Compressor(Protocol):
    """Packs blocks.

    Attributes:
        one_stream: blocks must be packed one after the other, in order; else each by itself, in any order.

    """

    one_stream: bool

    def pack(self, block: memoryview) -> bytes:
        """The bytes of one block, which may come with a later one."""
        ...

    def end(self) -> bytes:
        """What is still missing after the last one."""
        ...


class _Plain:
    one_stream = True

    def pack(self, block: memoryview) -> bytes:
        return bytes(block)

    def end(self) -> bytes:
        return b""


class _Gzip:
    """Each piece is a member of its own (RFC 1952, 2.2), so that any number of threads can pack blocks."""

    one_stream = False

    def __init__(self) -> None:
        import deflate

        self._compress = deflate.gzip_compress

    def pack(self, block: memoryview) -> bytes:
        # Nothing at all is no member either: it would be an empty one, and a tar is never empty.
        return b"".join(
            self._compress(block[at : at + MEMBER_SIZE], GZIP_LEVEL) for at in range(0, len(block), MEMBER_SIZE)
        )

    def end(self) -> bytes:
        return b""


class _Zstd:
    one_stream = True

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError:
            raise MachineError(
                "layers cannot be packed with zstd: the Python module zstandard is not installed",
                help="install it (pip install 'metalor-lang[zstd]'), or use gzip",
            ) from None
        self._stream = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compressobj()

    def pack(self, block: memoryview) -> bytes:
        return self._stream.compress(block)

    def end(self) -> bytes:
        return self._stream.flush()


def compressor(compression: Compression) -> Compressor:
    """A new one.

    Raises:
        MachineError: its library is not installed.

    """
    match compression:
        case Compression.NONE:
            return _Plain()
        case Compression.GZIP:
            return _Gzip()
        case Compression.ZSTD:
            return _Zstd()


def oddity(compression: Compression) -> str | None:
    """In words, that the library on this machine packs a sample otherwise than elsewhere; None when it does not.

    Wheels have the library in them; a distribution's own package may use another version of it.
    """
    if compression not in _SAMPLES:
        return None
    packer = compressor(compression)
    packed = packer.pack(memoryview(_sample())) + packer.end()
    if hashlib.sha256(packed).hexdigest() == _SAMPLES[compression]:
        return None
    return (
        f"the {compression} library of this machine packs otherwise than the one that metalor is made for: the image "
        "is as good, but its digest is not the one that other machines give it (its layers' diff ids are)"
    )


def _sample() -> bytes:
    """Text that repeats itself, and noise."""
    words = [hashlib.sha256(b"%d" % number).digest()[: 3 + number % 29] for number in range(256)]
    return b"".join(words[(number * number) % 251] for number in range(2000)) + b"".join(words)
