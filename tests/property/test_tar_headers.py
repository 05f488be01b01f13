"""A header read at one glance says what reading it field by field says."""

import tarfile

from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.oci.budget import LayerRefused
from metalor_lang.oci.tarfields import Header

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


class Strict(Header):
    """Never takes the glance."""

    __slots__ = ()

    def _usual(self, block: bytes) -> bool:
        return False


def facts(kind: type[Header], block: bytes) -> tuple[object, ...] | str:
    try:
        header = kind(block)
    except LayerRefused as error:
        return str(error)
    return (
        header.name, header.mode, header.uid, header.gid, header.size, header.mtime, header.device, header.typeflag,
    )  # fmt: skip


def sealed(block: bytes) -> bytes:
    """The block with the right checksum."""
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    deep = draw(st.sampled_from(["", "a/" + "d" * 90 + "/"]))
    info = tarfile.TarInfo(deep + draw(st.text("ab/.é", min_size=1, max_size=30)).strip("/"))
    info.mode = draw(st.integers(0, 0o7777))
    info.uid, info.gid = draw(st.integers(0, (1 << 21) - 1)), draw(st.integers(0, 1 << 20))
    info.size = draw(st.integers(0, (1 << 33) - 1))
    info.mtime = draw(st.integers(0, (1 << 33) - 1))
    info.type = draw(st.sampled_from([b"0", b"5", b"2", b"1", b"3", b"6", b"7"]))
    info.linkname = draw(st.sampled_from(["", "target", "x" * 90]))
    block = bytearray(info.tobuf(draw(st.sampled_from(FORMATS)), "utf-8", "surrogateescape")[-512:])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.one_of(st.integers(0, 511), st.integers(100, 160), st.integers(257, 345)))
        block[at] = draw(st.one_of(st.integers(0, 255), st.sampled_from(b"\0 07xV/")))
    return sealed(bytes(block)) if draw(st.booleans()) else bytes(block)


@settings(max_examples=1500, deadline=None)
@given(blocks())
def test_the_glance_says_what_the_strict_reading_says(block: bytes) -> None:
    assert facts(Header, block) == facts(Strict, block)


def test_the_glance_is_what_usual_headers_get() -> None:
    info = tarfile.TarInfo("usr/bin/tool")
    info.size, info.mode, info.mtime = 77, 0o755, 1_700_000_000
    for format in FORMATS:
        header = Header(info.tobuf(format))
        assert header.usual
        assert (header.name, header.size, header.mode, header.mtime) == ("usr/bin/tool", 77, 0o755, 1_700_000_000)
