"""The documents of an image as data: descriptors, manifests, indexes (and, from `config`, the image config).

Invariant: what is read is checked strictly, what is written is canonical JSON, and fields of a base that we do not
know are carried on. The fields are those of the OCI image specification 1.1 and of Docker's schema 2.
"""

from collections.abc import Mapping

from metalor_lang.digest import Json, canonical_json
from metalor_lang.hints import Self
from metalor_lang.oci.config import ConfigFields, HistoryEntry, ImageConfig
from metalor_lang.oci.document import Fields, parse
from metalor_lang.oci.media import (
    CONFIGS,
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    INDEXES,
    LAYERS,
    MANIFESTS,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYERS,
    OCI_MANIFEST,
    REF_NAME,
    Compression,
    Platform,
    refuse_media_type,
)
from metalor_lang.record import dataclass, field

__all__ = [
    "CONFIGS",
    "DOCKER_CONFIG",
    "DOCKER_INDEX",
    "DOCKER_LAYER",
    "DOCKER_MANIFEST",
    "INDEXES",
    "LAYERS",
    "MANIFESTS",
    "OCI_CONFIG",
    "OCI_INDEX",
    "OCI_LAYER",
    "OCI_LAYERS",
    "OCI_MANIFEST",
    "REF_NAME",
    "Compression",
    "ConfigFields",
    "Descriptor",
    "HistoryEntry",
    "ImageConfig",
    "Index",
    "Manifest",
    "Platform",
]

# --- descriptor -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What points to a blob: media type, digest, size in bytes."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read from a document's object."""
        media_type, digest, size = fields.text("mediaType"), fields.digest("digest"), fields.integer("size")
        platform = None
        if (inner := fields.fields("platform")) is not None:
            platform = Platform(
                os=inner.text("os", ""), architecture=inner.text("architecture", ""), variant=inner.text("variant", "")
            )
        annotations = fields.pairs("annotations")
        extra = fields.rest()
        if inner is not None and (more := inner.rest()):
            extra["platform"] = more
        return cls(
            media_type=media_type, digest=digest, size=size, platform=platform, annotations=annotations, extra=extra
        )

    @property
    def tag(self) -> str | None:
        """The tag of an index entry."""
        return dict(self.annotations).get(REF_NAME)

    def json(self) -> dict[str, Json]:
        """The JSON object."""
        value: dict[str, Json] = dict(self.extra)
        value |= {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.platform is not None:
            more = self.extra.get("platform")
            platform: dict[str, Json] = dict(more) if isinstance(more, Mapping) else {}
            platform |= {"os": self.platform.os, "architecture": self.platform.architecture}
            if self.platform.variant:
                platform["variant"] = self.platform.variant
            value["platform"] = platform
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        return value


# --- manifest and index ---------------------------------------------------------------------------------------------


def _header(fields: Fields, accepted: frozenset[str], default: str, other: str) -> str:
    """Check `schemaVersion`, `mediaType` and that the document is not also of the other kind; its media type."""
    version = fields.integer("schemaVersion")
    if version != 2:
        hint = ": Docker's schema 1 has no digests of layers" if version == 1 else ""
        fields.refuse("schemaVersion", f"must be 2, not {version}{hint}")
    if other in fields:
        fields.refuse(
            other, "must not stand beside what the document is: nobody can say if it is a manifest or an index"
        )
    media_type = fields.text("mediaType", default)
    if media_type not in accepted:
        raise refuse_media_type(media_type, fields.where, " and ".join(sorted(accepted)))
    return media_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image for one platform: a config and layers, base first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: tuple[tuple[str, str], ...] = ()
    media_type: str = OCI_MANIFEST
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, data: bytes, what: str = "the manifest") -> Self:
        """Read and check a manifest.

        Raises:
            BadDocument, UnknownMediaType.

        """
        fields = parse(data, what)
        media_type = _header(fields, MANIFESTS, OCI_MANIFEST, "manifests")
        inner = fields.fields("config")
        if inner is None:
            fields.refuse("config", "is missing")
        config = Descriptor.read(inner)
        if config.media_type not in CONFIGS:
            raise refuse_media_type(config.media_type, f"{what}: config", " and ".join(sorted(CONFIGS)))
        objects = fields.objects("layers")
        if objects is None:
            fields.refuse("layers", "is missing")
        layers = tuple(Descriptor.read(item) for item in objects)
        for number, layer in enumerate(layers):
            if layer.media_type not in LAYERS:
                accepted = "tar layers, plain or packed with gzip or zstd"
                raise refuse_media_type(layer.media_type, f"{what}: layers[{number}]", accepted)
        annotations = fields.pairs("annotations")
        return cls(config=config, layers=layers, annotations=annotations, media_type=media_type, extra=fields.rest())

    def to_json(self) -> bytes:
        """The canonical bytes."""
        value: dict[str, Json] = dict(self.extra)
        value |= {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.json(),
            "layers": [layer.json() for layer in self.layers],
        }
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        return canonical_json(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A list of manifests (and indexes), by tag or by platform."""

    manifests: tuple[Descriptor, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    media_type: str = OCI_INDEX
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, data: bytes, what: str = "the index") -> Self:
        """Read and check an index; raises BadDocument, UnknownMediaType."""
        fields = parse(data, what)
        media_type = _header(fields, INDEXES, OCI_INDEX, "layers")
        objects = fields.objects("manifests")
        if objects is None:
            fields.refuse("manifests", "is missing")
        manifests = tuple(Descriptor.read(item) for item in objects)
        annotations = fields.pairs("annotations")
        return cls(manifests=manifests, annotations=annotations, media_type=media_type, extra=fields.rest())

    def to_json(self) -> bytes:
        """The canonical bytes."""
        value: dict[str, Json] = dict(self.extra)
        value |= {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [manifest.json() for manifest in self.manifests],
        }
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        return canonical_json(value)
