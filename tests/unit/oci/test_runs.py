"""Files written in runs give the bytes that they give one by one."""

import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.kernel.paths import Root
from metalor_lang.oci.blocks import BLOCK_SIZE
from metalor_lang.oci.budget import Budgets
from metalor_lang.oci.diff import diff, diff_in_runs
from metalor_lang.oci.errors import NotExportable
from metalor_lang.oci.layer import write_layer
from metalor_lang.oci.media import Compression
from metalor_lang.oci.pairs import Run
from metalor_lang.oci.tarheader import alike, header
from metalor_lang.oci.tarstream import Chunks, TarStream

EPOCH = 1_700_000_000


def written(root: Path, *, runs: bool) -> bytes:
    sink = io.BytesIO()
    with Root.at(root) as view:
        changes = diff_in_runs(None, view) if runs else diff(None, view)
        write_layer(changes, view, sink, compression=Compression.NONE, epoch=EPOCH)
    return sink.getvalue()


def odd(root: Path) -> None:
    """Of everything that stands in the way of a loop, something between files that do not."""
    (root / "twin").hardlink_to(root / "b1")
    (root / "link").symlink_to("b1")
    os.mkfifo(root / "pipe")
    (root / "inner").mkdir()
    (root / "inner/file").write_text("x")
    os.utime(root / "d1", ns=(5, 10**18 + 5))
    os.utime(root / "d2", ns=(5, 10**18))
    os.utime(root / "d3", ns=(-5, -(10**9)))
    (root / "c1").chmod(0o6751)
    (root / ("long" * 40)).write_text("long")
    (root / "ü").write_text("two bytes")
    (root / os.fsdecode(b"\xff\xfe")).write_text("no text")
    (root / "empty").write_bytes(b"")
    try:
        os.setxattr(root / "b2", "user.kept", b"1")
    except OSError:
        pass  # this file system has none


SIZES = [0, 1, 511, 512, 513, BLOCK_SIZE - 1536, BLOCK_SIZE - 1024, BLOCK_SIZE - 1023, BLOCK_SIZE, 2 * BLOCK_SIZE + 7]


def test_the_bytes_are_those_of_one_by_one(tmp_path: Path) -> None:
    for number, size in enumerate(SIZES):
        (tmp_path / f"a{number}").write_bytes(bytes([65 + number]) * size)
    for name in ("b1", "b2", "b3", "c1", "c2", "d1", "d2", "d3", "d4"):
        (tmp_path / name).write_text(name * 100)
    plain = written(tmp_path, runs=True)
    assert plain == written(tmp_path, runs=False)
    odd(tmp_path)
    assert written(tmp_path, runs=True) == written(tmp_path, runs=False) != plain


@pytest.mark.parametrize("name", [".wh.file", "a.wh"])
def test_names_of_whiteouts_are_refused_in_a_run_too(tmp_path: Path, name: str) -> None:
    for other in ("0", "1", "x", "y"):
        (tmp_path / other).write_text("")
    (tmp_path / name).write_text("")
    if name.startswith(".wh."):
        with pytest.raises(NotExportable, match="mark deleted"):
            written(tmp_path, runs=True)
    else:
        assert written(tmp_path, runs=True) == written(tmp_path, runs=False)


def test_what_is_left_of_a_run_comes_one_by_one(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / name).write_text(name)
    given = []
    with Root.at(tmp_path) as view:
        for entry in diff_in_runs(None, view):
            if isinstance(entry, Run):
                given.append(("run", "".join(entry.names)))
                entry.done = 2
            elif entry.path:
                given.append(("one", entry.path))
    assert given == [("run", "abcdef"), ("one", "c"), ("run", "def"), ("one", "f")]


def test_a_file_that_does_not_hold_still_is_told_or_whole(tmp_path: Path) -> None:
    """Whatever a writer does meanwhile: an error, or a layer that can be read and holds what was there once."""
    for number in range(200):
        (tmp_path / f"{number:03}").write_bytes(b"0" * 700)
    over = threading.Event()

    def disturb() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            for number in range(0, 200, 7):
                (tmp_path / f"{number:03}").write_bytes(b"%d" % (turn % 10) * (turn % 1500))

    writer = threading.Thread(target=disturb)
    writer.start()
    whole = told = 0
    try:
        for _ in range(60):
            try:
                data = written(tmp_path, runs=True)
            except NotExportable as error:
                told += "while it was read" in error.message
                continue
            names = [member.name for member in TarStream(Chunks(iter([data])), Budgets())]
            assert [name for name in names if name != "./"] == [f"{number:03}" for number in range(200)]
            whole += 1
    finally:
        over.set()
        writer.join()
    assert whole + told == 60


PATHS = st.text("ab/.é\udcff", min_size=1, max_size=60)
NUMBERS = st.one_of(st.integers(0, 0o7777777), st.sampled_from([0o7777777, 0o10000000, 1 << 31]))
TIMES = st.one_of(
    st.integers(0, 1 << 36).map(lambda seconds: seconds * 10**9), st.integers(-(10**10), 10**19), st.just(0)
)


@settings(max_examples=600, deadline=None)
@given(PATHS, st.integers(0, 0o7777), NUMBERS, NUMBERS, st.integers(0, 0o77777777777), TIMES)
def test_headers_of_files_that_are_alike(path: str, mode: int, uid: int, gid: int, size: int, mtime: int) -> None:
    name = os.fsencode(path)
    whole = header(path, b"0", mode, uid, gid, size, mtime)
    found = alike(mode, uid, gid, mtime)
    if found is None or len(name) > 100:
        assert len(whole) > 512
    else:
        assert found.header(name, size) == whole
