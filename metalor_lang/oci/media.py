"""Media types and platforms: what an image may be made of, and for which machine.

Invariant: a media type that is not in these tables is refused by name.
"""

from collections.abc import Mapping
from enum import StrEnum

from metalor_lang.hints import Final, Self
from metalor_lang.oci.errors import BadDocument, UnknownMediaType
from metalor_lang.record import dataclass

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"

MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({OCI_INDEX, DOCKER_INDEX})
CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})

REF_NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation of an index entry that holds its tag."""


class Compression(StrEnum):
    """How the tar of a layer is packed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


LAYERS: Final[Mapping[str, Compression]] = {
    OCI_LAYER: Compression.NONE,
    OCI_LAYER + "+gzip": Compression.GZIP,
    OCI_LAYER + "+zstd": Compression.ZSTD,
    DOCKER_LAYER: Compression.NONE,
    DOCKER_LAYER + ".gzip": Compression.GZIP,
    DOCKER_LAYER + ".zstd": Compression.ZSTD,
}
"""The layers that can be applied, by media type."""

OCI_LAYERS: Final[Mapping[Compression, str]] = {
    Compression.NONE: OCI_LAYER,
    Compression.GZIP: OCI_LAYER + "+gzip",
    Compression.ZSTD: OCI_LAYER + "+zstd",
}

_SCHEMA_1: Final = "Docker's schema 1 has no digests of layers; push the image anew"
_ELSEWHERE: Final = "its bytes are kept elsewhere (a Windows base layer)"
_REFUSED: Final[Mapping[str, str]] = {
    "application/vnd.docker.distribution.manifest.v1+json": _SCHEMA_1,
    "application/vnd.docker.distribution.manifest.v1+prettyjws": _SCHEMA_1,
    "application/vnd.oci.empty.v1+json": "it is an artifact, not a container image",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": _ELSEWHERE,
    "application/vnd.oci.image.layer.nondistributable.v1.tar": _ELSEWHERE,
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": _ELSEWHERE,
}


def refuse_media_type(media_type: str, where: str, accepted: str) -> UnknownMediaType:
    """The error for a media type that is not accepted at a place."""
    if media_type in _REFUSED:
        reason = _REFUSED[media_type]
    elif media_type.endswith("+encrypted"):
        reason = "encrypted layers are not read"
    else:
        reason = f"accepted are {accepted}"
    return UnknownMediaType(f"{where} has the media type {media_type[:200]!r}: {reason}")


# --- platform -------------------------------------------------------------------------------------------------------

_DEFAULT_VARIANTS: Final = {"arm": "v7", "arm64": "v8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Operating system, architecture and variant, as Go names them."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `os/arch[/variant]`; raises BadDocument for anything else."""
        match text.split("/"):
            case [os, architecture] if os and architecture:
                return cls(os=os, architecture=architecture)
            case [os, architecture, variant] if os and architecture and variant:
                return cls(os=os, architecture=architecture, variant=variant)
            case _:
                raise BadDocument(f"{text!r} is not a platform", help="write it as linux/amd64 or linux/arm64/v8")

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def accepts(self, other: "Platform") -> bool:
        """Whether an image for `other` is what was asked for with this one (an absent variant is the usual one)."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        usual = _DEFAULT_VARIANTS.get(self.architecture, "")
        if self.architecture == "amd64" and not self.variant:
            return other.variant in ("", "v1")
        return (self.variant or usual) == (other.variant or usual)
