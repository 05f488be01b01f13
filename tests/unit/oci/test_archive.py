import contextlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from metalor_lang.errors import Exit, MachineError
from metalor_lang.kernel.process import ToolMissing
from metalor_lang.oci import archive as archive_module
from metalor_lang.oci.errors import (
    BadReference,
    BlobDamaged,
    BlobMissing,
    BlobTruncated,
    FetchFailed,
    ImageError,
    ManifestMissing,
    NotALayout,
    PlatformMissing,
)
from metalor_lang.oci.fetch import Transport, discard, fetch, known
from metalor_lang.oci.placing import own_folder
from metalor_lang.oci.skopeo import explain
from tests.support import images


def pack(
    layout: Path, archive: Path, *, mode: str = "w", leave_out: str = "", more: Mapping[str, bytes] | None = None
) -> None:
    with tarfile.open(archive, mode) as tar:
        for file in sorted(layout.rglob("*")):
            name = str(file.relative_to(layout))
            if file.is_file() and not (leave_out and leave_out in name):
                tar.add(file, "./" + name)
        for name, data in (more or {}).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    images.make_layout(tmp_path / "layout", [{"a": "1"}], {"OnBuild": ["RUN x"]}, "one", docker=True)
    images.make_layout(tmp_path / "layout", [{"a": "2"}], tag="two")
    return tmp_path / "layout"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_an_image_of_an_archive(layout: Path, tmp_path: Path, mode: str) -> None:
    pack(layout, tmp_path / "a.tar", mode=mode)
    first = fetch(Transport.OCI_ARCHIVE, str(tmp_path / "a.tar"), "one", "linux/amd64", tmp_path / "cache")
    assert not first.cached
    assert first.selection.config.config.onbuild == ("RUN x",)
    assert first.selection.manifest.media_type == images.DOCKER_MANIFEST
    assert first.digest == json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    first.layout.verify(first.selection)
    there = known("oci-archive", str(tmp_path / "a.tar"), "one", "linux/amd64", tmp_path / "cache")
    assert there is not None and there.digest == first.digest
    assert known("oci-archive", str(tmp_path / "a.tar"), "two", "linux/amd64", tmp_path / "cache") is None
    assert known("docker", "debian:12", None, "linux/amd64", tmp_path / "cache") is None
    again = fetch("oci-archive", str(tmp_path / "a.tar"), "one", "linux/amd64", tmp_path / "cache")
    assert again.cached
    assert (again.digest, again.layout.path) == (first.digest, first.layout.path)
    assert again.source == f"oci-archive:{tmp_path}/a.tar:one"
    other = fetch("oci-archive", str(tmp_path / "a.tar"), "two", "linux/amd64", tmp_path / "cache")
    assert other.digest != first.digest


def test_a_layout_is_read_in_place(layout: Path, tmp_path: Path) -> None:
    found = fetch("oci", str(layout), "two", "linux/amd64", tmp_path / "cache")
    assert found.layout.path == layout
    assert found.source == f"oci:{layout}:two"
    assert not (tmp_path / "cache").exists()


def test_a_changed_archive_is_read_again(layout: Path, tmp_path: Path) -> None:
    archive, cache = tmp_path / "a.tar", tmp_path / "cache"
    pack(layout, archive)
    first = fetch("oci-archive", str(archive), "two", "linux/amd64", cache)
    images.make_layout(layout, [{"a": "3"}], tag="two")
    pack(layout, archive)
    second = fetch("oci-archive", str(archive), "two", "linux/amd64", cache)
    assert not second.cached
    assert second.digest != first.digest
    first.layout.verify(first.selection)  # what another build is reading is not taken away
    os.utime(archive, ns=(0, 1))
    assert not fetch("oci-archive", str(archive), "two", "linux/amd64", cache).cached
    assert fetch("oci-archive", str(archive), "two", "linux/amd64", cache).cached


@pytest.mark.parametrize("what", ["layer", "manifest", "layout", "entry", "entry JSON"])
def test_a_damaged_cache_is_filled_again(layout: Path, tmp_path: Path, what: str) -> None:
    archive, cache = tmp_path / "a.tar", tmp_path / "cache"
    pack(layout, archive)
    first = fetch("oci-archive", str(archive), "two", "linux/amd64", cache)
    (entry,) = cache.glob("*.json")
    match what:
        case "layer":
            os.truncate(first.layout.blob_path(first.selection.manifest.layers[0].digest), 3)
        case "manifest":
            first.layout.blob_path(first.digest).write_bytes(b"{}")
        case "layout":
            (first.layout.path / "index.json").unlink()
        case "entry":
            entry.unlink()
        case _:
            entry.write_bytes(b'{"digest":5}')
    again = fetch("oci-archive", str(archive), "two", "linux/amd64", cache)
    assert not again.cached
    assert again.digest == first.digest
    again.layout.verify(again.selection)
    assert fetch("oci-archive", str(archive), "two", "linux/amd64", cache).cached
    assert not list(cache.glob(".fetch-*"))


def test_wrong_archives(layout: Path, tmp_path: Path) -> None:
    archive, cache = tmp_path / "a.tar", tmp_path / "cache"

    def failing(tag: str | None = "one", platform: str = "linux/amd64") -> ImageError:
        with pytest.raises(ImageError) as caught:
            fetch("oci-archive", str(archive), tag, platform, cache)
        assert not list(cache.glob(".fetch-*"))
        assert str(cache) not in caught.value.message
        return caught.value

    error = failing()
    assert isinstance(error, FetchFailed)
    assert error.message == f"cannot read the archive {archive}: No such file or directory"
    pack(layout, archive)
    error = failing("three")
    assert isinstance(error, ManifestMissing)
    assert error.message == f"{archive} has no image 'three'; its tags are one, two"
    assert error.help == f"write oci-archive:{archive}:one"
    assert isinstance(failing(None), ManifestMissing)
    assert isinstance(failing("one", "linux/riscv64"), PlatformMissing)
    os.truncate(archive, archive.stat().st_size // 4)
    assert "is not a whole tar of an OCI layout" in failing().message
    archive.write_text("no tar")
    assert "is not a whole tar of an OCI layout" in failing().message
    pack(layout, archive, leave_out="oci-layout")
    assert failing().help == f"if it is of `docker save`, write docker-archive:{archive}"
    pack(layout, archive, leave_out="index.json")
    assert isinstance(failing(), NotALayout)
    manifest = json.loads((layout / "index.json").read_bytes())["manifests"][0]
    pack(layout, archive, leave_out=manifest["digest"].removeprefix("sha256:"))
    assert isinstance(failing(), BlobMissing)
    pack(layout, archive, more={f"blobs/sha256/{manifest['digest'].removeprefix('sha256:')}": b"{}"})
    assert isinstance(failing(), BlobTruncated)
    archive.unlink()
    archive.mkdir()
    assert failing().help == f"for a layout directory write oci:{archive}"


def test_nothing_but_a_layouts_files_is_taken_from_an_archive(layout: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    evil = {
        "../outside": b"x",
        "/" + str(outside): b"x",
        "blobs/sha256/../../../outside": b"x",
        "blobs/sha256/" + "Z" * 64: b"x",
    }
    pack(layout, tmp_path / "a.tar", more=evil)
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        for name in ("blobs", "index.json"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc"
            tar.addfile(link)
    found = fetch("oci-archive", str(tmp_path / "a.tar"), "one", "linux/amd64", tmp_path / "cache")
    found.layout.verify(found.selection)
    assert not outside.exists()


def test_builds_at_once_read_an_archive_once(layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(layout, tmp_path / "a.tar")
    held, reads, found = threading.Lock(), [], []

    @contextlib.contextmanager
    def lock(name: str) -> Iterator[None]:
        assert name.startswith("fetch-")
        with held:
            yield

    real = archive_module.read_archive
    monkeypatch.setattr(archive_module, "read_archive", lambda *args: (reads.append(1), real(*args))[1])

    def one() -> None:
        found.append(fetch("oci-archive", str(tmp_path / "a.tar"), "one", "linux/amd64", tmp_path / "cache", lock))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len({item.digest for item in found}) == 1
    assert len(reads) == 1


def test_a_registry_needs_skopeo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing) as caught:
        fetch("docker", "debian:12", None, "linux/amd64", tmp_path / "cache")
    assert caught.value.exit is Exit.MACHINE
    assert "apt-get install skopeo" in caught.value.help
    with pytest.raises(BadReference):
        fetch("docker", "Debian:12", None, "linux/amd64", tmp_path / "cache")


def test_an_unwritable_cache_is_the_machines_fault(layout: Path, tmp_path: Path) -> None:
    pack(layout, tmp_path / "a.tar")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(MachineError, match="cannot write the image cache") as caught:
        fetch("oci-archive", str(tmp_path / "a.tar"), "one", "linux/amd64", tmp_path / "cache")
    assert caught.value.exit is Exit.MACHINE


@pytest.mark.parametrize(
    ("said", "message", "help"),
    [
        (
            "reading manifest 99 in docker.io/library/x: manifest unknown",
            "the registry has no x:1",
            "check name and tag",
        ),
        ("unauthorized: authentication required", "only to those who are logged in", "skopeo login r.example"),
        ("denied: requested access to the resource is denied", "only to those who are logged in", "skopeo login"),
        ("toomanyrequests: You have reached", "too many requests", "wait"),
        ("dial tcp: lookup r.example: no such host", "the registry r.example cannot be found", "check the name"),
        ("dial tcp 1.2.3.4:443: connect: connection refused", "cannot be reached", "proxy"),
        ("http: server gave HTTP response to HTTPS client", "speaks plain http", 'location="r.example" insecure=true'),
        ("x509: certificate signed by unknown authority", "is not trusted", "CA certificate"),
        (
            "no image found in manifest list for architecture s390x, variant , OS linux",
            "x:1 is not there for linux/s390x",
            "docker://r.example/x:1",
        ),
        ("Unexpected tar manifest.json: expected 1 item, got 2", "the archive has several images", "NAME:TAG"),
        ("initializing source oci:/x:: more than one image in oci, choose an image", "several images", "oci:DIR:TAG"),
        (
            'initializing source oci:/x:9: no descriptor found for reference \\"9\\"',
            "no image of that tag",
            "index.json",
        ),
        ("open /x/index.json: no such file or directory", "there is no layout", "oci:DIR:TAG"),
        ("write /x: no space left on device", "the disk is full", "metalor cache gc"),
        ("something else", "cannot fetch x:1: something else", ""),
        ("", "skopeo failed and said nothing", ""),
    ],
)
def test_what_skopeo_says_is_explained(said: str, message: str, help: str) -> None:
    log = f'time="2025-01-01T00:00:00Z" level=fatal msg="{said}"\n' if said else ""
    error = explain(log, source="x:1", location="r.example/x:1", platform="linux/s390x")
    assert error.message.startswith("cannot fetch x:1: ")
    assert message in error.message
    assert "level=fatal" not in error.message
    assert help in error.help


def test_what_a_killed_fetch_left_is_swept_away(layout: Path, tmp_path: Path) -> None:
    pack(layout, tmp_path / "a.tar")
    cache = tmp_path / "cache"
    left = cache / ".fetch-left"
    (left / "layout").mkdir(parents=True)
    used = cache / ".fetch-used"
    with own_folder(used):
        (used / "file").write_text("half")
        found = fetch("oci-archive", str(tmp_path / "a.tar"), "one", "linux/amd64", cache)
        assert not left.exists()
        assert (used / "file").exists()
    assert not used.exists()
    found.layout.verify(found.selection)


def test_a_damaged_image_is_discarded_and_fetched_again(layout: Path, tmp_path: Path) -> None:
    pack(layout, tmp_path / "a.tar")
    where = ("oci-archive", str(tmp_path / "a.tar"), "one", "linux/amd64", tmp_path / "cache")
    found = fetch(*where)
    file = found.layout.blob_path(found.selection.manifest.layers[0].digest)
    file.write_bytes(b"\0" * file.stat().st_size)  # the size is right: only reading shows it
    assert fetch(*where).cached
    with pytest.raises(BlobDamaged):
        found.layout.verify(found.selection)
    assert discard(found, tmp_path / "cache")
    again = fetch(*where)
    assert not again.cached
    again.layout.verify(again.selection)
    in_place = fetch("oci", str(layout), "one", "linux/amd64", tmp_path / "cache")
    assert not discard(in_place, tmp_path / "cache")
    assert (layout / "index.json").exists()
