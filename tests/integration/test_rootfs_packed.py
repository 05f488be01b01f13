"""`rootfs:` bases from tar files, however they are packed."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from metalor_lang.build.rootfs import read_rootfs, write_rootfs
from metalor_lang.build.statcache import StatCache
from metalor_lang.errors import MetalorError
from metalor_lang.kernel.paths import Root

pytestmark = pytest.mark.integration
PACKERS = {"plain": ["cat"], "gzip": ["gzip"], "zstd": ["zstd", "-q"], "xz": ["xz"], "bzip2": ["bzip2"]}


def packed(folder: Path, packer: str) -> Path:
    """An archive of a small root, packed by the program that people pack with."""
    tree = folder / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/name").write_text("root\n" * 5000)
    (tree / "link").symlink_to("etc/name")
    plain = folder / "root.tar"
    with tarfile.open(plain, "w") as archive:
        for name in ("etc", "etc/name", "link"):
            archive.add(tree / name, name, recursive=False)
    target = folder / "root.packed"
    with plain.open("rb") as source, target.open("wb") as out:
        subprocess.run([*PACKERS[packer], "-c"] if packer != "plain" else ["cat"], stdin=source, stdout=out, check=True)
    return target


@pytest.mark.parametrize("packer", sorted(PACKERS))
def test_each_packer_gives_the_same_tree(tmp_path: Path, packer: str) -> None:
    path = packed(tmp_path, packer)
    out = tmp_path / "out"
    out.mkdir()
    with Root.at(out) as target:
        write_rootfs(read_rootfs(path, "root", StatCache()), target)
    assert (out / "etc/name").read_text() == "root\n" * 5000
    assert (out / "link").readlink() == Path("etc/name")


@pytest.mark.parametrize("packer", ["gzip", "zstd", "xz", "bzip2"])
def test_an_archive_that_was_cut_off_is_told(tmp_path: Path, packer: str) -> None:
    path = packed(tmp_path, packer)
    path.write_bytes(path.read_bytes()[:-20])
    out = tmp_path / "out"
    out.mkdir()
    with Root.at(out) as target, pytest.raises(MetalorError):
        write_rootfs(read_rootfs(path, "root", StatCache()), target)
