import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.oci.config import ConfigFields, HistoryEntry, ImageConfig
from metalor_lang.oci.document import LIMIT
from metalor_lang.oci.errors import BadDocument, UnknownMediaType
from metalor_lang.oci.moments import rfc3339, seconds_of
from metalor_lang.oci.spec import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
)

D0, D1 = "sha256:" + "0" * 64, "sha256:" + "1" * 64


def manifest(**change: Any) -> dict[str, Any]:
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": D0, "size": 2},
        "layers": [{"mediaType": OCI_LAYER + "+gzip", "digest": D1, "size": 5}],
        **change,
    }
    return {name: item for name, item in value.items() if item is not ...}


def config(**change: Any) -> dict[str, Any]:
    value = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [D1]}, **change}
    return {name: item for name, item in value.items() if item is not ...}


def layer(**change: Any) -> dict[str, Any]:
    return {"layers": [{"mediaType": OCI_LAYER, "digest": D1, "size": 5, **change}]}


def test_a_manifest_is_read_and_written_as_it_was() -> None:
    value = manifest(
        annotations={"b": "2", "a": "ü"},
        layers=[
            {"mediaType": DOCKER_LAYER + ".gzip", "digest": D1, "size": 5, "annotations": {"k": "v"}, "data": "eA=="}
        ],
        subject={"mediaType": OCI_MANIFEST, "digest": D0, "size": 1},
    )
    read = Manifest.from_json(json.dumps(value, indent=3).encode())
    assert json.loads(read.to_json()) == value
    assert read.annotations == (("a", "ü"), ("b", "2"))
    assert read.layers[0].extra == {"data": "eA=="}
    assert Manifest.from_json(read.to_json()) == read


def test_media_types_of_docker_are_read() -> None:
    read = Manifest.from_json(
        json.dumps(
            manifest(
                mediaType=DOCKER_MANIFEST,
                config={"mediaType": DOCKER_CONFIG, "digest": D0, "size": 2},
                layers=[{"mediaType": DOCKER_LAYER + ".gzip", "digest": D1, "size": 5}],
            )
        ).encode()
    )
    assert read.media_type == DOCKER_MANIFEST


def test_the_canonical_bytes_of_a_manifest_are_pinned() -> None:
    data = Manifest.from_json(json.dumps(manifest()).encode()).to_json()
    assert data == (
        b'{"config":{"digest":"sha256:' + b"0" * 64 + b'","mediaType":"application/vnd.oci.image.config.v1+json",'
        b'"size":2},"layers":[{"digest":"sha256:'
        + b"1"
        * 64
        + b'","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":5}],'
        b'"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}'
    )


WRONG_MANIFESTS: list[tuple[str, Any, type[Exception], str]] = [
    ("empty", b"", BadDocument, "not a right JSON document"),
    ("not JSON", b"{", BadDocument, "not a right JSON document"),
    ("not UTF-8", b'{"a":"\xff"}', BadDocument, "not a right JSON document"),
    ("an array", b"[]", BadDocument, "is a JSON array, not an object"),
    ("null", b"null", BadDocument, "is a JSON null"),
    ("a key twice", b'{"layers":[],"layers":[]}', BadDocument, "the key 'layers' stands twice"),
    ("NaN", b'{"a":NaN}', BadDocument, "NaN is not JSON"),
    ("a fraction", b'{"a":1.5}', BadDocument, "1.5 is not whole"),
    ("an endless number", b'{"a":1e999}', BadDocument, "not a right JSON document"),
    ("deep", b"[" * 200_000, BadDocument, "not a right JSON document"),
    ("deep objects", b'{"a":' * 90 + b"1" + b"}" * 90, BadDocument, "nested too deeply"),
    ("a lone surrogate", b'{"a":"\\ud800"}', BadDocument, "lone surrogate"),
    ("huge", b" " * (LIMIT + 1), BadDocument, f"at most {LIMIT} are read"),
    ("no schemaVersion", manifest(schemaVersion=...), BadDocument, "schemaVersion is missing"),
    ("schema 1", manifest(schemaVersion=1), BadDocument, "must be 2, not 1: Docker's schema 1"),
    ("schemaVersion true", manifest(schemaVersion=True), BadDocument, "must be a number, not boolean"),
    ("both", manifest(manifests=[]), BadDocument, "manifests must not stand beside"),
    ("an index's type", manifest(mediaType=OCI_INDEX), UnknownMediaType, "image.index.v1+json"),
    ("unknown type", manifest(mediaType="text/plain"), UnknownMediaType, "'text/plain': accepted are application/"),
    ("no config", manifest(config=...), BadDocument, "config is missing"),
    ("config an array", manifest(config=[]), BadDocument, "config must be an object, not array"),
    ("no layers", manifest(layers=...), BadDocument, "layers is missing"),
    ("layers null", manifest(layers=None), BadDocument, "layers is missing"),
    ("layers an object", manifest(layers={}), BadDocument, "must be an array of objects, not object"),
    ("layer a string", manifest(layers=["x"]), BadDocument, "layers[0] must be an object, not string"),
    ("no digest", manifest(layers=[{"mediaType": OCI_LAYER, "size": 1}]), BadDocument, "layers[0]: digest is missing"),
    ("short digest", manifest(**layer(digest="sha256:00")), BadDocument, "64 lower-case hex digits, not 'sha256:00'"),
    ("upper digest", manifest(**layer(digest="sha256:" + "A" * 64)), BadDocument, "lower-case hex digits"),
    ("md5", manifest(**layer(digest="md5:" + "0" * 32)), BadDocument, "must be sha256:"),
    ("path in digest", manifest(**layer(digest="sha256:../" + "0" * 61)), BadDocument, "must be sha256:"),
    ("newline in digest", manifest(**layer(digest=D0 + "\n")), BadDocument, "must be sha256:"),
    ("negative size", manifest(**layer(size=-1)), BadDocument, "size must be from 0 to"),
    ("size a string", manifest(**layer(size="5")), BadDocument, "size must be a number, not string"),
    ("size too large", manifest(**layer(size=1 << 63)), BadDocument, "size must be from 0 to"),
    ("no size", manifest(layers=[{"mediaType": OCI_LAYER, "digest": D0}]), BadDocument, "size is missing"),
    ("annotation a number", manifest(annotations={"a": 1}), BadDocument, "annotations['a'] must be a string"),
    ("artifact", manifest(config={"mediaType": "application/vnd.oci.empty.v1+json", "digest": D0, "size": 2}),
     UnknownMediaType, "it is an artifact, not a container image"),
    ("unknown layer", manifest(**layer(mediaType="application/x-rar")), UnknownMediaType, "layers[0] has the media"),
    ("foreign layer", manifest(**layer(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
     UnknownMediaType, "its bytes are kept elsewhere"),
    ("encrypted layer", manifest(**layer(mediaType=OCI_LAYER + "+gzip+encrypted")),
     UnknownMediaType, "encrypted layers are not read"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "message"), [row[1:] for row in WRONG_MANIFESTS], ids=[r[0] for r in WRONG_MANIFESTS]
)
def test_wrong_manifests(value: Any, kind: type[Exception], message: str) -> None:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(kind) as caught:
        Manifest.from_json(data, "the manifest M")
    assert message in str(caught.value)
    assert str(caught.value).startswith("the manifest M")


def test_an_index_is_read_and_written_as_it_was() -> None:
    value = {
        "schemaVersion": 2,
        "mediaType": DOCKER_INDEX,
        "manifests": [
            {
                "mediaType": DOCKER_MANIFEST,
                "digest": D0,
                "size": 7,
                "platform": {"os": "linux", "architecture": "arm", "variant": "v6", "os.features": ["x"]},
            },
            {"mediaType": "application/x-other", "digest": D1, "size": 7, "artifactType": "y"},
        ],
    }
    read = Index.from_json(json.dumps(value).encode())
    assert json.loads(read.to_json()) == value
    assert read.manifests[0].platform == Platform(os="linux", architecture="arm", variant="v6")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"schemaVersion": 2, "manifests": [], "layers": []}, "layers must not stand beside"),
        ({"schemaVersion": 2}, "manifests is missing"),
        ({"schemaVersion": 2, "manifests": [{"digest": D0, "size": 1}]}, "manifests[0]: mediaType is missing"),
    ],
)
def test_wrong_indexes(value: Any, message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        Index.from_json(json.dumps(value).encode())
    assert message in str(caught.value)


def test_fields_of_a_base_that_are_not_ours_are_kept() -> None:
    value = config(
        created="2024-02-29T12:00:00.5+02:00",
        author="someone",
        variant="v8",
        docker_version="20",
        config={
            "Env": ["PATH=/bin", "A=b=c", "EMPTY="],
            "Cmd": ["sh"],
            "Entrypoint": ["e"],
            "User": "u:g",
            "WorkingDir": "/w",
            "Labels": {"l": "1"},
            "ExposedPorts": {"80/tcp": {}},
            "Volumes": {"/v": {}},
            "StopSignal": "SIGINT",
            "OnBuild": ["RUN x"],
            "Healthcheck": {"Test": ["CMD", "x"], "Interval": 3_000_000_000},
            "Shell": ["/bin/bash", "-c"],
        },
        history=[{"created_by": "x", "empty_layer": True, "author": "a", "vendor": 1}, {"comment": "c"}],
    )
    read = ImageConfig.from_json(json.dumps(value).encode())
    assert json.loads(read.to_json()) == value
    assert ImageConfig.from_json(read.to_json()) == read
    assert read.config.env == (("PATH", "/bin"), ("A", "b=c"), ("EMPTY", ""))
    assert read.config.onbuild == ("RUN x",)
    assert set(read.config.extra) == {"Healthcheck", "Shell"}
    assert read.created_seconds == 1_709_200_800


def test_nulls_of_docker_count_as_absent() -> None:
    nulls = dict.fromkeys(["Env", "Cmd", "Entrypoint", "Labels", "Volumes", "ExposedPorts", "OnBuild", "User"])
    value = config(config=nulls, history=None, created=None, author=None)
    read = ImageConfig.from_json(json.dumps(value).encode())
    assert read == ImageConfig(platform=Platform(os="linux", architecture="amd64"), diff_ids=(D1,))


def test_the_canonical_bytes_of_a_config_are_pinned() -> None:
    made = ImageConfig(
        platform=Platform(os="linux", architecture="amd64"),
        config=ConfigFields(env=(("B", "2"), ("A", "1")), cmd=("sh",), exposed=("80/tcp",)),
        diff_ids=(D1,),
        history=(HistoryEntry(created="1980-01-01T00:00:00Z", created_by="ENV", empty_layer=True),),
        created="1980-01-01T00:00:00Z",
    )
    assert made.to_json() == (
        b'{"architecture":"amd64","config":{"Cmd":["sh"],"Env":["B=2","A=1"],"ExposedPorts":{"80/tcp":{}}},'
        b'"created":"1980-01-01T00:00:00Z","history":[{"created":"1980-01-01T00:00:00Z","created_by":"ENV",'
        b'"empty_layer":true}],"os":"linux","rootfs":{"diff_ids":["sha256:' + b"1" * 64 + b'"],"type":"layers"}}'
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (config(os=...), "os is missing"),
        (config(architecture=5), "architecture must be a string, not number"),
        (config(rootfs=...), "rootfs is missing"),
        (config(rootfs={"type": "zip", "diff_ids": []}), "type must be layers, not 'zip'"),
        (config(rootfs={"type": "layers", "diff_ids": ["x"]}), "diff_ids[0] must be sha256:"),
        (config(rootfs={"type": "layers", "diff_ids": "x"}), "diff_ids must be an array of strings"),
        (config(config=[]), "config must be an object"),
        (config(config={"Env": ["NOVALUE"]}), "Env[0] must be NAME=value, not 'NOVALUE'"),
        (config(config={"Env": ["=x"]}), "Env[0] must be NAME=value"),
        (config(config={"Env": [1]}), "Env[0] must be a string"),
        (config(config={"Cmd": "sh"}), "Cmd must be an array of strings, not string"),
        (config(config={"Labels": {"a": None}}), "Labels['a'] must be a string, not null"),
        (config(config={"ExposedPorts": ["80"]}), "ExposedPorts must be an object"),
        (config(created="yesterday"), "created must be a time"),
        (config(created="2024-01-01T00:00:00"), "created must be a time"),
        (config(history={}), "history must be an array of objects"),
        (config(history=[{"empty_layer": "no"}]), "empty_layer must be a boolean"),
    ],
)
def test_wrong_configs(value: Any, message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        ImageConfig.from_json(json.dumps(value).encode(), "the config C")
    assert message in str(caught.value)
    assert str(caught.value).startswith("the config C")


@given(st.integers(min_value=-62_135_596_800, max_value=253_402_300_799))
def test_times_round_trip(seconds: int) -> None:
    text = rfc3339(seconds)
    assert len(text) == 20 and text.endswith("Z")
    assert seconds_of(text) == seconds


def test_times() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(315_532_800) == "1980-01-01T00:00:00Z"
    assert seconds_of("2024-01-01T00:00:00.999999999Z") == 1_704_067_200
    with pytest.raises(ValueError, match="no time between"):
        rfc3339(1 << 60)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = ["schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "os", "rootfs", "history", "Env"]


@given(st.dictionaries(st.sampled_from(names), json_values))
def test_any_json_is_read_or_refused_by_name(change: dict[str, Any]) -> None:
    for kind, start in ((Manifest, manifest()), (Index, {"schemaVersion": 2}), (ImageConfig, config())):
        try:
            read = kind.from_json(json.dumps({**start, **change}).encode())
        except (BadDocument, UnknownMediaType):
            continue
        assert kind.from_json(read.to_json()) == read


@pytest.mark.parametrize(
    ("wanted", "there", "accepted"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v1", True),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/amd64/v3", "linux/amd64/v3", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm", "linux/arm/v6", False),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_platforms(wanted: str, there: str, accepted: bool) -> None:
    assert Platform.parse(wanted).accepts(Platform.parse(there)) is accepted
    assert str(Platform.parse(wanted)) == wanted


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "a/b/", "a/b/c/d"])
def test_wrong_platforms(text: str) -> None:
    with pytest.raises(BadDocument, match="is not a platform"):
        Platform.parse(text)


def test_a_descriptor_without_extras_writes_three_fields() -> None:
    plain = Descriptor(media_type="m", digest=D0, size=0)
    assert plain.json() == {"mediaType": "m", "digest": D0, "size": 0}
    assert dataclasses.replace(plain, annotations=(("org.opencontainers.image.ref.name", "t"),)).tag == "t"
