import gzip
import hashlib
import io
import random
import threading
import zlib

import deflate
import pytest
import zstandard

from metalor_lang.oci import compressors
from metalor_lang.oci.blocks import BLOCK_SIZE, Blocks
from metalor_lang.oci.compressors import MEMBER_SIZE
from metalor_lang.oci.media import Compression
from metalor_lang.oci.packing import Packer, Sink

SIZES = [0, 1, 70_000, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 5 * BLOCK_SIZE + 7]


def packed(data: bytes, compression: Compression, threads: int, step: int = 99_991, sink: Sink | None = None) -> bytes:
    out = io.BytesIO()
    packer = Packer(sink or out, compression, threads)
    try:
        blocks = Blocks(packer.take, packer.block())
        for at in range(0, len(data), step):
            blocks.write(data[at : at + step])
        packer.close(*blocks.finish())
    finally:
        packer.abandon()
    assert packer.plain.digest() == hashlib.sha256(data).digest()
    return out.getvalue()


def unpacked(data: bytes, compression: Compression) -> bytes:
    match compression:
        case Compression.GZIP:
            return gzip.decompress(data)
        case Compression.ZSTD:
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
        case Compression.NONE:
            return data


def text(size: int) -> bytes:
    generator = random.Random(size)
    words = [generator.randbytes(5) for _ in range(300)]
    return b"".join(generator.choice(words) for _ in range(size // 5 + 1))[:size]


def long_text(size: int) -> bytes:
    start = text(1 << 16)
    turns = (start[at % len(start) :] + start[: at % len(start)] for at in range(0, size, (1 << 16) - 77))
    return b"".join(turns)[:size]


def no_threads_are_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("pack")]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("compression", list(Compression))
def test_the_bytes_depend_on_the_input_alone(compression: Compression, size: int) -> None:
    data = long_text(size)
    one = packed(data, compression, 1)
    assert unpacked(one, compression) == data
    assert packed(data, compression, 4) == one
    assert packed(data, compression, 2, step=3 * BLOCK_SIZE + 1) == one
    assert no_threads_are_left()


# What every machine must write. A library that packs differently changes the digests of all images: then the version
# of the layers (build/export.py) is raised, the pin in pyproject.toml moved, and docs/explanation/decisions.md says so.
GOLDENS = {
    Compression.GZIP: "feb7826b60d567b6a0585397df491cf9037e80182a43b9fbfd2a105073a50d8c",
    Compression.ZSTD: "142470e3ec4292d0948e3e590da8122ce689a9c490d2c5083b09cef530272a7a",
}


@pytest.mark.parametrize("compression", list(GOLDENS))
def test_the_packed_bytes_are_pinned(compression: Compression) -> None:
    generator = random.Random(1)
    data = text(2 << 20) + generator.randbytes(50_000) + bytes(70_000) + b"The same again. " * 30_000
    assert hashlib.sha256(data).hexdigest() == "37281758a566f4d047a87a69b38b0f71fa54a3ec66acda4fe518957b3d4b2e9b"
    assert hashlib.sha256(packed(data, compression, 2)).hexdigest() == GOLDENS[compression]


def test_a_library_that_packs_in_another_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [compressors.oddity(each) for each in Compression] == [None, None, None]
    real = deflate.gzip_compress
    monkeypatch.setattr(deflate, "gzip_compress", lambda data, level: real(data, level + 1))
    said = compressors.oddity(Compression.GZIP)
    assert said is not None
    assert "digest" in said
    assert compressors.oddity(Compression.ZSTD) is None


def test_a_packed_layer_is_gzip_members_of_one_size() -> None:
    data = long_text(BLOCK_SIZE + MEMBER_SIZE + 5)
    left, sizes = packed(data, Compression.GZIP, 2), []
    while left:
        inflate = zlib.decompressobj(31)
        sizes.append(len(inflate.decompress(left)))
        assert inflate.eof
        left = inflate.unused_data
    assert sizes == [MEMBER_SIZE] * (BLOCK_SIZE // MEMBER_SIZE + 1) + [5]


class Full:
    """A sink that refuses after some bytes, as a full disk does."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, data: bytes | memoryview, /) -> None:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")


@pytest.mark.parametrize("size", [1000, BLOCK_SIZE + 1, 10 * BLOCK_SIZE])
@pytest.mark.parametrize("compression", list(Compression))
def test_what_the_sink_raises_is_raised_here(compression: Compression, size: int) -> None:
    data = random.Random(size).randbytes(size)
    with pytest.raises(OSError, match="No space"):
        packed(data, compression, 2, sink=Full(size // 2))
    assert no_threads_are_left()


def test_a_layer_given_up_leaves_no_threads() -> None:
    packer = Packer(io.BytesIO(), Compression.GZIP, 2)
    block = packer.block()
    for _ in range(6):
        block = packer.take(block, BLOCK_SIZE)
    packer.abandon()
    packer.abandon()
    assert no_threads_are_left()


def test_few_blocks_are_in_memory() -> None:
    blocks = set()
    packer = Packer(io.BytesIO(), Compression.GZIP, 2)
    block = packer.block()
    for _ in range(50):
        blocks.add(id(block))
        block = packer.take(block, BLOCK_SIZE)
    packer.close(block, 0)
    assert len(blocks) <= 5


def test_small_layers_start_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread was started"))
    assert gzip.decompress(packed(b"small" * 1000, Compression.GZIP, 2)) == b"small" * 1000
