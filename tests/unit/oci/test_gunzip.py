"""Whatever inflates, the same gzip streams are accepted, with the same bytes, and the same are refused."""

import gzip
import io
import random
import zlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from metalor_lang.oci.budget import LayerRefused
from metalor_lang.oci.gunzip import CHUNK, engine, gunzip

LIBRARIES = (zlib, isal_zlib)
TEXT = b"a layer of an image " * 20_000
NOISE = random.Random(7).randbytes(300_000)


class Dribble:
    """Gives at most `step` bytes at once."""

    def __init__(self, data: bytes, step: int) -> None:
        self.stream = io.BytesIO(data)
        self.step = step

    def read(self, size: int, /) -> bytes:
        return self.stream.read(min(size, self.step))


def inflated(data: bytes, library: ModuleType, step: int = 1 << 20) -> bytes:
    return b"".join(gunzip(Dribble(data, step), lambda _: None, library))


def verdict(data: bytes, library: ModuleType, step: int) -> bytes | None:
    try:
        return inflated(data, library, step)
    except LayerRefused:
        return None


def expected(data: bytes) -> bytes | None:
    """What zlib itself makes of a whole file: members in a row, zeros at the end."""
    out, first = b"", True
    while data and (first or data.strip(b"\0")):
        member = zlib.decompressobj(31)
        try:
            out += member.decompress(data)
        except zlib.error:
            return None
        if not member.eof:
            return None
        data, first = member.unused_data, False
    return None if first else out


def with_header(body: bytes, flags: int, extra: bytes, name: bytes, wrong: int) -> bytes:
    """A gzip member with any header; `wrong` is added to the header's checksum."""
    head = bytes((0x1F, 0x8B, 8, flags)) + bytes(6)
    if flags & 4:
        head += len(extra).to_bytes(2, "little") + extra
    for flag in (8, 16):
        if flags & flag:
            head += name + b"\0"
    if flags & 2:
        head += ((zlib.crc32(head) + wrong) & 0xFFFF).to_bytes(2, "little")
    return head + gzip.compress(body)[10:]


def test_the_fast_library_is_used_where_it_is_installed() -> None:
    assert engine() is isal_zlib


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("step", [1, 100, 1 << 20])
def test_members_in_a_row_are_one_stream(library: ModuleType, step: int) -> None:
    data = gzip.compress(TEXT[:5000]) + gzip.compress(b"") + gzip.compress(NOISE[:5000])
    assert inflated(data, library, step) == TEXT[:5000] + NOISE[:5000]


@pytest.mark.parametrize("library", LIBRARIES)
def test_chunks_are_bounded_whatever_the_ratio(library: ModuleType) -> None:
    data = gzip.compress(bytes(50 << 20))
    sizes = [len(chunk) for chunk in gunzip(io.BytesIO(data), lambda _: None, library)]
    assert sum(sizes) == 50 << 20
    assert max(sizes) <= CHUNK


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"", "it is empty"),
        (lambda data: b"PK" + data, "it is not gzip"),
        (lambda data: data[:1], "it is not gzip"),
        (lambda data: data[:5], "ends early"),
        (lambda data: data[: len(data) // 2], "ends early"),
        (lambda data: data[:-1], "ends early"),
        (lambda data: data[:-8], "ends early"),
        (lambda data: data + b"PK", "something that is not gzip follows"),
        (lambda data: data + b"\x1f", "something that is not gzip follows"),
        (lambda data: data + bytes(700) + b"x", "something that is not gzip follows"),
        (lambda data: data + data[:40], "ends early"),
        (lambda data: data[:-8] + bytes(4) + data[-4:], "its checksum is wrong"),
        (lambda data: data[:-1] + b"\x7f", "its length is wrong"),
        (lambda data: data[:2] + b"\x07" + data[3:], "method is not known"),
        (lambda data: data[:3] + b"\x80" + data[4:], "flags that are not known"),
        (lambda data: data[:10] + b"\xff" * 40, "damaged"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(library: ModuleType, change, reason: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(LayerRefused, match=reason):
        inflated(change(gzip.compress(TEXT)), library)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("padding", [1, 512, 1 << 20])
def test_zeros_may_pad_the_end(library: ModuleType, padding: int) -> None:
    assert inflated(gzip.compress(TEXT) + bytes(padding), library) == TEXT


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_checksum_of_a_header_counts(library: ModuleType) -> None:
    assert inflated(with_header(TEXT, 0b11110, b"more", b"name", 0), library) == TEXT
    with pytest.raises(LayerRefused, match="checksum of its header"):
        inflated(with_header(TEXT, 0b11110, b"more", b"name", 1), library)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_name_without_an_end_is_passed_over_piece_by_piece(library: ModuleType) -> None:
    class Endless:
        left = 400

        def read(self, size: int, /) -> bytes:
            self.left -= 1
            return b"n" * min(size, 1 << 16) if self.left > 0 else b""

    class After(Endless):
        head = bytes((0x1F, 0x8B, 8, 8)) + bytes(6)

        def read(self, size: int, /) -> bytes:
            head, self.head = self.head, b""
            return head or super().read(size)

    with pytest.raises(LayerRefused, match="ends early"):
        list(gunzip(After(), lambda _: None, library))


def streams() -> st.SearchStrategy[bytes]:
    bodies = st.one_of(
        st.binary(max_size=200),
        st.integers(0, 300_000).map(lambda size: TEXT[:size]),
        st.integers(0, 300_000).map(lambda size: NOISE[:size]),
    )
    member = st.one_of(
        st.builds(gzip.compress, bodies, st.sampled_from([0, 1, 6, 9])),
        st.builds(
            with_header, bodies, st.integers(0, 255), st.binary(max_size=9), st.sampled_from([b"", b"n"]),
            st.sampled_from([0, 0, 1]),
        ),
    )  # fmt: skip
    tail = st.sampled_from([b"", b"", bytes(9), b"x", b"\x1f\x8b", bytes(9) + b"x"])
    return st.builds(lambda members, end: b"".join(members) + end, st.lists(member, max_size=3), tail)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(streams()))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            at = draw(st.integers(0, len(data) - 1) | st.integers(0, min(len(data) - 1, 40)))
            data[at] ^= 1 << draw(st.integers(0, 7))
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(data=damaged(), step=st.sampled_from([1 << 20, 1 << 20, 4096, 97]))
def test_both_libraries_judge_as_zlib_does(data: bytes, step: int) -> None:
    assert verdict(data, zlib, step) == verdict(data, isal_zlib, step) == expected(data)


def test_what_was_not_used_yet_is_told() -> None:
    """The compressed bytes behind what was given: read minus what is held."""

    class Counting(Dribble):
        count = 0

        def read(self, size: int, /) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    source = Counting(gzip.compress(NOISE), 1 << 20)
    held: list[int] = []

    def used() -> Iterator[int]:
        for _ in gunzip(source, held.append, isal_zlib):
            yield source.count - held[-1]

    consumed = list(used())
    assert consumed == sorted(consumed)
    assert consumed[0] >= CHUNK // 2
    assert consumed[-1] <= source.count
