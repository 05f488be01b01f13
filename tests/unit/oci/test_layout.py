import io
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.oci.document import LIMIT
from metalor_lang.oci.errors import (
    BadDocument,
    BadOutput,
    BlobDamaged,
    BlobMissing,
    BlobTruncated,
    ManifestMissing,
    NotALayout,
    PlatformMissing,
    UnknownMediaType,
)
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.spec import OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from tests.support import images


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "layout"


def test_an_image_is_found_by_tag(path: Path) -> None:
    one = images.make_layout(path, [{"a": "1"}], {"Env": ["A=1"]}, "one")
    two = images.make_layout(path, [{"a": "1"}, {"b": "2"}], tag="two", docker=True)
    layout = Layout.open(path)
    assert layout.tags() == ("one", "two")
    assert layout.select("one").descriptor.digest == one["digest"]
    assert layout.select("one").config.config.env == (("A", "1"),)
    found = layout.select("two", "linux/amd64")
    assert found.descriptor.digest == two["digest"]
    assert len(found.manifest.layers) == 2
    assert layout.select(one["digest"]).descriptor.digest == one["digest"]
    layout.verify(found)


def test_the_only_image_needs_no_tag(path: Path) -> None:
    made = images.make_layout(path, tag=None)
    assert Layout.open(path).select(None).descriptor.digest == made["digest"]


def platforms(path: Path) -> dict[str, Any]:
    made = {}
    for platform in ("linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"):
        made[platform] = images.make_layout(path, [{"p": platform}], tag=f"x-{platform}", platform=platform)
    attestation = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "9" * 64, "size": 1}
    attestation["platform"] = {"os": "unknown", "architecture": "unknown"}
    images.make_nested(path, [*made.values(), attestation], "all")
    return made


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
    ],
)
def test_a_nested_index_is_searched_by_platform(path: Path, wanted: str, found: str) -> None:
    made = platforms(path)
    assert Layout.open(path).select("all", wanted).descriptor.digest == made[found]["digest"]


def test_platforms_that_are_not_there_are_listed(path: Path) -> None:
    platforms(path)
    with pytest.raises(PlatformMissing) as caught:
        Layout.open(path).select("all", "linux/s390x")
    assert caught.value.platforms == ("linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8")
    assert "has no image for linux/s390x; it is there for linux/amd64, linux/arm/v6" in caught.value.message
    with pytest.raises(PlatformMissing, match="is there for several platforms"):
        Layout.open(path).select("all")


def test_the_platform_of_an_entry_that_states_none_is_its_configs(path: Path) -> None:
    images.make_layout(path, tag="t", platform="linux/arm64")
    rewrite_index(path, lambda index: index["manifests"][0].pop("platform"))
    assert str(Layout.open(path).select("t", "linux/arm64").config.platform) == "linux/arm64"
    with pytest.raises(PlatformMissing, match="it is there for linux/arm64") as caught:
        Layout.open(path).select("t", "linux/amd64")
    assert caught.value.help == "build with --platform=linux/arm64"


def rewrite_index(path: Path, change: Callable[[Any], object]) -> None:
    index = json.loads((path / "index.json").read_bytes())
    change(index)
    (path / "index.json").write_bytes(images.dump(index))


# --- what is wrong with a base ----------------------------------------------------------------------------------------


def of_layer(path: Path, made: Any) -> Path:
    manifest = json.loads(images.blob_path(path, made["digest"]).read_bytes())
    return images.blob_path(path, manifest["layers"][0]["digest"])


def of_config(path: Path, made: Any) -> Path:
    manifest = json.loads(images.blob_path(path, made["digest"]).read_bytes())
    return images.blob_path(path, manifest["config"]["digest"])


def of_manifest(path: Path, made: Any) -> Path:
    return images.blob_path(path, made["digest"])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def grow(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


def empty(file: Path) -> None:
    os.truncate(file, 0)


def unlink(file: Path) -> None:
    file.unlink()


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


DAMAGES: dict[str, tuple[Callable[[Path], None], type[MetalorError], str]] = {
    "flipped": (flip, BlobDamaged, "is damaged: its bytes have the digest sha256:"),
    "cut": (cut, BlobTruncated, "is shorter than its descriptor says: expected"),
    "emptied": (empty, BlobTruncated, "found 0"),
    "grown": (grow, BlobDamaged, "is longer than its descriptor says"),
    "missing": (unlink, BlobMissing, "is missing in"),
    "a directory": (folder, BlobMissing, "is not a regular file"),
    "a pipe": (pipe, BlobMissing, "is not a regular file"),
}


@pytest.mark.parametrize("blob", [of_layer, of_config, of_manifest])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_blob_is_refused(path: Path, damage: str, blob: Callable[[Path, Any], Path]) -> None:
    act, kind, message = DAMAGES[damage]
    file = blob(path, images.make_layout(path, [{"a": "content " * 500}]))
    act(file)
    with pytest.raises(kind) as caught:
        layout = Layout.open(path)
        layout.verify(layout.select("latest"))
    assert message in caught.value.message
    assert file.name in caught.value.message
    assert caught.value.help == "copy or fetch the image again" or damage == "a directory"


def test_damage_says_what_was_expected_and_found(path: Path) -> None:
    file = of_layer(path, images.make_layout(path))
    size = file.stat().st_size
    cut(file)
    layout = Layout.open(path)
    with pytest.raises(BlobTruncated) as caught:
        layout.verify(layout.select(None))
    assert (caught.value.expected, caught.value.found) == (str(size), str(size - 1))


def swap(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Change the manifest and put it under its new digest, so that only its meaning is wrong."""

    def act(path: Path) -> None:
        index = json.loads((path / "index.json").read_bytes())
        manifest = json.loads(images.blob_path(path, index["manifests"][0]["digest"]).read_bytes())
        change(manifest)
        new = images.put(path, images.dump(manifest), index["manifests"][0]["mediaType"])
        rewrite_index(path, lambda index: index["manifests"][0].update(new))

    return act


def write(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda path: (path / name).write_bytes(data) and None


def index_entry(**change: Any) -> Callable[[Path], None]:
    return lambda path: rewrite_index(path, lambda index: index["manifests"][0].update(change))


def nested(depth: int) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        entry = json.loads((path / "index.json").read_bytes())["manifests"][0]
        entry.pop("annotations")
        for _ in range(depth):
            entry = images.make_nested(path, [entry], "latest")

    return act


def big_manifest(path: Path) -> None:
    data = images.dump({"schemaVersion": 2, "config": {}, "layers": [], "pad": "x" * LIMIT})
    index_entry(**images.put(path, data, OCI_MANIFEST))(path)


WRONG: dict[str, tuple[Callable[[Path], object], type[MetalorError], str]] = {
    "no marker": (lambda p: (p / "oci-layout").unlink(), NotALayout, "it has no file oci-layout"),
    "wrong marker": (write("oci-layout", b"1.0.0"), BadDocument, "oci-layout is"),
    "no version": (write("oci-layout", b"{}"), BadDocument, "imageLayoutVersion is missing"),
    "version 2": (write("oci-layout", b'{"imageLayoutVersion":"2.0"}'), NotALayout, "of version '2.0'; we read 1.0.0"),
    "no index": (lambda p: (p / "index.json").unlink(), NotALayout, "it has no index.json"),
    "index cut": (lambda p: cut(p / "index.json"), BadDocument, "index.json is not a right JSON document"),
    "index a manifest": (write("index.json", b'{"schemaVersion":2,"layers":[]}'), BadDocument, "layers must not stand"),
    "index empty": (write("index.json", b'{"schemaVersion":2,"manifests":[]}'), ManifestMissing, "has no image"),
    "platform wrong": (
        index_entry(platform={"os": "linux", "architecture": "amd64", "variant": "v1"}),
        BadDocument,
        "is listed for linux/amd64/v1, but its config is for linux/s390x",
    ),
    "digest wrong": (index_entry(digest="sha256:12"), BadDocument, "manifests[0]: digest must be sha256:"),
    "digest of nothing": (index_entry(digest="sha256:" + "0" * 64), BlobMissing, "sha256:" + "0" * 64 + " is missing"),
    "size wrong": (index_entry(size=1), BlobDamaged, "expected 1 bytes"),
    "size huge": (index_entry(size=1 << 40), BadDocument, f"at most {LIMIT} are read"),
    "a helm chart": (index_entry(mediaType="application/vnd.cncf.helm.config.v1+json"), UnknownMediaType, "cncf.helm"),
    "schema 1": (
        index_entry(mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws"),
        UnknownMediaType,
        "push the image anew",
    ),
    "a manifest called index": (index_entry(mediaType=OCI_INDEX), BadDocument, "layers must not stand beside"),
    "huge manifest": (big_manifest, BadDocument, f"at most {LIMIT} are read"),
    "unknown layer type": (
        swap(lambda m: m["layers"][0].update(mediaType="application/x-rar")),
        UnknownMediaType,
        "layers[0] has the media type 'application/x-rar'",
    ),
    "both kinds": (swap(lambda m: m.update(manifests=[])), BadDocument, "manifests must not stand beside"),
    "two types": (
        swap(lambda m: m.update(mediaType="application/vnd.docker.distribution.manifest.v2+json")),
        BadDocument,
        "but its descriptor says " + OCI_MANIFEST,
    ),
    "a layer too many": (swap(lambda m: m["layers"].append(m["layers"][0])), BadDocument, "lists 2 layers, but its"),
    "config is no config": (swap(lambda m: m.update(config={**m["layers"][0], "mediaType": images.OCI_CONFIG})),
                            BadDocument, "is not a right JSON document"),
    "nested too deep": (nested(6), BadDocument, "nested more than 4 deep"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_base_is_refused(path: Path, name: str) -> None:
    act, kind, message = WRONG[name]
    images.make_layout(path, [{"a": "x"}], platform="linux/s390x" if name == "platform wrong" else "linux/amd64")
    act(path)
    with pytest.raises(kind) as caught:
        Layout.open(path).select("latest", "linux/amd64")
    assert message in caught.value.message


def test_indexes_may_be_nested_a_little(path: Path) -> None:
    made = images.make_layout(path)
    nested(3)(path)
    assert Layout.open(path).select("latest", "linux/amd64").descriptor.digest == made["digest"]


def test_a_missing_tag_lists_the_tags(path: Path) -> None:
    images.make_layout(path, tag="b")
    images.make_layout(path, [{"x": "y"}], tag="a")
    with pytest.raises(ManifestMissing) as caught:
        Layout.open(path).select("c")
    assert caught.value.tags == ("a", "b")
    assert caught.value.message == f"{path} has no image 'c'; its tags are a, b"
    with pytest.raises(ManifestMissing, match="has several images; its tags are a, b") as caught:
        Layout.open(path).select(None)
    assert caught.value.help == f"write oci:{path}:a"


def test_what_is_no_layout_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(NotALayout, match="the directory does not exist"):
        Layout.open(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotALayout) as caught:
        Layout.open(tmp_path / "file")
    assert caught.value.help == f"for a tar of a layout write oci-archive:{tmp_path}/file"
    (tmp_path / "etc").mkdir()
    with pytest.raises(NotALayout) as caught:
        Layout.open(tmp_path)
    assert caught.value.help == f"it looks like a root file system; write rootfs:{tmp_path}"


def test_a_reader_that_stops_early_is_still_checked(path: Path) -> None:
    file = of_layer(path, images.make_layout(path, [{"a": "x" * 9000}], compression="none"))
    flip(file)
    layout = Layout.open(path)
    (layer,) = layout.select(None).manifest.layers
    with pytest.raises(BlobDamaged), layout.open_blob(layer) as blob:
        assert len(blob.read(10)) == 10


# --- writing --------------------------------------------------------------------------------------------------------


def test_a_new_layout_holds_what_was_put(path: Path) -> None:
    layout = Layout.create(path)
    blob = layout.put_blob(io.BytesIO(b"layer" * 1000), OCI_LAYER)
    assert blob == Descriptor(media_type=OCI_LAYER, digest=images.digest(b"layer" * 1000), size=5000)
    with layout.open_blob(blob) as file:
        assert file.read() == b"layer" * 1000
    assert sorted(p.name for p in path.rglob("*") if p.is_file()) == sorted(
        [blob.digest.removeprefix("sha256:"), "index.json", "oci-layout"]
    )
    assert (path / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'
    Layout.create(path)  # once more changes nothing
    assert layout.has(blob.digest)


@pytest.mark.parametrize("names", [[], [".metalor-x"], ["oci-layout"], ["oci-layout", "blobs/sha256/.metalor-x"]])
def test_a_layout_that_a_crash_left_unfinished_is_gone_on_with(path: Path, names: list[str]) -> None:
    Layout.create(path)
    marker = (path / "oci-layout").read_bytes()
    shutil.rmtree(path)
    path.mkdir()
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(marker)
    assert Layout.vacant(path)
    layout = Layout.create(path)
    assert not Layout.vacant(path)
    assert layout.index().manifests == ()
    assert sorted(p.name for p in path.rglob("*")) == ["blobs", "index.json", "oci-layout", "sha256"]


@pytest.mark.parametrize("content", ["file", "etc/"])
def test_a_directory_with_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    target = tmp_path / "x"
    target.mkdir()
    (target / "etc").mkdir() if content == "etc/" else (target / content).write_text("mine")
    with pytest.raises(NotALayout, match="nothing was written"):
        Layout.create(target)
    assert [p.name for p in target.iterdir()] == [content.rstrip("/")]


def descriptor(number: int) -> Descriptor:
    return Descriptor(media_type=OCI_MANIFEST, digest=f"sha256:{number:064x}", size=number)


def test_a_tag_moves_in_place_and_others_stay(path: Path) -> None:
    layout = Layout.create(path)
    for number, tag in enumerate(("a", "b", "c")):
        layout.add_manifest(descriptor(number), tag)
    layout.add_manifest(descriptor(7), "b")
    assert [(entry.tag, entry.size) for entry in layout.index().manifests] == [("a", 0), ("b", 7), ("c", 2)]
    layout.add_manifest(descriptor(8), None)
    layout.add_manifest(descriptor(8), None)
    assert [entry.size for entry in layout.index().manifests] == [0, 7, 2, 8]


def test_entries_of_others_keep_their_fields(path: Path) -> None:
    images.make_layout(path, tag="theirs")
    rewrite_index(path, lambda index: index["manifests"][0]["platform"].update({"os.version": "5"}))
    rewrite_index(path, lambda index: index.update(annotations={"x": "y"}, later=[1]))
    before = json.loads((path / "index.json").read_bytes())
    Layout.create(path).add_manifest(descriptor(1), "ours")
    after = json.loads((path / "index.json").read_bytes())
    assert after["manifests"].pop()["annotations"] == {"org.opencontainers.image.ref.name": "ours"}
    assert after == before


def test_writers_at_once_lose_nothing(path: Path) -> None:
    layout = Layout.create(path)
    threads = [
        threading.Thread(target=lambda n=n: Layout.create(path).add_manifest(descriptor(n), f"t{n}")) for n in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(layout.tags()) == {f"t{n}" for n in range(24)}
    assert not list(path.rglob(".metalor-*"))


class Failing(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_failed_write_leaves_nothing(path: Path) -> None:
    layout = Layout.create(path)
    with pytest.raises(MachineError, match="cannot write a blob"):
        layout.put_blob(Failing(), OCI_LAYER)  # type: ignore[arg-type]
    assert list((path / "blobs" / "sha256").iterdir()) == []


@pytest.mark.parametrize("tag", ["", "a b", "ü", "a\n", "!", "x" * 300])
def test_wrong_tags(path: Path, tag: str) -> None:
    with pytest.raises(BadOutput, match="is no tag"):
        Layout.create(path).add_manifest(descriptor(1), tag)


def test_blobs_are_copied_checked(tmp_path: Path) -> None:
    file = of_layer(tmp_path / "a", images.make_layout(tmp_path / "a", [{"f": "x" * 5000}]))
    source, target = Layout.open(tmp_path / "a"), Layout.create(tmp_path / "b")
    (layer,) = source.select(None).manifest.layers
    flip(file)
    with pytest.raises(BlobDamaged):
        target.copy_blob(source, layer)
    assert not target.has(layer.digest)
    flip(file)
    target.copy_blob(source, layer)
    assert target.blob_path(layer.digest).read_bytes() == file.read_bytes()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_change_of_a_layout_goes_unnoticed(data: st.DataObject) -> None:
    """Whatever byte of whatever file changes: the image is the same, or there is an error made for users."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layout"
        images.make_layout(path, [{"a": "content " * 40}], {"Env": ["A=1"]}, "t")
        before = Layout.open(path).select("t", "linux/amd64")
        files = sorted(file for file in path.rglob("*") if file.is_file())
        file = data.draw(st.sampled_from(files))
        content = bytearray(file.read_bytes())
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
            case "cut":
                del content[data.draw(st.integers(0, len(content) - 1)) :]
            case _:
                content.insert(data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 255)))
        file.write_bytes(content)
        try:
            layout = Layout.open(path)
            after = layout.select("t", "linux/amd64")
            layout.verify(after)
        except MetalorError as error:
            assert error.message
            return
        assert (after.manifest, after.config) == (before.manifest, before.config)
