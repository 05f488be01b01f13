import dataclasses
import gzip
import io
import json
import os
import tarfile
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from metalor_lang.build.memory import BlobMemory
from metalor_lang.digest import sha256
from metalor_lang.errors import Exit, MachineError, UsageError
from metalor_lang.kernel.process import ToolMissing
from metalor_lang.oci.blob import VerifiedReader
from metalor_lang.oci.config import ConfigFields, HistoryEntry
from metalor_lang.oci.errors import BadOutput, BlobDamaged, NotALayout
from metalor_lang.oci.image import Image, NewLayer, assemble, history_entry, oci_layer
from metalor_lang.oci.layout import Layout, Selection
from metalor_lang.oci.output import (
    FORMS,
    OutputKind,
    OutputSpec,
    cannot_carry,
    check_places,
    parse_output,
    write_layout,
    write_outputs,
)
from metalor_lang.oci.spec import (
    DOCKER_LAYER,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Platform,
)
from tests.support import images

EPOCH = 1_735_689_600
AMD64 = Platform(os="linux", architecture="amd64")


def packed(number: int) -> tuple[NewLayer, bytes]:
    plain = images.tar_bytes({f"file{number}": f"content {number}\n"})
    data = gzip.compress(plain, mtime=0)
    descriptor = Descriptor(media_type=OCI_LAYER + "+gzip", digest=sha256(data), size=len(data))
    return NewLayer(descriptor=descriptor, diff_id=sha256(plain)), data


def scratch_image(annotations: tuple[tuple[str, str], ...] = ()) -> tuple[Image, dict[str, bytes]]:
    layer, data = packed(1)
    image = assemble(
        None,
        layers=[layer],
        fields=ConfigFields(env=(("PATH", "/bin"),), cmd=("/file1",), user="1000", labels=(("k", "v"),)),
        history=[
            history_entry("ENV PATH=/bin", EPOCH, empty_layer=True),
            history_entry("COPY file1 /", EPOCH, empty_layer=False),
        ],
        created=EPOCH,
        annotations=annotations,
        platform=AMD64,
    )
    return image, {layer.descriptor.digest: data}


def opener(blobs: dict[str, bytes]) -> Any:
    def open_blob(descriptor: Descriptor) -> BinaryIO:
        return io.BytesIO(blobs[descriptor.digest])

    return open_blob


def test_an_image_from_scratch() -> None:
    image, _ = scratch_image((("b", "2"), ("a", "1")))
    diff_id = packed(1)[0].diff_id
    assert json.loads(image.config_bytes) == {
        "architecture": "amd64",
        "os": "linux",
        "created": "2025-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/file1"], "User": "1000", "Labels": {"k": "v"}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [
            {"created": "2025-01-01T00:00:00Z", "created_by": "ENV PATH=/bin", "empty_layer": True},
            {"created": "2025-01-01T00:00:00Z", "created_by": "COPY file1 /"},
        ],
    }
    assert json.loads(image.manifest_bytes) == {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": sha256(image.config_bytes), "size": len(image.config_bytes)},
        "layers": [packed(1)[0].descriptor.json()],
        "annotations": {"a": "1", "b": "2"},
    }
    assert image.id == sha256(image.config_bytes)
    assert image.digest == sha256(image.manifest_bytes)
    assert image.descriptor.platform == AMD64


def test_digests_are_pinned() -> None:
    """A change here is a change of every image's ID: it needs a reason, and a word in the change log."""
    layer = NewLayer(
        descriptor=Descriptor(media_type=OCI_LAYER + "+gzip", digest="sha256:" + "1" * 64, size=10),
        diff_id="sha256:" + "2" * 64,
    )
    image = assemble(
        None,
        layers=[layer],
        fields=ConfigFields(cmd=("x",)),
        history=[history_entry("FILE /x", 0, empty_layer=False)],
        created=0,
        platform=AMD64,
    )
    config = (
        '{"architecture":"amd64","config":{"Cmd":["x"]},"created":"1970-01-01T00:00:00Z","history":[{"created":'
        '"1970-01-01T00:00:00Z","created_by":"FILE /x"}],"os":"linux","rootfs":{"diff_ids":["sha256:' + "2" * 64 + '"],'
        '"type":"layers"}}'
    )
    assert image.config_bytes.decode() == config
    manifest = (
        f'{{"config":{{"digest":"{sha256(config.encode())}","mediaType":"application/vnd.oci.image.config.v1+json",'
        f'"size":{len(config)}}},"layers":[{{"digest":"sha256:' + "1" * 64 + '","mediaType":'
        '"application/vnd.oci.image.layer.v1.tar+gzip","size":10}],'
        '"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}'
    )
    assert image.manifest_bytes.decode() == manifest


def base(path: Path, **more: Any) -> Selection:
    images.make_layout(path, [{"base": "1"}, {"base": "2"}], {"Env": ["A=1"], "User": "u"}, **more)
    return Layout.open(path).select("latest")


def on_base(found: Selection, fields: ConfigFields, *numbers: int) -> Image:
    return assemble(
        (found.manifest, found.config),
        layers=[packed(number)[0] for number in numbers],
        fields=fields,
        history=[history_entry(f"SH make {number}", EPOCH, empty_layer=False) for number in numbers],
        created=EPOCH,
    )


def test_the_base_comes_first_and_stays(tmp_path: Path) -> None:
    found = base(tmp_path / "base", annotations={"of": "the base"})
    image = on_base(found, found.config.config, 5, 6)
    assert image.manifest.layers[:2] == found.manifest.layers
    assert image.manifest.layers[2:] == (packed(5)[0].descriptor, packed(6)[0].descriptor)
    assert image.config.diff_ids == (*found.config.diff_ids, packed(5)[0].diff_id, packed(6)[0].diff_id)
    assert image.config.history[:2] == found.config.history
    assert [entry.created_by for entry in image.config.history[2:]] == ["SH make 5", "SH make 6"]
    assert image.manifest.annotations == ()
    assert image.config.created == "2025-01-01T00:00:00Z"


def test_layers_of_docker_get_the_equal_media_type(tmp_path: Path) -> None:
    found = base(tmp_path / "base", docker=True)
    image = on_base(found, found.config.config)
    assert [layer.media_type for layer in found.manifest.layers] == [DOCKER_LAYER + ".gzip"] * 2
    assert image.manifest.layers == tuple(
        dataclasses.replace(layer, media_type=OCI_LAYER + "+gzip") for layer in found.manifest.layers
    )
    assert image.manifest.media_type == OCI_MANIFEST
    assert image.manifest.config.media_type == OCI_CONFIG


@pytest.mark.parametrize(
    ("docker", "oci"),
    [
        (DOCKER_LAYER, OCI_LAYER),
        (DOCKER_LAYER + ".gzip", OCI_LAYER + "+gzip"),
        (DOCKER_LAYER + ".zstd", OCI_LAYER + "+zstd"),
    ],
)
def test_media_types_of_layers(docker: str, oci: str) -> None:
    layer = Descriptor(
        media_type=docker, digest="sha256:" + "0" * 64, size=1, annotations=(("a", "b"),), extra={"x": 1}
    )
    assert oci_layer(layer) == dataclasses.replace(layer, media_type=oci)
    assert oci_layer(oci_layer(layer)) == oci_layer(layer)


def test_what_is_unset_is_gone_and_what_we_do_not_know_stays(tmp_path: Path) -> None:
    images.make_layout(
        tmp_path / "b",
        [{"x": ""}],
        {"User": "u", "Cmd": ["c"], "OnBuild": ["RUN x"], "Healthcheck": {"Test": ["NONE"]}, "Shell": ["/bin/bash"]},
        more={"author": "someone", "os.version": "5", "container": "f00", "container_config": {"Cmd": ["#(nop)"]}},
    )
    found = Layout.open(tmp_path / "b").select(None)
    image = on_base(found, ConfigFields(labels=(("l", ""),)), 1)
    value = json.loads(image.config_bytes)
    assert value["config"] == {"Labels": {"l": ""}, "Healthcheck": {"Test": ["NONE"]}, "Shell": ["/bin/bash"]}
    assert (value["author"], value["os.version"]) == ("someone", "5")
    assert not {"container", "container_config"} & set(value)


def test_a_base_without_history_gets_entries_for_its_layers(tmp_path: Path) -> None:
    found = base(
        tmp_path / "b", more={"history": [{"created_by": "only one"}, {"created_by": "e", "empty_layer": True}]}
    )
    image = on_base(found, ConfigFields(), 1)
    assert [entry.empty_layer for entry in image.config.history] == [False, False, True, False]
    assert sum(not entry.empty_layer for entry in image.config.history) == len(image.manifest.layers)


def test_contradictions_are_bugs(tmp_path: Path) -> None:
    found = base(tmp_path / "b")
    both = (found.manifest, found.config)
    with pytest.raises(ValueError, match="0 history entries have a layer, but there are 1 layers"):
        assemble(both, layers=[packed(1)[0]], fields=ConfigFields(), history=[], created=0)
    with pytest.raises(ValueError, match="needs a platform"):
        assemble(None, layers=[], fields=ConfigFields(), history=[], created=0)
    with pytest.raises(ValueError, match="is for linux/amd64, not for linux/arm64"):
        platform = Platform.parse("linux/arm64")
        assemble(both, layers=[], fields=ConfigFields(), history=[], created=0, platform=platform)


def test_a_history_entry() -> None:
    assert history_entry("RUN x", 1, empty_layer=True) == HistoryEntry(
        created="1970-01-01T00:00:01Z", created_by="RUN x", empty_layer=True
    )


# --- outputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "location", "tag"),
    [
        ("oci:out", OutputKind.OCI, "out", "latest"),
        ("oci:out:app", OutputKind.OCI, "out", "app"),
        ("oci:/a/b:team/app:1.0", OutputKind.OCI, "/a/b", "team/app:1.0"),
        ("oci-archive:x.tar", OutputKind.OCI_ARCHIVE, "x.tar", "latest"),
        ("oci-archive:x.tar:1", OutputKind.OCI_ARCHIVE, "x.tar", "1"),
        ("docker-archive:x.tar:app", OutputKind.DOCKER_ARCHIVE, "x.tar", "app:latest"),
        ("docker-archive:x.tar:app:1", OutputKind.DOCKER_ARCHIVE, "x.tar", "app:1"),
        ("docker-archive:x.tar:r.example/app:1", OutputKind.DOCKER_ARCHIVE, "x.tar", "r.example/app:1"),
        ("docker://app:1", OutputKind.REGISTRY, "docker.io/library/app:1", ""),
        ("docker://localhost:5000/app:1", OutputKind.REGISTRY, "localhost:5000/app:1", ""),
        ("rootfs:/tmp/a:b", OutputKind.ROOTFS, "/tmp/a:b", ""),
        ("tar:x.tar", OutputKind.TAR, "x.tar", ""),
    ],
)
def test_outputs_are_read(text: str, kind: OutputKind, location: str, tag: str) -> None:
    spec = parse_output(text)
    assert spec == OutputSpec(kind=kind, location=location, tag=tag)
    assert parse_output(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("", "'' is no output", "write one of oci:DIR[:TAG], oci-archive:FILE[:TAG]"),
        ("out", "'out' is no output", "for a layout directory write -o oci:out"),
        ("./out", "'./out' is no output", "for a layout directory write -o oci:./out"),
        ("out.tar", "'out.tar' is no output", "for an image in a file write -o oci-archive:out.tar"),
        ("oci", "'oci' is no output", "write -o oci:DIR[:TAG]"),
        ("type=local,dest=out", "'type=local,dest=out' is no output", "write -o rootfs:out"),
        ("type=oci,dest=out.tar", "'type=oci,dest=out.tar' is no output", "write -o oci-archive:out.tar"),
        ("type=docker", "'type=docker' is no output", "write -o docker-archive:FILE:NAME:TAG"),
        ("type=image,name=r.example.org/a:1,push=true", "is no output", "write -o docker://r.example.org/a:1"),
        ("type=strange", "'type=strange' is no output", "write one of"),
        ("OCI:out", "'OCI:out' is no output", "write one of"),
        ("zip:x", "'zip:x' is no output", "docker://NAME:TAG"),
        ("oci:", "'oci:': the path is missing", "write it as oci:DIR[:TAG]"),
        ("oci::tag", "'oci::tag': the path is missing", "write it as oci:DIR[:TAG]"),
        ("oci:out:", "'oci:out:': the tag after the colon is missing", "write it as oci:DIR[:TAG]"),
        ("oci:out:a b", "'oci:out:a b': 'a b' is no tag of an OCI layout", "write it as oci:DIR[:TAG]"),
        ("oci-archive:", "the path is missing", "write it as oci-archive:FILE[:TAG]"),
        ("docker-archive:x", "'docker-archive:x': the name of the image is missing", "docker-archive:FILE:NAME[:TAG]"),
        ("docker-archive:x:App:1", "the name of an image is lower case", "write 'app'"),
        ("docker:app:1", "a registry reference follows docker://", "write it as docker://NAME:TAG"),
        ("docker://", "an image reference must not be empty", "debian:12"),
        ("docker://app", "the tag is missing in 'app'", "docker://NAME:TAG"),
        ("docker://app@sha256:" + "0" * 64, "a digest cannot be chosen", "docker://NAME:TAG"),
        ("tar:", "'tar:': the path is missing", "write it as tar:FILE"),
        ("rootfs:", "'rootfs:': the path is missing", "write it as rootfs:DIR"),
    ],
)
def test_wrong_outputs(text: str, message: str, help: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_output(text)
    assert message in caught.value.message
    assert help in caught.value.help
    assert caught.value.exit is Exit.USAGE


def test_every_kind_has_a_form() -> None:
    assert set(FORMS) == set(OutputKind)
    assert all(form.startswith(f"{kind}:") for kind, form in FORMS.items())


def test_what_an_output_cannot_carry(tmp_path: Path) -> None:
    annotated = (("org.example.a", "1"), ("b", "2"))
    spec = parse_output(f"docker-archive:{tmp_path}/x.tar:a:1")
    assert cannot_carry(spec, ()) is None
    assert cannot_carry(spec, annotated) == (
        "docker-archive cannot carry manifest annotations (ANNOTATE org.example.a, b); use oci-archive, or LABEL"
    )
    for other in ("oci:x", "oci-archive:x", "docker://x:1", "rootfs:x", "tar:x"):
        assert cannot_carry(parse_output(other), annotated) is None
    image, blobs = scratch_image(annotated)
    with pytest.raises(BadOutput, match="cannot carry manifest annotations"):
        write_outputs(image, [parse_output(f"oci:{tmp_path}/first"), spec], opener(blobs))
    assert list(tmp_path.iterdir()) == []  # refused before anything was written


def test_a_layout_gets_the_image(tmp_path: Path) -> None:
    image, blobs = scratch_image((("a", "1"),))
    write_outputs(image, [parse_output(f"oci:{tmp_path}/out:v1")], opener(blobs))
    layout = Layout.open(tmp_path / "out")
    found = layout.select("v1", "linux/amd64")
    layout.verify(found)
    assert (found.manifest, found.config) == (image.manifest, image.config)
    index = json.loads((tmp_path / "out" / "index.json").read_bytes())
    assert index == {
        "schemaVersion": 2,
        "mediaType": images.OCI_INDEX,
        "manifests": [
            {
                "mediaType": OCI_MANIFEST,
                "digest": image.digest,
                "size": len(image.manifest_bytes),
                "platform": {"os": "linux", "architecture": "amd64"},
                "annotations": {"org.opencontainers.image.ref.name": "v1"},
            }
        ],
    }


def test_an_image_is_added_to_a_layout_beside_others(tmp_path: Path) -> None:
    images.make_layout(tmp_path / "out", tag="other")
    image, blobs = scratch_image()
    for _ in range(2):
        write_outputs(image, [parse_output(f"oci:{tmp_path}/out:new")], opener(blobs))
    assert Layout.open(tmp_path / "out").tags() == ("new", "other")


def test_a_damaged_layer_in_the_layout_is_written_anew(tmp_path: Path) -> None:
    image, blobs = scratch_image()
    layout = Layout.create(tmp_path / "out")
    write_layout(image, layout, "a", opener(blobs))
    (layer,) = image.manifest.layers
    layout.blob_path(layer.digest).write_bytes(b"\0" * layer.size)
    write_layout(image, layout, "a", opener(blobs))
    layout.verify(layout.select("a"))


def test_a_layer_that_was_not_touched_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, blobs = scratch_image()
    layout = Layout.create(tmp_path / "out")
    (layer,) = image.manifest.layers
    place = layout.blob_path(layer.digest)

    def export() -> int:
        """The count of layers that were read, and the memory is as in a new process."""
        read: list[str] = []
        real = VerifiedReader.finish
        with monkeypatch.context() as patch:
            patch.setattr(VerifiedReader, "finish", lambda self: (read.append(self._descriptor.digest), real(self))[1])
            memory = BlobMemory(tmp_path / "memory.json")
            write_layout(image, layout, "a", opener(blobs), memory)
            memory.save()
        layout.verify(layout.select("a"))
        return read.count(layer.digest)

    assert export() == 0, "it is written"
    assert export() == 0, "it is remembered"
    status = place.stat()
    place.write_bytes(b"\0" * layer.size)
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert export() == 1, "it was damaged, in size and time as before"
    assert place.read_bytes() == blobs[layer.digest]
    assert export() == 0
    os.utime(place, ns=(0, 1_000_000_000))
    assert export() == 1, "nothing is known of it"
    assert export() == 1, "and its time is too coarse to know it by, so soon"
    os.utime(place)
    time.sleep(0.02)
    assert export() == 1
    assert export() == 0
    (tmp_path / "memory.json").write_text("{")
    assert export() == 1


def test_an_image_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    image, blobs = scratch_image()
    write_outputs(image, [parse_output(f"oci:{tmp_path}/out:v1")], opener(blobs))
    before = {path: path.stat().st_ino for path in (tmp_path / "out").rglob("*")}
    write_outputs(image, [parse_output(f"oci:{tmp_path}/out:v1")], opener(blobs))
    assert {path: path.stat().st_ino for path in (tmp_path / "out").rglob("*")} == before
    damaged = Layout.open(tmp_path / "out").blob_path(image.id)
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    write_outputs(image, [parse_output(f"oci:{tmp_path}/out:v1")], opener(blobs))
    assert Layout.open(tmp_path / "out").select("v1").config == image.config


def test_a_layer_that_is_not_what_it_says_is_not_written(tmp_path: Path) -> None:
    image, blobs = scratch_image()
    wrong = {digest: data[:-1] + b"!" for digest, data in blobs.items()}
    with pytest.raises(BlobDamaged):
        write_outputs(image, [parse_output(f"oci:{tmp_path}/out")], opener(wrong))
    assert Layout.open(tmp_path / "out").tags() == ()
    (tmp_path / "a.tar").write_text("what was there")
    longer = {digest: data + b"!" for digest, data in blobs.items()}
    for bad in (longer, dict.fromkeys(blobs, b"short"), wrong):
        with pytest.raises(BlobDamaged):
            write_outputs(image, [parse_output(f"oci-archive:{tmp_path}/a.tar")], opener(bad))
    assert (tmp_path / "a.tar").read_text() == "what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "out"]


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    image, blobs = scratch_image()
    (tmp_path / "etc").mkdir()
    with pytest.raises(NotALayout, match="nothing was written"):
        write_outputs(image, [parse_output(f"oci:{tmp_path}")], opener(blobs))
    with pytest.raises(MachineError, match="No such file or directory") as caught:
        write_outputs(image, [parse_output(f"oci-archive:{tmp_path}/no/a.tar")], opener(blobs))
    assert caught.value.exit is Exit.MACHINE


def test_an_archive_has_equal_bytes_each_time(tmp_path: Path) -> None:
    image, blobs = scratch_image()
    specs = [parse_output(f"oci-archive:{tmp_path}/{name}.tar:v1") for name in "ab"]
    write_outputs(image, specs, opener(blobs))
    os.utime(tmp_path / "a.tar", (0, 0))
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert (tmp_path / "a.tar").stat().st_mode & 0o777 == 0o644
    with tarfile.open(tmp_path / "a.tar") as tar:
        members = tar.getmembers()
        tar.extractall(tmp_path / "x", filter="data")
    assert [member.name for member in members] == [
        "blobs",
        "blobs/sha256",
        *sorted(f"blobs/sha256/{digest[7:]}" for digest in (image.id, image.digest, *blobs)),
        "index.json",
        "oci-layout",
    ]
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 0)}
    assert Layout.open(tmp_path / "x").select("v1").manifest == image.manifest


def test_a_layer_listed_twice_is_written_once(tmp_path: Path) -> None:
    layer, data = packed(1)
    image = assemble(
        None,
        layers=[layer, layer],
        fields=ConfigFields(),
        history=[history_entry("x", 0, empty_layer=False)] * 2,
        created=0,
        platform=AMD64,
    )
    write_outputs(image, [parse_output(f"oci-archive:{tmp_path}/a.tar")], opener({layer.descriptor.digest: data}))
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))


def test_without_skopeo_the_error_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, blobs = scratch_image()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ToolMissing) as caught:
        write_outputs(image, [parse_output(f"docker-archive:{tmp_path}/x.tar:a:1")], opener(blobs))
    assert caught.value.exit is Exit.MACHINE
    assert "apt-get install skopeo" in caught.value.help
    assert list(tmp_path.iterdir()) == []


def test_outputs_to_one_layout_at_once(tmp_path: Path) -> None:
    image, blobs = scratch_image()
    threads = [
        threading.Thread(target=write_outputs, args=(image, [parse_output(f"oci:{tmp_path}/out:t{n}")], opener(blobs)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    layout = Layout.open(tmp_path / "out")
    assert layout.tags() == tuple(f"t{n}" for n in range(8))
    for tag in layout.tags():
        layout.verify(layout.select(tag))


def test_outputs_are_checked_before_a_build(tmp_path: Path) -> None:
    images.make_layout(tmp_path / "layout")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    right = [
        "oci:layout:a",
        "oci:layout:b",
        "oci:deep/new",
        "oci-archive:file",
        "tar:t.tar",
        "rootfs:new",
        "docker://a:1",
    ]
    check_places(
        [parse_output(text.replace(":", f":{tmp_path}/", 1)) for text in right[:-1]] + [parse_output(right[-1])]
    )
    wrong = [
        (["oci:full"], NotALayout, "has no file oci-layout"),
        (["rootfs:no/new"], MachineError, "no does not exist"),
        (["rootfs:full"], UsageError, "is there already and not empty"),
        (["oci:file"], MachineError, "file is not a directory"),
        (["rootfs:file"], MachineError, "file is not a directory"),
        (["oci-archive:full"], MachineError, "full is a directory"),
        (["tar:no/t.tar"], MachineError, "no does not exist"),
        (["tar:a", "oci-archive:a"], UsageError, "are written to one place"),
        (["tar:a", "oci:a"], UsageError, "are written to one place"),
        (["oci-archive:a:1", "oci-archive:full/../a:2"], UsageError, "are written to one place"),
    ]
    for texts, kind, message in wrong:
        with pytest.raises(kind, match=message):
            check_places([parse_output(text.replace(":", f":{tmp_path}/", 1)) for text in texts])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_push_without_skopeo_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    check_places([parse_output(f"oci:{tmp_path}/out")])
    with pytest.raises(ToolMissing, match="skopeo is not installed") as caught:
        check_places([parse_output("docker://example.org/a:1")])
    assert caught.value.exit == 3


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path) -> None:
    image, blobs = scratch_image()
    left = tmp_path / ".a.tar.metalor"
    left.mkdir()
    (left / "output").write_text("half")
    layout = Layout.create(tmp_path / "out")
    half = layout.path / "blobs" / "sha256" / ".metalor-half"
    half.write_text("half")
    write_outputs(
        image, [parse_output(f"oci-archive:{tmp_path}/a.tar"), parse_output(f"oci:{tmp_path}/out")], opener(blobs)
    )
    assert not left.exists()
    assert not half.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "out"]


def test_what_another_build_is_writing_stays(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "out")
    seen: list[int] = []

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            Layout.create(tmp_path / "out")
            seen.append(len(list(layout.path.rglob(".metalor-*"))))
            return super().read(size)

    blob = layout.put_blob(Slow(b"x"), OCI_LAYER)
    assert seen == [1, 1]
    assert layout.has(blob.digest)


def test_one_archive_written_by_many_is_whole(tmp_path: Path) -> None:
    image, blobs = scratch_image()
    spec = parse_output(f"oci-archive:{tmp_path}/a.tar")
    threads = [threading.Thread(target=write_outputs, args=(image, [spec], opener(blobs))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames()[-1] == "oci-layout"
