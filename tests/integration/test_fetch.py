import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metalor_lang.kernel.process import ToolMissing
from metalor_lang.oci.errors import BadOutput, FetchFailed, PlatformMissing
from metalor_lang.oci.fetch import fetch
from metalor_lang.oci.image import Image, assemble, history_entry
from metalor_lang.oci.layout import Layout, Selection
from metalor_lang.oci.output import parse_output, write_outputs
from metalor_lang.oci.spec import Descriptor
from tests.support import images
from tests.support.registry import registries_conf, registry

pytestmark = pytest.mark.integration

LAYERS: Any = [{"etc/": "", "etc/a": "1\n"}, {"etc/a": None, "etc/b": "2\n"}]
CONFIG = {"Env": ["A=1"], "OnBuild": ["RUN true"], "Healthcheck": {"Test": ["NONE"]}, "Shell": ["/bin/x"]}


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def push(source: str, reference: str, *flags: str) -> None:
    run("skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", *flags, source, f"docker://{reference}")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("registry")
    with registry(folder) as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries_conf(folder, name)))
        source = folder / "source"
        docker = images.make_layout(source, LAYERS, CONFIG, "docker", docker=True)
        made = [
            images.make_layout(source, [{"p": platform}], tag=platform, platform=platform)
            for platform in ("linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7")
        ]
        images.make_nested(source, made, "many")
        images.make_layout(source, [{"only": "arm"}], tag="arm", platform="linux/arm64")
        # A directory in skopeo's own form keeps Docker's manifest as it is; a layout would have it rewritten.
        plain = folder / "dir"
        plain.mkdir()
        manifest = images.blob_path(source, docker["digest"]).read_bytes()
        (plain / "manifest.json").write_bytes(manifest)
        (plain / "version").write_text("Directory Transport Version: 1.1\n")
        value = json.loads(manifest)
        for blob in (value["config"], *value["layers"]):
            shutil.copy(images.blob_path(source, blob["digest"]), plain / blob["digest"].removeprefix("sha256:"))
        push(f"dir:{plain}", f"{name}/team/docker:1")
        push(f"oci:{source}:many", f"{name}/many:1", "--all")
        push(f"oci:{source}:arm", f"{name}/arm:1")
        yield name


def test_what_a_registry_holds_keeps_its_bytes(host: str, tmp_path: Path) -> None:
    found = fetch("docker", f"{host}/team/docker:1", None, "linux/amd64", tmp_path)
    assert not found.cached
    assert found.selection.manifest.media_type == images.DOCKER_MANIFEST
    assert found.digest == images.make_layout(tmp_path / "x", LAYERS, CONFIG, docker=True)["digest"]
    assert found.selection.config.config.onbuild == ("RUN true",)
    assert set(found.selection.config.config.extra) == {"Healthcheck", "Shell"}
    found.layout.verify(found.selection)
    by_digest = fetch("docker", f"{host}/team/docker@{found.digest}", None, "linux/amd64", tmp_path)
    assert by_digest.digest == found.digest
    both = fetch("docker", f"{host}/team/docker:other@{found.digest}", None, "linux/amd64", tmp_path)
    assert (both.digest, both.cached) == (found.digest, True)


def test_what_is_cached_needs_no_registry(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fetch("docker", f"{host}/many:1", None, "linux/amd64", tmp_path)
    pinned = fetch("docker", f"{host}/many@{first.digest}", None, "linux/amd64", tmp_path)
    assert pinned.cached  # a layout is named by its manifest, whatever it was fetched by
    monkeypatch.setenv("PATH", "/nonexistent")
    again = fetch("docker", f"{host}/many:1", None, "linux/amd64", tmp_path)
    assert (again.cached, again.digest) == (True, first.digest)
    with pytest.raises(ToolMissing):
        fetch("docker", f"{host}/many:1", None, "linux/arm64", tmp_path)  # cached per platform
    with pytest.raises(ToolMissing):
        fetch("docker", f"{host}/many:1", None, "linux/amd64", tmp_path, refresh=True)
    assert fetch("docker", f"{host}/many@{first.digest}", None, "linux/amd64", tmp_path, refresh=True).cached
    assert pinned.digest == first.digest


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7"])
def test_the_platform_is_chosen(host: str, tmp_path: Path, platform: str) -> None:
    found = fetch("docker", f"{host}/many:1", None, platform, tmp_path)
    os_name, architecture, *variant = platform.split("/")
    real = found.selection.config.platform
    assert (real.os, real.architecture) == (os_name, architecture)
    if variant:
        assert real.variant == variant[0]


def test_a_moved_tag_is_seen_when_asked_for(host: str, tmp_path: Path) -> None:
    for content in ("one", "two"):
        images.make_layout(tmp_path / content, [{"f": content}])
        push(f"oci:{tmp_path / content}", f"{host}/moving:1")
        if content == "one":
            first = fetch("docker", f"{host}/moving:1", None, "linux/amd64", tmp_path / "cache")
    assert fetch("docker", f"{host}/moving:1", None, "linux/amd64", tmp_path / "cache").digest == first.digest
    moved = fetch("docker", f"{host}/moving:1", None, "linux/amd64", tmp_path / "cache", refresh=True)
    assert moved.digest != first.digest
    assert fetch("docker", f"{host}/moving:1", None, "linux/amd64", tmp_path / "cache").digest == moved.digest


def test_errors_of_a_registry_are_readable(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(reference: str, platform: str = "linux/amd64") -> FetchFailed | PlatformMissing:
        with pytest.raises((FetchFailed, PlatformMissing)) as caught:
            fetch("docker", reference, None, platform, tmp_path)
        assert not list(tmp_path.glob(".fetch-*"))
        return caught.value

    for name in (f"{host}/team/docker:99", f"{host}/nothing:1", f"{host}/many@sha256:{'0' * 64}"):
        assert f"cannot fetch {name}: the registry has no {name}" in failing(name).message
    assert "many:1 is not there for linux/s390x" in failing(f"{host}/many:1", "linux/s390x").message
    other = failing(f"{host}/arm:1")
    assert isinstance(other, PlatformMissing)
    assert other.platforms == ("linux/arm64",)
    assert "localhost:1 cannot be reached" in failing("localhost:1/x:1").message
    assert "registry none.invalid cannot be found" in failing("none.invalid/x:1").message
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF")
    error = failing(f"{host}/many:1")
    assert "speaks plain http" in error.message
    assert f'location="{host}" insecure=true' in error.help


def selection(tmp_path: Path) -> tuple[Layout, Selection]:
    images.make_layout(tmp_path / "base", LAYERS, {**CONFIG, "OnBuild": []})
    layout = Layout.open(tmp_path / "base")
    return layout, layout.select(None)


def image_of(found: Selection, annotations: tuple[tuple[str, str], ...] = ()) -> Image:
    return assemble(
        (found.manifest, found.config),
        layers=[],
        fields=dataclasses.replace(found.config.config, user="1000", entrypoint=("/bin/app",)),
        history=[history_entry("USER 1000", 0, empty_layer=True)],
        created=0,
        annotations=annotations,
    )


def test_an_image_is_pushed_as_it_is(host: str, tmp_path: Path) -> None:
    layout, found = selection(tmp_path)
    image = image_of(found, (("a", "1"),))
    write_outputs(image, [parse_output(f"docker://{host}/out/app:1")], layout.open_blob)
    pulled = fetch("docker", f"{host}/out/app:1", None, "linux/amd64", tmp_path / "cache")
    assert pulled.digest == image.digest
    assert pulled.selection.manifest == image.manifest
    assert pulled.selection.config == image.config
    with pytest.raises(BadOutput, match="cannot write docker://localhost:1/x:1: the registry localhost:1 cannot be"):
        write_outputs(image, [parse_output("docker://localhost:1/x:1")], layout.open_blob)


def test_archives_of_docker_go_out_and_come_back(tmp_path: Path) -> None:
    layout, found = selection(tmp_path)
    image = image_of(found)
    for name in ("a", "b"):
        write_outputs(image, [parse_output(f"docker-archive:{tmp_path}/{name}.tar:app:1")], layout.open_blob)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    for tag in (None, "app:1"):
        back = fetch("docker-archive", f"{tmp_path}/a.tar", tag, "linux/amd64", tmp_path / "cache")
        back.layout.verify(back.selection)
        assert back.selection.manifest.config.digest == image.id
        assert [blob.media_type for blob in back.selection.manifest.layers] == [images.OCI_LAYER] * 2
        assert [blob.digest for blob in back.selection.manifest.layers] == list(image.config.diff_ids)
    assert fetch("docker-archive", f"{tmp_path}/a.tar", None, "linux/amd64", tmp_path / "cache").cached
    with pytest.raises(FetchFailed, match="the archive has no image"):
        fetch("docker-archive", f"{tmp_path}/a.tar", "other:1", "linux/amd64", tmp_path / "cache")
    (tmp_path / "bad.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:2000])
    with pytest.raises(FetchFailed, match="cannot fetch docker-archive:"):
        fetch("docker-archive", f"{tmp_path}/bad.tar", None, "linux/amd64", tmp_path / "cache")


@pytest.mark.parametrize(("compression", "docker"), [("gzip", False), ("gzip", True), ("none", False), ("zstd", False)])
def test_other_tools_accept_what_is_written(tmp_path: Path, compression: str, docker: bool) -> None:
    images.make_layout(tmp_path / "base", LAYERS, {"Env": ["A=1"]}, compression=compression, docker=docker)
    layout = Layout.open(tmp_path / "base")
    image = image_of(layout.select(None), (("k", "v"),))
    outputs = [f"oci:{tmp_path}/out:v1", f"oci-archive:{tmp_path}/out.tar:v1"]
    write_outputs(image, [parse_output(text) for text in outputs], layout.open_blob)
    for text in outputs:
        seen = json.loads(run("skopeo", "inspect", text))
        assert seen["Digest"] == image.digest
        assert seen["Layers"] == [blob.digest for blob in image.manifest.layers]
        config = json.loads(run("skopeo", "inspect", "--config", text))
        assert config["config"]["Entrypoint"] == ["/bin/app"]
    if compression == "zstd":
        return  # umoci of Debian 12 does not know zstd
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/out:v1", f"{tmp_path}/bundle")
    assert [path.name for path in (tmp_path / "bundle/rootfs/etc").iterdir()] == ["b"]
    spec = json.loads((tmp_path / "bundle/config.json").read_bytes())
    assert spec["process"]["args"] == ["/bin/app"]


def test_a_descriptor_given_to_open_blob_is_the_one_of_the_manifest(tmp_path: Path) -> None:
    layout, found = selection(tmp_path)
    asked: list[Descriptor] = []
    image = image_of(found)
    write_outputs(
        image,
        [parse_output(f"oci:{tmp_path}/out")],
        lambda blob: (asked.append(blob), layout.open_blob(blob))[1],
    )
    assert asked == list(image.manifest.layers)
