"""Our unpacker against umoci and GNU tar: the same trees."""

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from metalor_lang.kernel.paths import Root
from metalor_lang.oci.layer import write_tree_tar
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import LayerSource, apply_layers, unpack, unpack_with_umoci
from tests.support import images
from tests.support.bases import BaseUnavailable, base
from tests.support.listing import listing_of
from tests.support.tars import END, file, hardlink, member, pax, symlink

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="owners and device nodes need root"),
]
needs_umoci = pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed")


def ours(layout: Path, tag: str, target: Path) -> list[str]:
    target.mkdir()
    notices: list[str] = []
    opened = Layout.open(layout)
    selection = opened.select(tag)
    with Root.at(target) as root:
        unpack(opened, selection.manifest, selection.config.diff_ids, root.fd, notice=notices.append)
    return notices


def difference(one: Path, two: Path) -> list[tuple[object, ...]]:
    return sorted(set(listing_of(one)) ^ set(listing_of(two)), key=str)


@needs_umoci
@pytest.mark.parametrize(("name", "tag"), [("whiteouts", "1"), ("busybox", "1"), ("debian", "12")])
def test_bases_unpack_as_umoci_does(tmp_path: Path, name: str, tag: str) -> None:
    try:
        layout = base(name)
    except BaseUnavailable as error:
        pytest.skip(str(error))
    assert ours(layout, tag, tmp_path / "ours") == []
    unpack_with_umoci(layout, tag, tmp_path / "umoci")
    assert difference(tmp_path / "ours", tmp_path / "umoci") == []


LAYERS: dict[str, list[images.Layer]] = {
    "device nodes and fifos": [
        {
            "dev/": "",
            "dev/null": images.device(1, 3, mode=0o666),
            "dev/loop": images.device(7, 255, block=True),
            "dev/pipe": images.fifo(0o622, uid=5),
        },
        {"dev/pipe": images.device(1, 5)},
    ],
    "set-id and sticky bits with owners": [
        {"a": images.file("x", 0o6755, uid=100000, gid=7), "d/": images.directory(0o3777, gid=50)},
        {"a": images.file("y", 0o2711, uid=7, gid=100000)},
    ],
    "attributes": [
        {
            "tool": images.file("x", 0o755, xattrs={"user.note": "one"}),
            "d/": images.directory(xattrs={"user.a": "1", "user.b": "2"}),
        },
        {"d/": images.directory(xattrs={"user.a": "3"})},
    ],
    "kinds that replace each other": [
        {"a": "file", "b/": "", "b/c": "x", "d": images.link("a"), "e/": "", "e/f": "x", "g": images.fifo()},
        {"a/": "", "a/x": "y", "b": images.link("a"), "d": "file", "e": images.hardlink("d"), "g/": ""},
    ],
    "directory links of a merged /usr": [
        {"usr/": "", "usr/lib/": "", "usr/lib/one": "1", "lib": images.link("usr/lib")},
        {"lib/": images.directory(0o755), "lib/two": "2", "lib/three": images.hardlink("lib/one")},
        {"lib/one": None},
    ],
    "hard links over layers": [
        {"a": "x", "b": images.hardlink("a"), "l": images.link("a"), "m": images.hardlink("l")},
        {"c": images.hardlink("b"), "a": "new"},
        {"b": None},
    ],
    "opaque directories": [
        {"d/": "", "d/e/": "", "d/e/old": "x", "d/f": "x"},
        # Without an entry for `d`, umoci leaves its time to the clock; ours stays that of the layer below.
        {"d/": "", "d/e/new": "y", **images.at("d", images.opaque())},
        {"d/": "", "d/.wh.e": images.file(mode=0), "d/e/": "", "d/e/newest": "z"},
    ],
}


@needs_umoci
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_layers_unpack_as_umoci_does(tmp_path: Path, layers: list[images.Layer], compression: str) -> None:
    images.make_layout(tmp_path / "layout", layers, compression=compression)
    assert ours(tmp_path / "layout", "latest", tmp_path / "ours") == []
    unpack_with_umoci(tmp_path / "layout", "latest", tmp_path / "umoci")
    assert difference(tmp_path / "ours", tmp_path / "umoci") == []


def test_zstd_gives_the_same_tree(tmp_path: Path) -> None:
    pytest.importorskip("zstandard")
    for compression in ("gzip", "zstd"):
        images.make_layout(tmp_path / f"{compression}.oci", images.WHITEOUT_LAYERS, compression=compression)
        ours(tmp_path / f"{compression}.oci", "latest", tmp_path / compression)
    assert difference(tmp_path / "gzip", tmp_path / "zstd") == []


def apply(data: bytes, target: Path) -> None:
    target.mkdir()
    source = LayerSource(open=lambda: io.BytesIO(data), compression=Compression.NONE, diff_id=images.digest(data))
    with Root.at(target) as root:
        apply_layers([source], root.fd)


@pytest.fixture
def odd_tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / ("deep/" * 60)).mkdir(parents=True)
    (root / ("deep/" * 60) / ("long" * 40)).write_text("long")
    (root / "to").symlink_to("x" * 300)
    (root / os.fsdecode(b"\xff\xfe")).write_text("not UTF-8")
    (root / "owned").write_text("owned")
    os.chown(root / "owned", 3_000_000, 4_000_000_000)
    os.link(root / "owned", root / "p-link")
    with (root / "sparse").open("wb") as stream:
        for offset in range(30):
            stream.seek(offset * (1 << 17))
            stream.write(b"data %d" % offset)
        stream.truncate(6 << 20)
    for path in [*root.rglob("*"), root]:
        os.utime(path, ns=(10**18 + 250_000_000, 10**18 + 250_000_000), follow_symlinks=False)
    return root


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu", "--sparse"],
        ["--format=pax"],
        ["--format=pax", "--sparse", "--sparse-version=0.0"],
        ["--format=pax", "--sparse", "--sparse-version=0.1"],
        ["--format=pax", "--sparse", "--sparse-version=1.0"],
        ["--format=gnu", "--hard-dereference"],
    ],
    ids=" ".join,
)
def test_what_gnu_tar_packs_comes_out_as_gnu_tar_unpacks_it(odd_tree: Path, tmp_path: Path, options: list[str]) -> None:
    packed = tmp_path / "packed.tar"
    subprocess.run(["tar", "cf", packed, *options, "--numeric-owner", "-C", odd_tree, "."], check=True)
    apply(packed.read_bytes(), tmp_path / "ours")
    (tmp_path / "gnu").mkdir()
    subprocess.run(["tar", "xpf", packed, "--numeric-owner", "-C", tmp_path / "gnu"], check=True)
    assert difference(tmp_path / "ours", tmp_path / "gnu") == []
    if "--sparse" in options:
        assert (tmp_path / "ours/sparse").stat().st_blocks < 2_000


def test_what_we_pack_gnu_tar_unpacks(odd_tree: Path, tmp_path: Path) -> None:
    with Root.at(odd_tree) as view, (tmp_path / "out.tar").open("wb") as sink:
        write_tree_tar(view, sink)
    (tmp_path / "gnu").mkdir()
    subprocess.run(["tar", "xpf", tmp_path / "out.tar", "--numeric-owner", "-C", tmp_path / "gnu"], check=True)
    assert difference(odd_tree, tmp_path / "gnu") == []


def test_capabilities_outlive_the_change_of_owner(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    data = pax({"SCHILY.xattr.security.capability": capability, "uid": "7"}) + file("ping") + END
    apply(data, tmp_path / "ours")
    assert os.getxattr(tmp_path / "ours/ping", "security.capability") == capability


def test_a_hard_link_to_a_device_or_a_link_is_made_without_opening(tmp_path: Path) -> None:
    data = member("f", b"6") + hardlink("g", "f") + symlink("l", "/nowhere") + hardlink("m", "l") + END
    apply(data, tmp_path / "ours")
    assert (tmp_path / "ours/g").lstat().st_ino == (tmp_path / "ours/f").lstat().st_ino
    assert os.readlink(tmp_path / "ours/m") == "/nowhere"
