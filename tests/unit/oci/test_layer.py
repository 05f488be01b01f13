import errno
import hashlib
import io
import itertools
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from metalor_lang.kernel.paths import Root
from metalor_lang.oci.budget import Budgets
from metalor_lang.oci.changes import Change, ChangeKind
from metalor_lang.oci.diff import diff
from metalor_lang.oci.errors import NotExportable
from metalor_lang.oci.layer import write_layer, write_tree_tar
from metalor_lang.oci.media import Compression
from metalor_lang.oci.tarheader import header
from metalor_lang.oci.tarstream import Chunks, Kind, Member, TarStream

ENTRIES = 6 + (os.getuid() != 0)
"""Of `tree`; a root directory that is not root's own is one more."""


def read_back(data: bytes) -> Member:
    (member,) = TarStream(Chunks(iter([data + bytes(1024)])), Budgets())
    return member


@pytest.mark.parametrize(
    ("path", "uid", "mtime", "link", "xattrs"),
    [
        ("short", 0, 0, "", ()),
        ("x" * 100, 0, 10**18, "y" * 100, ()),
        ("x" * 101, 2097151, 10**18 + 1, "y" * 101, ()),
        ("d/" * 200 + "ü", 2097152, -1, "/ü" * 300, (("user.a", b"b=c\n\0"), ("user.é", b""))),
        ("\udcff" * 150, 4294967294, -(10**9) - 5, "\udcfe" * 150, (("security.capability", bytes(20)),)),
        ("a", 1, (1 << 31) * 10**9, "b", ()),
    ],
)
def test_headers_read_back(path: str, uid: int, mtime: int, link: str, xattrs: tuple[tuple[str, bytes], ...]) -> None:
    data = header(path, b"2", 0o4751, uid, uid, 0, mtime, link=link, xattrs=xattrs)
    member = read_back(data)
    assert (member.name, member.kind, member.mode, member.uid, member.gid) == (path, Kind.SYMLINK, 0o4751, uid, uid)
    assert (member.mtime, member.target, member.xattrs) == (mtime, link, dict(xattrs))
    with tarfile.open(fileobj=io.BytesIO(data + bytes(1024)), encoding="utf-8", errors="surrogateescape") as tar:
        (info,) = tar.getmembers()
    assert (info.name, info.linkname, info.uid, info.mode) == (path, link, uid, 0o4751)
    assert info.mtime == pytest.approx(mtime / 10**9)


def test_sizes_beyond_8_gib() -> None:
    data = header("big", b"0", 0o644, 0, 0, 9 << 30, 0)
    stream = iter(TarStream(Chunks(iter([data])), Budgets()))
    assert next(stream).size == 9 << 30
    assert header("big", b"0", 0o644, 0, 0, (8 << 30) - 1, 0).count(b"size=") == 0


def test_plain_headers_need_no_records() -> None:
    assert len(header("usr/bin/", b"5", 0o755, 0, 0, 0, 10**18)) == 512
    assert header("a", b"0", 0o644, 0, 0, 0, 0) == header("a", b"0", 0o644, 0, 0, 0, 0)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(b"#!/bin/sh\n" * 200)
    (root / "usr/bin/tool").chmod(0o4755)
    (root / "bin").symlink_to("usr/bin")
    os.link(root / "usr/bin/tool", root / "zlink")
    (root / ("long" * 40)).write_text("long name")
    for path in [*root.rglob("*"), root]:
        os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)
    return root


def layer(root: Path, compression: Compression = Compression.NONE, epoch: int | None = None) -> tuple[bytes, object]:
    sink = io.BytesIO()
    with Root.at(root) as view:
        written = write_layer(diff(None, view), view, sink, compression=compression, epoch=epoch)
    return sink.getvalue(), written


def test_digests_and_sizes_are_those_of_the_bytes(tree: Path) -> None:
    plain, first = layer(tree)
    for compression in Compression:
        data, written = layer(tree, compression)
        assert written.digest == "sha256:" + hashlib.sha256(data).hexdigest()
        assert written.size == len(data)
        assert written.diff_id == first.diff_id == "sha256:" + hashlib.sha256(plain).hexdigest()
        assert written.entries == ENTRIES
    # No name, no time, no machine (RFC 1952, 2.3.1).
    assert layer(tree, Compression.GZIP)[0][:10] == b"\x1f\x8b\x08" + bytes(5) + b"\x04\xff"


def test_other_readers_list_the_same(tree: Path) -> None:
    data, _ = layer(tree)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert [info.name for info in tar if info.name != "."] == [
            "bin",
            "long" * 40,
            "usr",
            "usr/bin",
            "usr/bin/tool",
            "zlink",
        ]
    listing = subprocess.run(["tar", "tvf", "-"], input=data, capture_output=True, check=True).stdout.decode()
    assert "zlink link to usr/bin/tool" in listing
    assert "bin -> usr/bin" in listing
    assert "-rwsr-xr-x" in listing


def test_newer_times_are_set_to_the_epoch(tree: Path) -> None:
    os.utime(tree / "bin", ns=(5 * 10**8, 5 * 10**8), follow_symlinks=False)
    data, _ = layer(tree, epoch=1000)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {info.name: info.mtime for info in tar}["bin"] == 0.5
        assert {info.mtime for info in tar if info.name != "bin"} == {1000}


def test_deletions_are_whiteouts(tree: Path) -> None:
    gone = [Change(path="a", kind=ChangeKind.DELETE), Change(path="b/c", kind=ChangeKind.DELETE)]
    sink = io.BytesIO()
    with Root.at(tree) as view:
        write_layer(gone, view, sink, compression=Compression.NONE, epoch=7)
    with tarfile.open(fileobj=io.BytesIO(sink.getvalue())) as tar:
        assert [(info.name, info.size, info.mtime, info.isreg()) for info in tar] == [
            (".wh.a", 0, 7, True),
            ("b/.wh.c", 0, 7, True),
        ]


@pytest.mark.parametrize(("content", "word"), [("short", "shorter"), ("x" * 5000, "longer")])
def test_a_file_that_changes_meanwhile_is_an_error(tree: Path, content: str, word: str) -> None:
    with Root.at(tree) as view:
        changes = list(diff(None, view))
        (tree / "usr/bin/tool").write_text(content)
        with pytest.raises(NotExportable, match=word):
            write_layer(changes, view, io.BytesIO(), compression=Compression.NONE)


def test_a_tree_tar_is_extracted_by_gnu_tar(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with Root.at(tree) as view, (tmp_path / "out.tar").open("wb") as sink:
        assert write_tree_tar(view, sink) == ENTRIES
    subprocess.run(["tar", "xpf", tmp_path / "out.tar", "-C", target], check=True)
    with Root.at(tree) as one, Root.at(target) as two:
        assert list(diff(one, two)) == []


@pytest.mark.parametrize("sizes", [[3 << 20], [5000] * 700], ids=["large", "many"])
def test_a_full_disk_is_said_as_it_is(sizes: list[int], tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for number, size in enumerate(sizes):
        (tmp_path / str(number)).write_bytes(bytes(size))
    with Root.at(tmp_path) as view, pytest.raises(OSError, match="No space left"):
        write_tree_tar(view, Full())


def test_the_bytes_of_headers_are_pinned() -> None:
    """Another byte in any header would change the digests of all images."""
    paths = ["a", "usr/lib/x86_64-linux-gnu/", "n" * 100, "n" * 101, "d/" * 80 + "ü", "\udcff" * 120]
    numbers = [
        (0o644, 0, 0, 0),
        (0o4755, 1000, 100, 5900),
        (0, 2097151, 2097152, (8 << 30) - 1),
        (0, 1 << 31, 0, 8 << 30),
    ]
    times = [0, 1_735_689_600 * 10**9, 10**18 + 1, -1, -(10**9), (1 << 33) * 10**9]
    links = ["", "usr/bin", "t" * 101, "\udcfe" * 101]
    attributes = [(), (("user.b", b"1"), ("security.capability", b"\0\n"), ("user.ä", b""))]
    hasher = hashlib.sha256()
    for path, (mode, uid, gid, size), mtime, link, xattrs in itertools.product(
        paths, numbers, times, links, attributes
    ):
        for kind in (b"0", b"2"):
            hasher.update(header(path, kind, mode, uid, gid, size, mtime, link=link, xattrs=xattrs))
    hasher.update(header("null", b"3", 0o666, 0, 0, 0, 0, device=(1, 3)))
    assert hasher.hexdigest() == "33f03710b8b7ee470406a954f5e3bd7bdd8e1e7f3374fab768d421b74bdf59e8"
