"""Archives with a few bytes changed: what we accept, GNU tar unpacks to the same tree; all else is a plain refusal."""

import io
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from metalor_lang.kernel.paths import Root
from metalor_lang.oci.budget import Budgets, LayerRefused, UnpackFailed
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import LayerSource, apply_layers
from tests.support.images import digest
from tests.support.listing import listing_of
from tests.support.tars import END, directory, file, gnu_long, hardlink, pax, symlink

PARTS = (
    directory("d"),
    file("d/file", b"x" * 700),
    symlink("d/link", "file"),
    hardlink("d/hard", "d/file"),
    pax({"path": "d/" + "long" * 40, "mtime": "1000000001.5"}) + file("short"),
    gnu_long("d/" + "gnu" * 50) + file("short"),
    pax({"size": "4"}) + file("sized"),
    file("last", b""),
)
SEED = b"".join(PARTS) + END
HEADERS = [at for at in range(0, len(SEED), 512) if SEED[at + 257 : at + 262] == b"ustar"]
# Bytes of a header that mean something, and the bytes that mean something there.
OFFSETS = st.one_of(st.integers(0, 12), st.integers(100, 160), st.integers(257, 265), st.integers(345, 350))
BYTES = st.one_of(st.sampled_from(b"\0 01234567/.x\x80\xffgLKS"), st.integers(0, 255))
MUTATION = st.tuples(st.sampled_from(HEADERS), OFFSETS, BYTES)
ANYWHERE = st.tuples(st.just(0), st.integers(0, len(SEED) - 1), BYTES)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BUDGETS = Budgets(data=1 << 24, entries=100)


def mutated(changes: list[tuple[int, int, int]], repair: bool) -> bytes:
    data = bytearray(SEED)
    for start, offset, value in changes:
        data[start + offset] = value
    if repair:
        for at in HEADERS:
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


def accepted(data: bytes, target: Path) -> bool:
    source = LayerSource(open=lambda: io.BytesIO(data), compression=Compression.NONE, diff_id=digest(data))
    try:
        with Root.at(target) as root:
            apply_layers([source], root.fd, budgets=BUDGETS)
    except (LayerRefused, UnpackFailed):
        return False
    return True


def rows(path: Path) -> list[tuple[object, ...]]:
    """What both readers must agree on: GNU tar gives hard links and whiteouts no meaning of their own."""
    return [(row[0], row[1], row[5], row[6], row[7]) for row in listing_of(path)]


@pytest.mark.skipif(shutil.which("tar") is None, reason="GNU tar is not installed")
@FUZZ
@given(changes=st.lists(MUTATION, min_size=1, max_size=3))
@example(changes=[])
def test_two_readers_one_meaning(changes: list[tuple[int, int, int]]) -> None:
    data = mutated(changes, repair=True)
    with tempfile.TemporaryDirectory() as name:
        one, two = Path(name) / "ours", Path(name) / "gnu"
        one.mkdir()
        two.mkdir()
        if not accepted(data, one):
            return
        done = subprocess.run(
            ["tar", "xf", "-", "--no-same-owner", "--numeric-owner", "-C", two], input=data, capture_output=True
        )
        if done.returncode == 0:
            assert rows(one) == rows(two)


@FUZZ
@given(
    changes=st.lists(st.one_of(MUTATION, ANYWHERE), min_size=1, max_size=4),
    cut=st.integers(0, len(SEED)),
    repair=st.booleans(),
)
def test_no_bytes_break_the_reader(changes: list[tuple[int, int, int]], cut: int, repair: bool) -> None:
    data = mutated(changes, repair)[: len(SEED) - cut // 4]
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "ours"
        target.mkdir()
        accepted(data, target)
        assert [path.name for path in Path(name).iterdir()] == ["ours"]
