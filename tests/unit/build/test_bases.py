import os
import tarfile
from pathlib import Path

import pytest

from metalor_lang.build.bases import Bases
from metalor_lang.checker.program import Base, ImageBase, Platform, RootfsBase, Transport
from metalor_lang.oci.errors import BlobDamaged, FetchFailed
from metalor_lang.plan.graph import InputError
from metalor_lang.store.store import Store
from tests.support import images

AMD64 = Platform(os="linux", arch="amd64")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def layout(tmp_path: Path) -> Path:
    images.make_layout(tmp_path / "base", [{"etc/": "", "etc/a": "1\n"}], {"Env": ["A=1"]}, "v1")
    return tmp_path / "base"


def rot(path: Path) -> None:
    """Make zeros of the layer; its size stays right."""
    (file,) = (blob for blob in path.glob("blobs/sha256/*") if blob.read_bytes()[:2] == b"\x1f\x8b")
    os.chmod(file, 0o644)
    file.write_bytes(b"\0" * file.stat().st_size)


@pytest.mark.parametrize(
    ("base", "code", "message"),
    [
        (ImageBase(transport=Transport.OCI, location="base", tag="v2"), "E0502", "has no image 'v2'; its tags are v1"),
        (ImageBase(transport=Transport.OCI, location="none", tag="v1"), "E0501", "the directory does not exist"),
        (ImageBase(transport=Transport.OCI_ARCHIVE, location="none.tar", tag=""), "E0501", "cannot read the archive"),
        (RootfsBase(path="none"), "E0501", "rootfs:none is not there"),
        (RootfsBase(path="text"), "E0505", "rootfs:text is neither a directory nor a tar file"),
        (RootfsBase(path="long"), "E0505", "rootfs:long is neither a directory nor a tar file"),
    ],
)
def test_wrong_bases_have_codes(store: Store, tmp_path: Path, base: Base, code: str, message: str) -> None:
    layout(tmp_path)
    (tmp_path / "text").write_text("not an archive\n")
    (tmp_path / "long").write_text("not an archive\n" * 100)
    with pytest.raises(InputError) as caught:
        Bases(store, tmp_path).base(base, AMD64)
    assert caught.value.code == code
    assert message in caught.value.message


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, "gz", "empty", "v7"])
def test_tars_of_every_kind_are_root_file_systems(store: Store, tmp_path: Path, kind: object) -> None:
    path = tmp_path / "tree.tar"
    with tarfile.open(path, "w:gz" if kind == "gz" else "w", format=kind if isinstance(kind, int) else None) as tar:
        if kind != "empty":
            tar.addfile(tarfile.TarInfo("é" * 40))
    if kind == "v7":
        data = bytearray(path.read_bytes())
        data[257:265] = bytes(8)  # no magic and no version, as before POSIX
        data[148:156] = b" " * 8
        data[148:156] = b"%06o\0 " % sum(data[:512])
        path.write_bytes(data)
    assert Bases(store, tmp_path).base(RootfsBase(path="tree.tar"), AMD64).digest.startswith("sha256:")


def test_a_fetched_copy_that_rotted_is_thrown_away(store: Store, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(layout(tmp_path), ".")
    base = ImageBase(transport=Transport.OCI_ARCHIVE, location="a.tar", tag="v1")
    Bases(store, tmp_path).base(base, AMD64)
    (kept,) = (store.root / "images" / "layouts").iterdir()
    rot(kept)
    with pytest.raises(FetchFailed, match="is damaged and has been thrown away") as caught:
        Bases(store, tmp_path).chain(base, AMD64)
    assert caught.value.help == "build again: it will be fetched anew"
    assert not kept.exists()
    assert store.snapshots.all() == ()
    again = Bases(store, tmp_path).resolve(base, AMD64)
    assert again.image is not None and not again.image.cached
    again.image.layout.verify(again.image.selection)


def test_a_damaged_layout_of_the_user_is_left_alone(store: Store, tmp_path: Path) -> None:
    path = layout(tmp_path)
    rot(path)
    with pytest.raises(BlobDamaged, match="is damaged: its bytes have the digest"):
        Bases(store, tmp_path).chain(ImageBase(transport=Transport.OCI, location="base", tag="v1"), AMD64)
    assert (path / "index.json").exists()


def test_a_build_that_is_stopped_stops_unpacking(store: Store, tmp_path: Path) -> None:
    noise = os.urandom(1 << 20)
    images.make_layout(tmp_path / "big", [{f"f{number}": noise for number in range(16)}], {}, "v1")
    base = ImageBase(transport=Transport.OCI, location="big", tag="v1")
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 20

    with store.lease(), pytest.raises(InterruptedError):
        Bases(store, tmp_path).chain(base, AMD64, stop=stop)
    assert asked < 40
    assert not list((store.root / "snapshots").iterdir())
    assert not list((store.root / "steps").iterdir())
    with store.lease():
        assert Bases(store, tmp_path).chain(base, AMD64, stop=lambda: False)
