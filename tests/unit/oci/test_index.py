"""Several images under one index: its bytes, and where it can be written."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from metalor_lang.digest import sha256
from metalor_lang.errors import UsageError
from metalor_lang.oci.config import ConfigFields
from metalor_lang.oci.errors import BadOutput
from metalor_lang.oci.image import Image, NewLayer, assemble, history_entry
from metalor_lang.oci.index import join
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.output import check_platforms, parse_output, write_outputs
from metalor_lang.oci.spec import OCI_LAYER, Descriptor, Platform

BLOBS = {sha256(data): data for data in (bytes(10240), b"shared" + bytes(10234))}
OWN, SHARED = BLOBS


def image(platform: str, *layers: str, note: str = "") -> Image:
    return assemble(
        None,
        layers=[
            NewLayer(
                descriptor=Descriptor(media_type=OCI_LAYER, digest=digest, size=len(BLOBS[digest])), diff_id=digest
            )
            for digest in layers
        ],
        fields=ConfigFields(cmd=("x",)),
        history=[history_entry(f"FILE /{number}", 0, empty_layer=False) for number, _ in enumerate(layers)],
        created=0,
        annotations=(("note", note),) if note else (),
        platform=Platform.parse(platform),
    )


AMD64 = image("linux/amd64", SHARED, OWN, note="a")
ARM64 = image("linux/arm64/v8", SHARED, SHARED)
ARM = image("linux/arm/v7", SHARED)


def open_blob(descriptor: Descriptor) -> io.BytesIO:
    return io.BytesIO(BLOBS[descriptor.digest])


def test_the_index_lists_descriptors_with_platforms() -> None:
    found = join([ARM64, ARM, AMD64])
    data = json.loads(found.index_bytes)
    assert data["mediaType"] == "application/vnd.oci.image.index.v1+json" and data["schemaVersion"] == 2
    assert data["manifests"] == [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": made.digest,
            "size": len(made.manifest_bytes),
            "platform": platform,
        }
        for made, platform in [
            (AMD64, {"architecture": "amd64", "os": "linux"}),
            (ARM, {"architecture": "arm", "os": "linux", "variant": "v7"}),
            (ARM64, {"architecture": "arm64", "os": "linux", "variant": "v8"}),
        ]
    ]
    assert found.digest == sha256(found.index_bytes) and found.descriptor.size == len(found.index_bytes)
    assert found.platforms == ("linux/amd64", "linux/arm/v7", "linux/arm64/v8")


@pytest.mark.parametrize("order", [(AMD64, ARM, ARM64), (ARM64, AMD64, ARM), (ARM, ARM64, AMD64)])
def test_the_order_of_the_images_does_not_matter(order: Sequence[Image]) -> None:
    assert join(order) == join([AMD64, ARM64, ARM])


def test_each_layer_and_document_is_there_once() -> None:
    found = join([AMD64, ARM64])
    assert sorted(layer.digest for layer in found.layers) == sorted(BLOBS)
    digests = [descriptor.digest for descriptor, _ in found.documents]
    assert len(digests) == len(set(digests)) == 5 and digests[-1] == found.digest
    assert all(sha256(data) == descriptor.digest for descriptor, data in found.documents)


@pytest.mark.parametrize("images", [[], [AMD64, AMD64]])
def test_a_caller_who_contradicts_himself(images: Sequence[Image]) -> None:
    with pytest.raises(ValueError, match="an index needs images for different platforms"):
        join(images)


def test_layouts_and_archives_hold_it(tmp_path: Path) -> None:
    found = join([AMD64, ARM64])
    write_outputs(
        found, [parse_output(f"oci:{tmp_path}/out:v1"), parse_output(f"oci-archive:{tmp_path}/a:v1")], open_blob
    )
    with tarfile.open(tmp_path / "a") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    for place in ("out", "unpacked"):
        layout = Layout.open(tmp_path / place)
        assert [(each.digest, each.tag) for each in layout.index().manifests] == [(found.digest, "v1")]
        for platform, made in (("linux/amd64", AMD64), ("linux/arm64", ARM64)):
            selection = layout.select("v1", platform)
            layout.verify(selection)
            assert (selection.manifest, selection.config) == (made.manifest, made.config)
        blobs = sorted(path.name for path in (tmp_path / place / "blobs" / "sha256").iterdir())
        wanted = {*BLOBS, *(descriptor.digest for descriptor, _ in found.documents)}
        assert blobs == sorted(digest.removeprefix("sha256:") for digest in wanted)


@pytest.mark.parametrize("output", ["docker-archive:{}/a:x:1", "rootfs:{}/a", "tar:{}/a"])
def test_other_outputs_have_no_room(tmp_path: Path, output: str) -> None:
    spec = parse_output(output.format(tmp_path))
    first = parse_output(f"oci:{tmp_path}/out")
    with pytest.raises(BadOutput, match="holds one platform, not linux/amd64, linux/arm64/v8"):
        write_outputs(join([AMD64, ARM64]), [first, spec], open_blob)
    with pytest.raises(UsageError) as error:
        check_platforms([first, spec], ["linux/amd64", "linux/arm64"])
    assert error.value.message == f"{spec} holds one platform, and --platform asks for linux/amd64, linux/arm64"
    assert error.value.help == (
        "write oci:DIR[:TAG], oci-archive:FILE[:TAG], docker://NAME:TAG, "
        "or build one platform at a time: --platform linux/amd64"
    )
    check_platforms([first, spec], ["linux/arm64"])
    check_platforms([first], ["linux/amd64", "linux/arm64"])
    assert list(tmp_path.iterdir()) == []
