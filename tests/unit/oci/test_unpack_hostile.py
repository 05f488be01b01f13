"""Layers that want out, or want too much: each is refused with a reason, or does no harm; nothing outside moves."""

import gzip
import io
import os
import struct
import zlib
from pathlib import Path

import pytest

from metalor_lang.kernel.paths import Root
from metalor_lang.oci.budget import Budgets, LayerRefused
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import LayerSource, apply_layers
from tests.support.images import digest
from tests.support.listing import listing_of
from tests.support.tars import END, directory, file, gnu_long, hardlink, member, pad, pax, record, symlink

SMALL = Budgets(
    entries=200, data=8 << 20, headers=64 << 10, extents=64, xattrs=8, depth=32, ratio=50, ratio_from=1 << 20
)
OUT = "@OUT@"
"""Stands for the absolute path of the directory outside."""


def unpack(layers: list[bytes], target: Path, budgets: Budgets = SMALL) -> list[str]:
    notices: list[str] = []
    sources = [
        LayerSource(open=lambda data=data: io.BytesIO(data), compression=Compression.NONE, diff_id=digest(data))
        for data in layers
    ]
    with Root.at(target) as root:
        apply_layers(sources, root.fd, budgets=budgets, notice=notices.append)
    return notices


def up(count: int, path: str) -> str:
    return "../" * count + path


def sparse_old(realsize: int, pairs: list[tuple[int, int]], data: bytes, extended: bytes = b"\0") -> bytes:
    patch = {386 + 24 * n: b"%011o\0%011o\0" % pair for n, pair in enumerate(pairs)}
    patch |= {482: extended, 483: b"%011o\0" % realsize}
    return member("sparse", b"S", data, magic=b"ustar  \0", patch=patch)


def sparse_pax(more: dict[str, str], data: bytes = b"") -> bytes:
    return pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", **more}) + member("sparse", data=data)


# name -> (layers as lists of members, a part of the reason). "@OUT@" becomes the directory outside.
REFUSED: dict[str, tuple[list[list[bytes]], str]] = {
    "dotdot": ([[file("../outside/new")]], "`..`"),
    "dotdot inside": ([[directory("a"), file("a/../../outside/new")]], "`..`"),
    "dotdot at the end": ([[directory("a/..")]], "`..`"),
    "absolute dotdot": ([[file("/../outside/new")]], "`..`"),
    "PAX path dotdot": ([[pax({"path": "../outside/new"}) + file("good")]], "`..`"),
    "GNU long name dotdot": ([[gnu_long("../outside/new") + file("good")]], "`..`"),
    "prefix dotdot": ([[member("outside/new", prefix=b"..")]], "`..`"),
    "empty name": ([[member("")]], "empty"),
    "root as a link": ([[symlink(".", OUT)]], "root of the image"),
    "root as a link with a slash": ([[symlink("./", OUT)]], "root of the image"),
    "root as /.": ([[symlink("/.", OUT)]], "root of the image"),
    "root as a file": ([[file("./.")]], "root of the image"),
    "root as a hard link": ([[hardlink(".", "a")]], "root of the image"),
    "long component": ([[pax({"path": "x" * 256}) + file("x")]], "longer than 255"),
    "long path": ([[pax({"path": "x/" * 2100 + "x"}) + file("x")]], "at most 4095"),
    "deep path": ([[pax({"path": "x/" * 40 + "x"}) + file("x")]], "directories deep"),
    "below a file": ([[file("a"), file("a/b")]], "does not fit"),
    "through a loop": ([[symlink("a", "b"), symlink("b", "a"), file("a/x")]], "does not fit"),
    "hard link outside": ([[hardlink("x", "../outside/canary")]], "`..`"),
    "hard link by absolute path": ([[hardlink("x", OUT + "/canary")]], "does not exist"),
    "hard link through a link": ([[symlink("l", OUT), hardlink("x", "l/canary")]], "does not exist"),
    "hard link through a link up": ([[symlink("l", "../outside"), hardlink("x", "l/canary")]], "does not exist"),
    "hard link forward": ([[hardlink("x", "later"), file("later")]], "does not exist"),
    "hard link to itself": ([[file("x"), hardlink("x", "x")]], "to itself"),
    "hard link to itself by another path": ([[file("x"), hardlink("x", "./x")]], "to itself"),
    "hard link to itself, missing": ([[hardlink("x", "x")]], "does not exist"),
    "hard link to a directory": ([[directory("d"), hardlink("x", "d")]], "a directory"),
    "hard link to the root": ([[hardlink("x", "/")]], "root of the image"),
    "hard link to nothing": ([[hardlink("x", "")]], "empty"),
    "hard link to a whiteout": ([[hardlink("x", ".wh.y")]], "whiteout"),
    "hard link over its target's directory": ([[file("d/f"), hardlink("d", "d/f")]], "which it replaces"),
    "PAX link path": ([[pax({"linkpath": "../outside/canary"}) + hardlink("x", "fine")]], "`..`"),
    "GNU long link": ([[gnu_long("../outside/canary", b"K") + hardlink("x", "fine")]], "`..`"),
    "empty link": ([[symlink("x", "")]], "0 bytes"),
    "endless link": ([[pax({"linkpath": "x" * 4096}) + symlink("x", "x")]], "4096 bytes"),
    "whiteout of nothing": ([[file(".wh.")]], "names nothing"),
    "whiteout of the directory": ([[file("a/.wh..")]], "names nothing"),
    "whiteout of the parent": ([[file("a/.wh...")]], "names nothing"),
    "whiteout dotdot": ([[file("../outside/.wh.canary")]], "`..`"),
    "below a whiteout": ([[file(".wh.a/b")]], "below a whiteout"),
    "below an opaque mark": ([[file("a/.wh..wh..opq/b")]], "below a whiteout"),
    "overlay's whiteout device": ([[member("x", b"3", device=(0, 0))]], "0:0"),
    "impossible device": ([[member("x", b"3", device=(4096, 1))]], "cannot exist"),
    "overlay xattr": ([[pax({"SCHILY.xattr.user.overlay.opaque": "y"}) + directory("d")]], "belongs to overlay"),
    "overlay xattr, trusted": ([[pax({"SCHILY.xattr.trusted.overlay.redirect": "/"}) + directory("d")]], "overlay"),
    "too many xattrs": ([[pax({f"SCHILY.xattr.user.{n}": "" for n in range(9)}) + file("a")]], "at most 8"),
    "user too large": ([[pax({"uid": "4294967295"}) + file("a")]], "user id"),
    "user negative": ([[pax({"uid": "-1"}) + file("a")]], "user id"),
    "user in base 256": ([[member("a", patch={108: b"\x80\0\0\x01\0\0\0\0"})]], "user id"),
    "user negative in base 256": ([[member("a", patch={108: b"\xff" * 8})]], "negative"),
    "group as words": ([[pax({"gid": "root"}) + file("a")]], "group id"),
    "time far away": ([[pax({"mtime": "99999999999999"}) + file("a")]], "time"),
    "time as words": ([[pax({"mtime": "1e9"}) + file("a")]], "time"),
    "time of a long number": ([[pax({"mtime": "9" * 4000}) + file("a")]], "time"),
    "size negative": ([[member("a", patch={124: b"\xff" * 12})]], "negative"),
    "size not octal": ([[member("a", patch={124: b"00000000009\0"})]], "octal"),
    "size of a link": ([[member("a", b"2", b"data", link="x")]], "bytes of data"),
    "size of a directory": ([[member("a", b"5", b"data")]], "bytes of data"),
    "two sizes": ([[pax({"size": "1024"}) + file("a", b"x" * 512) + file("b")]], "two sizes"),
    "PAX size of a long number": ([[pax({"size": "9" * 5000}) + file("a")]], "decimal"),
    "unknown type": ([[member("a", b"V")]], "not known"),
    "multi volume": ([[member("a", b"M", b"data")]], "not known"),
    "slash at the end of a file": ([[file("d/", b"")]], "ends like a directory"),
    "old type, long name, cut behind a slash": (
        [[gnu_long("d" * 99 + "/file") + member("d" * 99 + "/", b"\0")]],
        "ends like a directory",
    ),
    "wrong checksum": ([[member("a", checksum=b"000000\0 ")]], "checksum"),
    "checksum of spaces": ([[member("a", checksum=b" " * 8)]], "checksum"),
    "PAX without length": ([[member("p", b"x", b"path=evil\n") + file("a")]], "PAX record"),
    "PAX length too long": ([[member("p", b"x", b"99 path=evil\n") + file("a")]], "PAX record"),
    "PAX length zero": ([[member("p", b"x", b"0 path=evil\n") + file("a")]], "PAX record"),
    "PAX without a newline": ([[member("p", b"x", b"12 path=evil") + file("a")]], "PAX record"),
    "PAX without equals": ([[member("p", b"x", b"7 path\n") + file("a")]], "PAX record"),
    "PAX NUL in a path": ([[pax({"path": b"a\0b"}) + file("a")]], "NUL"),
    "PAX unknown characters": ([[pax({"hdrcharset": "EBCDIC"}) + file("a")]], "character set"),
    "PAX twice": ([[pax({"path": "a"}) + pax({"path": "b"}) + file("c")]], "two extended headers"),
    "PAX and GNU disagree": ([[pax({"path": "a"}) + gnu_long("b") + file("c")]], "two values"),
    "PAX at the end": ([[pax({"path": "a"})]], "after an extended header"),
    "PAX too large": ([[pax({"comment": "x" * 70_000}) + file("a")]], "extended header of"),
    "GNU name with a NUL": ([[gnu_long(b"a\0b") + file("c")]], "NUL"),
    "global path": ([[pax({"path": "../outside/new"}, b"g") + file("a")]], "global header"),
    "global size": ([[pax({"size": "0"}, b"g") + file("a")]], "global header"),
    "global xattr": ([[pax({"SCHILY.xattr.user.a": "b"}, b"g") + file("a")]], "global header"),
    "lone zero block": ([[file("a") + bytes(512) + file("b")]], "lone zero block"),
    "sparse of 1 TiB": ([[sparse_old(1 << 35, [(0, 4)], b"data")]], "bytes of files"),
    "sparse overlap": ([[sparse_old(100, [(0, 3), (1, 1)], b"data")]], "overlap"),
    "sparse past its end": ([[sparse_old(2, [(0, 4)], b"data")]], "does not fit"),
    "sparse with other data": ([[sparse_old(100, [(0, 2)], b"data")]], "does not fit"),
    "sparse without its map": ([[sparse_old(100, [(0, 4)], b"", b"\1")[:512]]], "does not fit"),
    "sparse map endless": ([[sparse_pax({"GNU.sparse.realsize": "9"}, b"5\n" + b"1" * 510)]], "sparse map"),
    "sparse map of many": ([[sparse_pax({"GNU.sparse.realsize": "9"}, pad(b"99999999\n"))]], "regions"),
    "sparse map of words": ([[sparse_pax({"GNU.sparse.realsize": "9"}, pad(b"1\nx\ny\n"))]], "decimal"),
    "sparse without a size": ([[sparse_pax({}, pad(b"0\n"))]], "real size"),
    "sparse name outside": (
        [[sparse_pax({"GNU.sparse.realsize": "0", "GNU.sparse.name": "../outside/new"}, pad(b"0\n"))]],
        "`..`",
    ),
    "sparse odd map": (
        [[pax({"GNU.sparse.size": "9", "GNU.sparse.map": "1,2,3"}) + file("a")]],
        "odd count",
    ),
    "many entries": ([[file(f"f{n}", b"") for n in range(201)]], "more than 200 entries"),
    "much data": ([[file("a", bytes(5 << 20)), file("b", bytes(4 << 20))]], "bytes of files"),
    "much data in two layers": ([[file("a", bytes(5 << 20))], [file("b", bytes(4 << 20))]], "bytes of files"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/canary").write_text("untouched")
    (tmp_path / "root").mkdir()
    return tmp_path


def archives(layers: list[list[bytes]], place: Path) -> list[bytes]:
    return [b"".join(members) + END for members in layers]


def with_outside(layers: list[list[bytes]], place: Path) -> list[bytes]:
    """Archives with `@OUT@` in link targets replaced, checksums made again."""
    result = []
    for data in archives(layers, place):
        blocks = [bytearray(data[at : at + 512]) for at in range(0, len(data), 512)]
        for block in blocks:
            if block[157 : 157 + len(OUT)] == OUT.encode():
                rest = bytes(block[157 + len(OUT) : 257]).rstrip(b"\0")
                block[157:257] = (os.fsencode(place / "outside") + rest).ljust(100, b"\0")[:100]
                block[148:156] = b" " * 8
                block[148:156] = b"%06o\0 " % sum(block)
        result.append(b"".join(blocks))
    return result


@pytest.mark.parametrize(("layers", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_reason(place: Path, layers: list[list[bytes]], reason: str) -> None:
    before = listing_of(place / "outside")
    with pytest.raises(LayerRefused) as caught:
        unpack(with_outside(layers, place), place / "root")
    assert reason in caught.value.reason
    assert listing_of(place / "outside") == before
    assert sorted(path.name for path in place.iterdir()) == ["outside", "root"]


# name -> (layers, paths that must be in the root afterwards, paths that must not)
HARMLESS: dict[str, tuple[list[list[bytes]], list[str], list[str]]] = {
    "absolute path": ([[file("/etc/new")]], ["etc/new"], []),
    "many slashes": ([[file("//a///b")]], ["a/b"], []),
    "link out, then through it": ([[symlink("l", OUT), file("l/canary")]], ["l"], []),
    "link up, then through it": ([[symlink("l", up(9, "outside")), file("l/canary")]], ["l", "outside/canary"], []),
    "link to the root": ([[symlink("l", "/"), file("l/x")]], ["x"], []),
    "link chain": ([[symlink("a", "b"), symlink("b", "../../outside"), file("a/canary")]], ["outside/canary"], []),
    "link of the layer below": ([[symlink("l", up(5, "outside"))], [file("l/new")]], ["outside/new"], []),
    "file over a link": ([[symlink("l", OUT + "/canary")], [file("l")]], ["l"], []),
    "directory over a link out": ([[symlink("l", OUT)], [directory("l"), file("l/x")]], ["l/x"], []),
    "device over a link": ([[symlink("l", OUT + "/canary"), member("l", b"6")]], ["l"], []),
    "whiteout through a link": ([[symlink("l", OUT)], [file("l/.wh.canary")]], ["l"], []),
    "opaque through a link": ([[symlink("l", up(3, "outside"))], [file("l/.wh..wh..opq")]], ["l"], []),
    "whiteout of a link": ([[symlink("l", OUT)], [file(".wh.l")]], [], ["l"]),
    "whiteout of what is not there": ([[file("a/b/.wh.c")]], [], ["a"]),
    "hard link to a link out": ([[symlink("l", OUT + "/canary"), hardlink("h", "l")]], ["l", "h"], []),
    "write to a hard link of a link": (
        [[symlink("l", OUT + "/canary"), hardlink("h", "l")], [file("h", b"evil")]],
        ["h"],
        [],
    ),
    "whiteout of the root's content": ([[file("a")], [file(".wh..wh..opq")]], [], ["a"]),
    "aufs": ([[file(".wh..wh.aufs"), file(".wh..wh.plnk/1.2"), file("a")]], ["a"], [".wh..wh.aufs", ".wh..wh.plnk"]),
    "dangling parent": ([[symlink("l", "/not/yet"), file("l/x")]], ["not/yet/x"], []),
    "fifo is not opened": ([[member("f", b"6")], [file("f")]], ["f"], []),
    "old mode with a type": ([[member("a", mode=0o100644)]], ["a"], []),
    "slash at the end of an old file": ([[member("d/", b"\0")]], ["d"], []),
    "no end": ([[file("a")]], ["a"], []),
    # The short name of the header is the first hundred bytes: here it ends with a slash.
    "long name that is cut behind a slash": (
        [[gnu_long("d" * 99 + "/file") + file("d" * 99 + "/")]],
        ["d" * 99 + "/file"],
        [],
    ),
    "PAX path and a short name that is cut behind a slash": (
        [[pax({"path": "d" * 99 + "/file"}) + file("d" * 99 + "/")]],
        ["d" * 99 + "/file"],
        [],
    ),
    "xattr without a name space": ([[pax({"SCHILY.xattr.x": "y"}) + file("a")]], ["a"], []),
    "global comment": ([[pax({"comment": "x"}, b"g") + file("a")]], ["a"], []),
    "signed checksum": (
        [
            [
                member(
                    "\udcff",
                    checksum=b"%06o\0 " % (sum(member("\udcff")[:148]) + 256 + sum(member("\udcff")[156:512]) - 256),
                )
            ]
        ],
        ["\udcff"],
        [],
    ),
}


@pytest.mark.parametrize(("layers", "there", "gone"), HARMLESS.values(), ids=HARMLESS)
def test_harmless(place: Path, layers: list[list[bytes]], there: list[str], gone: list[str]) -> None:
    before = listing_of(place / "outside")
    data = with_outside(layers, place)
    unpack(data, place / "root")
    assert listing_of(place / "outside") == before
    for path in there:
        assert os.path.lexists(place / "root" / path), path
    for path in gone:
        assert not os.path.lexists(place / "root" / path), path


@pytest.mark.parametrize("cut", [1, 100, 511, 513, 700, 1023])
def test_cut_archives(place: Path, cut: int) -> None:
    data = file("a", b"x" * 600)[:cut]
    with pytest.raises(LayerRefused, match="ends inside"):
        unpack([data], place / "root")


def compressed(data: bytes, compression: Compression, plain: bytes, target: Path, budgets: Budgets = SMALL) -> None:
    source = LayerSource(open=lambda: io.BytesIO(data), compression=compression, diff_id=digest(plain))
    with Root.at(target) as root:
        apply_layers([source], root.fd, budgets=budgets)


GOOD = file("a") + END


@pytest.mark.parametrize(
    ("data", "compression", "reason"),
    [
        (gzip.compress(GOOD, mtime=0)[:-9], Compression.GZIP, "ends early"),
        (gzip.compress(GOOD, mtime=0)[:-1], Compression.GZIP, "ends early"),
        (gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), Compression.GZIP, "damaged"),
        (gzip.compress(GOOD, mtime=0) + b"more", Compression.GZIP, "follows"),
        (GOOD, Compression.GZIP, "not gzip"),
        (b"", Compression.GZIP, "empty"),
        (gzip.compress(GOOD, mtime=0), Compression.ZSTD, "not zstd"),
        (gzip.compress(GOOD, mtime=0), Compression.NONE, ""),
        (b"\x28\xb5\x2f\xfd" + bytes(100), Compression.ZSTD, ""),
        (gzip.compress(file("b") + END, mtime=0), Compression.GZIP, "config says"),
        (GOOD[:-1], Compression.NONE, "config says"),
    ],
)
def test_damaged_streams(place: Path, data: bytes, compression: Compression, reason: str) -> None:
    with pytest.raises(LayerRefused) as caught:
        compressed(data, compression, GOOD, place / "root")
    assert reason in caught.value.reason


def test_members_and_padding_of_gzip(place: Path) -> None:
    data = gzip.compress(GOOD[:700]) + gzip.compress(GOOD[700:]) + bytes(5000)
    compressed(data, Compression.GZIP, GOOD, place / "root")
    assert (place / "root/a").read_bytes() == b"data"


def bomb(size: int) -> bytes:
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [pack.compress(member("zeros", size=size))]
    parts += [pack.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, pack.flush()])


def test_bombs_stop_at_the_budget(place: Path) -> None:
    data = bomb(64 << 20)
    with pytest.raises(LayerRefused, match="bytes of files"):
        compressed(data, Compression.GZIP, b"", place / "root", Budgets(data=4 << 20, ratio=2000))
    with pytest.raises(LayerRefused, match="bomb"):
        compressed(data, Compression.GZIP, b"", place / "root", Budgets(ratio=50, ratio_from=2 << 20))
    assert sum(path.stat().st_size for path in (place / "root").iterdir()) <= 8 << 20


def test_the_records_of_a_test_are_right() -> None:
    assert record("path", "x") == b"9 path=x\n"
    assert struct.unpack("100s", member("name")[:100])[0].rstrip(b"\0") == b"name"
