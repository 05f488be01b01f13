"""Small OCI layouts from in-memory descriptions, with the standard library alone.

Invariant: equal descriptions give equal bytes (sorted entries, fixed times, gzip without a name or a time).

A layer is a mapping of paths to entries, or the bytes of a plain tar. An entry is an `Entry`, or in short:
`"text"` or `b"bytes"` for a file of mode 0644, `None` for a whiteout. A path that ends in `/` with `""` is a directory.

    make_layout(tmp_path / "base", layers=[{"etc/": "", "etc/os": "one\n", "bin": link("usr/bin")}, {"etc/os": None}])
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MTIME = 1_000_000_000
CREATED = "2001-09-09T01:46:40Z"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One tar member; `type` is a tarfile type constant."""

    type: bytes = tarfile.REGTYPE
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = MTIME
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, str] = field(default_factory=dict)


Layer = Mapping[str, Entry | str | bytes | None] | bytes


def file(data: str | bytes = b"", mode: int = 0o644, **more: Any) -> Entry:
    return Entry(data=data.encode() if isinstance(data, str) else data, mode=mode, **more)


def directory(mode: int = 0o755, **more: Any) -> Entry:
    return Entry(type=tarfile.DIRTYPE, mode=mode, **more)


def link(target: str, **more: Any) -> Entry:
    """A symbolic link."""
    return Entry(type=tarfile.SYMTYPE, target=target, mode=0o777, **more)


def hardlink(target: str, **more: Any) -> Entry:
    return Entry(type=tarfile.LNKTYPE, target=target, **more)


def fifo(mode: int = 0o644, **more: Any) -> Entry:
    return Entry(type=tarfile.FIFOTYPE, mode=mode, **more)


def device(major: int, minor: int, *, block: bool = False, mode: int = 0o600, **more: Any) -> Entry:
    kind = tarfile.BLKTYPE if block else tarfile.CHRTYPE
    return Entry(type=kind, device=(major, minor), mode=mode, **more)


def opaque() -> dict[str, Entry]:
    """To be merged under a directory's path: `{"d/": "", **at("d", opaque())}`."""
    return {".wh..wh..opq": file(mode=0o000)}


def at(prefix: str, layer: Mapping[str, Entry]) -> dict[str, Entry]:
    return {f"{prefix}/{path}": entry for path, entry in layer.items()}


def whiteout(path: str) -> str:
    head, _, name = path.rstrip("/").rpartition("/")
    return f"{head}/.wh.{name}" if head else f".wh.{name}"


def tar_bytes(layer: Layer) -> bytes:
    """The plain tar of a layer: hard links after everything else, other entries sorted by path."""
    if isinstance(layer, bytes):
        return layer
    members: list[tuple[str, Entry]] = []
    for path, entry in layer.items():
        match entry:
            case None:
                members.append((whiteout(path), file(mode=0o000)))
            case str() | bytes() if path.endswith("/"):
                members.append((path.rstrip("/"), directory()))
            case str() | bytes():
                members.append((path, file(entry)))
            case _:
                members.append((path.rstrip("/") or ".", entry))
    members.sort(key=lambda member: (member[1].type == tarfile.LNKTYPE, member[0].encode()))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in members:
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.uid, info.gid, info.mtime = (
                entry.type,
                entry.mode,
                entry.uid,
                entry.gid,
                entry.mtime,
            )
            info.linkname = entry.target
            info.devmajor, info.devminor = entry.device
            info.size = len(entry.data)
            info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in entry.xattrs.items()}
            tar.addfile(info, io.BytesIO(entry.data))
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def put(path: Path, data: bytes, media_type: str) -> dict[str, Any]:
    """Write a blob into a layout; its descriptor."""
    name = digest(data)
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / name.removeprefix("sha256:")).write_bytes(data)
    return {"mediaType": media_type, "digest": name, "size": len(data)}


def dump(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def make_layout(
    path: Path | str,
    layers: Sequence[Layer] = ({},),
    config: Mapping[str, Any] | None = None,
    tag: str | None = "latest",
    *,
    platform: str = "linux/amd64",
    compression: str = "gzip",
    docker: bool = False,
    created: str | None = CREATED,
    annotations: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Create (or add to) the OCI layout at `path`.

    Args:
        layers: descriptions, base first.
        config: the `config` object of the image (`Env`, `Cmd`, …).
        compression: "gzip", "none" or "zstd" (needs zstandard).
        docker: use Docker's media types.
        more: further top-level fields of the image config.

    Returns: the manifest's descriptor.

    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    descriptors, diff_ids = [], []
    for layer in layers:
        plain = tar_bytes(layer)
        diff_ids.append(digest(plain))
        match compression:
            case "gzip":
                data, suffix = gzip.compress(plain, 6, mtime=0), "+gzip"
            case "zstd":
                import zstandard

                data, suffix = zstandard.ZstdCompressor(level=3).compress(plain), "+zstd"
            case _:
                data, suffix = plain, ""
        descriptors.append(put(path, data, DOCKER_LAYER_GZIP if docker else OCI_LAYER + suffix))
    os_name, architecture, *variant = platform.split("/")
    image: dict[str, Any] = {
        "architecture": architecture,
        "os": os_name,
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": f"layer {number}"} for number in range(len(diff_ids))],
        **dict(more or {}),
    }
    if variant:
        image["variant"] = variant[0]
    if created is not None:
        image["created"] = created
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": put(path, dump(image), DOCKER_CONFIG if docker else OCI_CONFIG),
        "layers": descriptors,
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    descriptor = put(path, dump(manifest), manifest["mediaType"])
    descriptor["platform"] = {"os": os_name, "architecture": architecture}
    if variant:
        descriptor["platform"]["variant"] = variant[0]
    add_to_index(path, descriptor, tag)
    return descriptor


def add_to_index(path: Path, descriptor: Mapping[str, Any], tag: str | None) -> None:
    """Add a descriptor to index.json, taking the tag away from whatever had it."""
    file = path / "index.json"
    index = json.loads(file.read_bytes()) if file.exists() else {"schemaVersion": 2, "manifests": []}
    index["mediaType"] = OCI_INDEX
    name = "org.opencontainers.image.ref.name"
    if tag is not None:
        index["manifests"] = [m for m in index["manifests"] if m.get("annotations", {}).get(name) != tag]
        descriptor = {**descriptor, "annotations": {name: tag}}
    index["manifests"].append(descriptor)
    file.write_bytes(dump(index))


def make_nested(path: Path | str, manifests: Sequence[Mapping[str, Any]], tag: str) -> dict[str, Any]:
    """Add an index blob that lists `manifests` (descriptors with a platform) under a tag; its descriptor."""
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests)}
    descriptor = put(Path(path), dump(index), OCI_INDEX)
    add_to_index(Path(path), descriptor, tag)
    return descriptor


def blob_path(path: Path | str, name: str) -> Path:
    return Path(path) / "blobs" / "sha256" / name.removeprefix("sha256:")


WHITEOUT_LAYERS: tuple[Layer, ...] = (
    {
        "etc/": "",
        "etc/keep": "kept\n",
        "etc/gone": "removed by layer 2\n",
        "etc/replaced/": "",
        "etc/replaced/old": "a directory that becomes a file\n",
        "var/": "",
        "var/lib/": "",
        "var/lib/old": "hidden by the opaque directory\n",
        "var/lib/deep/": "",
        "var/lib/deep/older": "hidden too\n",
        "srv/": "",
        "srv/a": "one inode\n",
        "srv/b": hardlink("srv/a"),
        "usr/": "",
        "usr/bin/": "",
        "usr/bin/tool": file("#!/bin/sh\n", 0o4755, uid=0, gid=50),
        "bin": link("usr/bin"),
        "tmp/": directory(0o1777),
        "home/": "",
        "home/user/": directory(0o700, uid=1000, gid=1000),
        "home/user/ü name": file("not ASCII, with a space\n", uid=1000, gid=1000),
    },
    {
        "etc/gone": None,
        "etc/replaced": "now a file\n",
        "var/lib/": "",
        **at("var/lib", opaque()),
        "var/lib/new": "the only one\n",
        "srv/a": None,
        "bin/late": "through the link to a directory\n",
    },
    {
        "etc/gone": "back again\n",
        "var/lib/newer": "the second\n",
        "home/user": None,
        "usr/bin/again": hardlink("usr/bin/tool"),
        "usr/bin/tool": file("#!/bin/sh\nexit 0\n", 0o755),
    },
)
"""Three layers with whiteouts, an opaque directory, a directory replaced by a file, hard links and odd owners."""
