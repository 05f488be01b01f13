"""Small layers that want much: bytes, entries, depth, names, headers, time. And blobs that are not what they should be."""

import gzip
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metalor_lang.oci.budget import Budgets
from tests.adversarial.corpus.model import CANARY, Chapter, Packed, sha
from tests.support.images import dump, put
from tests.support.tars import END, directory, file, gnu_long, hardlink, member, pax, record, symlink

chapter = Chapter("bomb")
no, yes = chapter.no, chapter.yes
BOMB = "CVE-2017-14992"
NOBODY = sha(b"")


def repeated(head: bytes, body: bytes, times: int) -> Packed:
    """A gzip stream of many members: quick to make however large."""
    return Packed(data=gzip.compress(head, mtime=0) + gzip.compress(body, 9, mtime=0) * times, diff_id=NOBODY)


def one_stream(head: bytes, body: bytes, times: int) -> Packed:
    """One gzip member of a body that is repeated: packed tighter, since each deflated piece still sees the last one."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = pack.compress(head + body) + pack.flush(zlib.Z_SYNC_FLUSH)
    piece = pack.compress(body) + pack.flush(zlib.Z_SYNC_FLUSH)
    return Packed(data=start + piece * times, diff_id=NOBODY)


def zstd(head: bytes, mib: int) -> Packed:
    import zstandard

    pack = zstandard.ZstdCompressor(level=3)
    return Packed(data=pack.compress(head) + pack.compress(bytes(1 << 20)) * mib, diff_id=NOBODY, suffix="+zstd")


no(
    "gzip, one file of 8 GiB",
    [repeated(member("zeros", size=8 << 30), bytes(1 << 20), 8192)],
    "looks like a bomb",
    "",
    BOMB,
)
no("gzip, one stream", [one_stream(member("zeros", size=8 << 30), bytes(1 << 20), 8192)], "looks like a bomb", "", BOMB)
no("zstd", [zstd(member("zeros", size=8 << 30), 2048)], "looks like a bomb", "", BOMB)
no("endless zeros after the end", [repeated(file("a") + END, bytes(1 << 20), 8192)], "looks like a bomb", "", BOMB)
no("one header, half a million times", [one_stream(b"", file("a", b"") * 2048, 512)], "looks like a bomb", "a", BOMB)
no("one directory, half a million times", [one_stream(b"", directory("a") * 2048, 512)], "looks like a bomb", "a", BOMB)
no(
    "one link, half a million times",
    [one_stream(file("a"), (symlink("l", "a") + hardlink("h", "a")) * 1024, 512)],
    "looks like a bomb",
    "",
    BOMB,
)
no(
    "one whiteout, half a million times",
    [one_stream(file("d/a"), file("d/.wh.b", b"") * 2048, 512)],
    "looks like a bomb",
    "d/.wh.b",
    BOMB,
)
no(
    "long paths, five thousand of them",
    [[*((pax({"path": "x/" * 200 + f"{n:0250}"}) + file("a", b"")) for n in range(5000))]],
    "have more than",
    "x/x/x",
    budgets=Budgets(names=1 << 20),
)
no(
    "entries, more than there may be",
    [[*(file(f"f{n}", b"") for n in range(5001))]],
    "more than 5000 entries",
    "f5000",
    budgets=Budgets(entries=5000),
)
no(
    "bytes in two layers, more than there may be",
    [[file("a", bytes(5 << 20))], [file("b", bytes(4 << 20))]],
    "bytes of files",
    "",
    budgets=Budgets(data=8 << 20),
)
yes(
    "128 deep, three times",
    [[*(pax({"path": "d/" * 128 + str(n)}) + file("x", b"") for n in range(3))]],
    {**{"/".join(["d"] * n): "d" for n in range(1, 129)}, **{"d/" * 128 + str(n): "f:" for n in range(3)}},
)
no(
    "PAX header of 2 MiB",
    [[pax({"comment": "x" * (2 << 20)}) + file("a")]],
    "extended header of",
    "PaxHeaders/x",
    "CVE-2024-6232",
)
no(
    "PAX header of 8 GiB",
    [[member("PaxHeaders/x", b"x", size=(1 << 33) - 1)]],
    "extended header of",
    "PaxHeaders/x",
    "CVE-2024-6232",
)
no("GNU name of 2 MiB", [[gnu_long("x/" * (1 << 20)) + file("a")]], "extended header of", "@LongLink")
no("GNU name of 1 MiB less a little", [[gnu_long("x/" * ((1 << 19) - 100) + "x") + file("a")]], "at most 4095", "x/x/x")
yes(
    "sixty thousand PAX records",
    [[member("PaxHeaders/x", b"x", b"".join(record(f"V.{n}", "") for n in range(60_000))) + file("a")]],
    {"a": "f:data"},
    "CVE-2024-6232",
)
no(
    "PAX length of a million digits",
    [[member("PaxHeaders/x", b"x", b"1" * 1_000_000) + file("a")]],
    "PAX record",
    "PaxHeaders/x",
    "CVE-2024-6232",
)
no(
    "three thousand global headers, then one that sets a path",
    [[pax({"comment": "x"}, b"g") * 3000, pax({"path": "x"}, b"g"), file("a")]],
    "global header",
    "PaxHeaders/x",
)
yes(
    "two thousand global headers and one file",
    [[pax({"comment": "x"}, b"g") * 2000, file("a")]],
    {"a": "f:data"},
    umoci="unknown typeflag",
)

streams = Chapter("digest or stream")
no, yes = streams.no, streams.yes
GOOD = file("a") + END
EVIL = file("evil") + END


def blobs(layout: Path) -> tuple[Path, dict[str, Any]]:
    index = json.loads((layout / "index.json").read_bytes())
    folder = layout / "blobs" / "sha256"
    return folder, json.loads((folder / index["manifests"][0]["digest"].removeprefix("sha256:")).read_bytes())


def layer_blob(change: Callable[[Path], None]) -> Callable[[Path], None]:
    def tamper(layout: Path) -> None:
        folder, manifest = blobs(layout)
        change(folder / manifest["layers"][0]["digest"].removeprefix("sha256:"))

    return tamper


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(path: Path) -> None:
    """Another layer of the same size: only the digest can tell."""
    size = path.stat().st_size
    data = gzip.compress(EVIL, 9, mtime=0)
    path.write_bytes(data[:size].ljust(size, b"\0"))


def elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(f"{CANARY}/secret")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """The manifest changed, with right digests for the changed one."""

    def tamper(layout: Path) -> None:
        _, value = blobs(layout)
        change(value)
        index = json.loads((layout / "index.json").read_bytes())
        old = index["manifests"][0]
        index["manifests"][0] = {**old, **put(layout, dump(value), old["mediaType"])}
        (layout / "index.json").write_bytes(dump(index))

    return tamper


def index(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def tamper(layout: Path) -> None:
        value = json.loads((layout / "index.json").read_bytes())
        change(value)
        (layout / "index.json").write_bytes(dump(value))

    return tamper


def document(change: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda layout: change(layout / "index.json")


def layer0(**fields: Any) -> Callable[[Path], None]:
    return manifest(lambda value: value["layers"][0].update(fields))


LAYER = [[file("a")]]
no("one bit of the layer flipped", LAYER, "", "", tamper=layer_blob(flip))
no("another layer of the same size", LAYER, "", "", tamper=layer_blob(swap))
no(
    "layer cut by a byte",
    LAYER,
    "shorter",
    "",
    tamper=layer_blob(lambda path: path.write_bytes(path.read_bytes()[:-1])),
)
no(
    "layer longer by a byte",
    LAYER,
    "longer",
    "",
    tamper=layer_blob(lambda path: path.write_bytes(path.read_bytes() + b"\0")),
)
no("layer emptied", LAYER, "shorter", "", tamper=layer_blob(lambda path: path.write_bytes(b"")))
no("layer missing", LAYER, "missing", "", tamper=layer_blob(lambda path: path.unlink()))
no("layer is a link to the host's secret", LAYER, "than its descriptor says", "", tamper=layer_blob(elsewhere))
no("layer is a fifo", LAYER, "not a regular file", "", tamper=layer_blob(pipe))
no(
    "wrong diff id",
    [Packed(data=gzip.compress(GOOD, mtime=0), diff_id=sha(b"other"))],
    "the image's config says",
    "",
    "CVE-2021-41190",
)
no(
    "diff ids of two layers exchanged",
    [
        Packed(data=gzip.compress(GOOD, mtime=0), diff_id=sha(EVIL)),
        Packed(data=gzip.compress(EVIL, mtime=0), diff_id=sha(GOOD)),
    ],
    "the image's config says",
    "",
)
no(
    "a second gzip member the diff id does not cover",
    [Packed(data=gzip.compress(GOOD, mtime=0) + gzip.compress(EVIL, mtime=0), diff_id=sha(GOOD))],
    "the image's config says",
    "",
)
no("gzip cut off", [Packed(data=gzip.compress(GOOD, mtime=0)[:-9], diff_id=sha(GOOD))], "ends early", "")
no("gzip checksum wrong", [Packed(data=gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), diff_id=sha(GOOD))], "damaged", "")
no(
    "gzip, then something else",
    [Packed(data=gzip.compress(GOOD, mtime=0) + b"tail", diff_id=sha(GOOD))],
    "not gzip follows",
    "",
)
no("plain tar called gzip", [Packed(data=GOOD, diff_id=sha(GOOD))], "not gzip", "")
no(
    "gzip called plain",
    [Packed(data=gzip.compress(GOOD, mtime=0), diff_id=sha(gzip.compress(GOOD, mtime=0)), suffix="")],
    "",
    "",
)
no("zstd called gzip", [Packed(data=zstd(GOOD, 0).data, diff_id=sha(GOOD))], "not gzip", "")
no("empty layer", [Packed(data=b"", diff_id=sha(b""))], "empty", "")
yes(
    "zeros after gzip's end",
    [Packed(data=gzip.compress(GOOD, mtime=0) + bytes(5000), diff_id=sha(GOOD))],
    {"a": "f:data"},
    umoci="invalid header",
)
no(
    "digest is a path",
    LAYER,
    "64 lower-case hex digits",
    "",
    "CVE-2024-3727",
    tamper=layer0(digest="sha256:../../../../../../canary/file"),
)
no(
    "digest in upper case",
    LAYER,
    "64 lower-case hex digits",
    "",
    "CVE-2024-3727",
    tamper=layer0(digest="sha256:" + "A" * 64),
)
no(
    "digest of another algorithm",
    LAYER,
    "64 lower-case hex digits",
    "",
    "CVE-2024-3727",
    tamper=layer0(digest="md5:" + "a" * 32),
)
no(
    "digest without an algorithm",
    LAYER,
    "64 lower-case hex digits",
    "",
    "CVE-2024-3727",
    tamper=layer0(digest="../../index.json"),
)
no(
    "digest with a newline",
    LAYER,
    "64 lower-case hex digits",
    "",
    "CVE-2024-3727",
    tamper=layer0(digest="sha256:" + "a" * 64 + "\n"),
)
no(
    "size one too small",
    LAYER,
    "longer",
    "",
    tamper=manifest(lambda value: value["layers"][0].update(size=value["layers"][0]["size"] - 1)),
)
no("size negative", LAYER, "size must be from 0", "", tamper=layer0(size=-1))
no("size 2⁶³", LAYER, "size must be from 0", "", tamper=layer0(size=1 << 63))
no("size as a fraction", LAYER, "not whole", "", tamper=layer0(size=100.5))
no("layer of an unknown media type", LAYER, "media type", "", tamper=layer0(mediaType="application/octet-stream"))
no(
    "manifest that is an index too",
    LAYER,
    "must not stand beside",
    "",
    "CVE-2021-41190",
    tamper=manifest(lambda value: value.update(manifests=[])),
)
no(
    "manifest that calls itself an index",
    LAYER,
    "media type",
    "",
    "CVE-2021-41190",
    tamper=manifest(lambda value: value.update(mediaType="application/vnd.oci.image.index.v1+json")),
)
no(
    "one layer more than diff ids",
    LAYER,
    "diff_ids",
    "",
    tamper=manifest(lambda value: value["layers"].append(value["layers"][0])),
)
no("no layer for a diff id", LAYER, "diff_ids", "", tamper=manifest(lambda value: value["layers"].clear()))
no(
    "config that is the manifest's own",
    LAYER,
    "",
    "",
    tamper=manifest(
        lambda value: value["config"].update(digest=value["layers"][0]["digest"], size=value["layers"][0]["size"])
    ),
)
no("manifest's size wrong", LAYER, "longer", "", tamper=index(lambda value: value["manifests"][0].update(size=5)))
no(
    "index.json of 5 MiB",
    LAYER,
    "at most",
    "",
    tamper=document(lambda path: path.write_bytes(path.read_bytes() + b" " * (5 << 20))),
)
no(
    "index.json nested 100,000 deep",
    LAYER,
    "nested too deeply",
    "",
    tamper=document(lambda path: path.write_bytes(b'{"a":' * 100_000)),
)
no(
    "index.json with a key twice",
    LAYER,
    "stands twice",
    "",
    "CVE-2021-41190",
    tamper=document(lambda path: path.write_bytes(path.read_bytes().replace(b"{", b'{"manifests":[],', 1))),
)
no("index.json is a fifo", LAYER, "not a regular file", "", tamper=document(pipe))
no(
    "index.json is an endless device",
    LAYER,
    "not a regular file",
    "",
    tamper=document(lambda path: (path.unlink(), path.symlink_to("/dev/null"))),
)
no("index.json is a link to the host's secret", LAYER, "not a right JSON", "", tamper=document(elsewhere))
