import gzip
import random
import threading
import zlib

import pytest

from metalor_lang.oci.gzipstream import GzipStream


def packed(data: bytes, threads: int, step: int) -> bytes:
    stream = GzipStream(threads)
    return b"".join([*(stream.compress(data[at : at + step]) for at in range(0, len(data), step)), stream.flush()])


def text(size: int) -> bytes:
    generator = random.Random(size)
    words = [generator.randbytes(5) for _ in range(300)]
    return b"".join(generator.choice(words) for _ in range(size // 5 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, 70_000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 7])
def test_the_bytes_depend_on_the_input_alone(size: int) -> None:
    data = text(size)
    one = packed(data, 1, 1 << 18)
    assert gzip.decompress(one) == data
    assert packed(data, 4, 1 << 18) == one
    assert packed(data, 2, 999_983) == one
    inflate = zlib.decompressobj(31)
    assert inflate.decompress(one) == data
    assert inflate.eof
    assert inflate.unused_data == b""


def test_small_streams_are_those_of_zlib() -> None:
    data = text(5000)
    plain = zlib.compressobj(6, zlib.DEFLATED, 31)
    assert packed(data, 2, 1000) == plain.compress(data) + plain.flush()


def test_blocks_cost_little() -> None:
    data = text(4 << 20)
    assert len(packed(data, 2, 1 << 20)) < len(gzip.compress(data, 6)) * 1.005


def test_a_stream_given_up_leaves_no_threads() -> None:
    stream = GzipStream(2)
    stream.compress(text(3 << 20))
    stream.close()
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("deflate")]
