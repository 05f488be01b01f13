"""Put an image together: a base, new layers, a config, a history.

Invariant: equal inputs give equal bytes; the base's layers and history stand first, untouched.
"""

from collections.abc import Mapping, Sequence

from metalor_lang.digest import Json, sha256
from metalor_lang.hints import Final
from metalor_lang.oci.config import ConfigFields, HistoryEntry, ImageConfig
from metalor_lang.oci.media import LAYERS, OCI_CONFIG, OCI_LAYERS, OCI_MANIFEST, Platform
from metalor_lang.oci.moments import rfc3339
from metalor_lang.oci.spec import Descriptor, Manifest
from metalor_lang.record import dataclass, replace

_OF_THE_BASE_ONLY: Final = frozenset({"container", "container_config", "docker_version", "id", "parent", "Size"})
"""Old fields in which Docker noted how one image was made: not true of an image built on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLayer:
    """A layer to be put on top.

    Args:
        diff_id: digest of its plain tar.

    """

    descriptor: Descriptor
    diff_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A whole image but for its layers' bytes. `descriptor` is the manifest's, with the platform."""

    manifest: Manifest
    config: ImageConfig
    manifest_bytes: bytes
    config_bytes: bytes
    descriptor: Descriptor

    @property
    def id(self) -> str:
        """The image ID: the digest of the config."""
        return self.manifest.config.digest

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return self.descriptor.digest

    @property
    def platforms(self) -> tuple[str, ...]:
        """The one, as `linux/arm64/v8`."""
        return (str(self.config.platform),)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Each layer once, base first."""
        return tuple({layer.digest: layer for layer in self.manifest.layers}.values())

    @property
    def documents(self) -> tuple[tuple[Descriptor, bytes], ...]:
        """Config and manifest: what points comes after what it points to."""
        return (self.manifest.config, self.config_bytes), (self.descriptor, self.manifest_bytes)


def oci_layer(layer: Descriptor) -> Descriptor:
    """The descriptor with the OCI media type of its compression; digest, size and the rest as they are."""
    media_type = OCI_LAYERS[LAYERS[layer.media_type]]
    return layer if layer.media_type == media_type else replace(layer, media_type=media_type)


def history_entry(created_by: str, created: int, *, empty_layer: bool, comment: str = "") -> HistoryEntry:
    """The entry of one statement; `created` in seconds since 1970."""
    return HistoryEntry(created=rfc3339(created), created_by=created_by, comment=comment, empty_layer=empty_layer)


def assemble(
    base: tuple[Manifest, ImageConfig] | None,
    *,
    layers: Sequence[NewLayer],
    fields: ConfigFields,
    history: Sequence[HistoryEntry],
    created: int,
    annotations: Sequence[tuple[str, str]] = (),
    platform: Platform | None = None,
) -> Image:
    """Make manifest and config.

    Args:
        base: what the image stands on, or None for scratch.
        layers: new layers, lowest first.
        fields: the whole new `config` (what the base sets and the recipe keeps included); fields of the base that
            are not ours are added from it.
        history: one entry a statement; those that are not `empty_layer` are as many as `layers`.
        created: seconds since 1970.
        annotations: of the manifest.
        platform: needed without a base; with one it must be absent or equal.

    Raises:
        ValueError: the arguments contradict each other (a bug of the caller).

    """
    filled = sum(not entry.empty_layer for entry in history)
    if filled != len(layers):
        raise ValueError(f"{filled} history entries have a layer, but there are {len(layers)} layers")
    if base is None:
        if platform is None:
            raise ValueError("an image without a base needs a platform")
        below = ImageConfig(platform=platform)
        base_layers: tuple[Descriptor, ...] = ()
    else:
        below = base[1]
        base_layers = tuple(oci_layer(layer) for layer in base[0].layers)
        if platform is not None and not platform.accepts(below.platform):
            raise ValueError(f"the base is for {below.platform}, not for {platform}")
    config = replace(
        below,
        config=_carried(fields, below.config),
        diff_ids=(*below.diff_ids, *(layer.diff_id for layer in layers)),
        history=(*_whole_history(below, len(base_layers)), *history),
        created=rfc3339(created),
        extra={name: value for name, value in below.extra.items() if name not in _OF_THE_BASE_ONLY},
    )
    config_bytes = config.to_json()
    manifest = Manifest(
        config=Descriptor(media_type=OCI_CONFIG, digest=sha256(config_bytes), size=len(config_bytes)),
        layers=(*base_layers, *(oci_layer(layer.descriptor) for layer in layers)),
        annotations=tuple(sorted(annotations)),
    )
    manifest_bytes = manifest.to_json()
    descriptor = Descriptor(
        media_type=OCI_MANIFEST, digest=sha256(manifest_bytes), size=len(manifest_bytes), platform=config.platform
    )
    return Image(
        manifest=manifest,
        config=config,
        manifest_bytes=manifest_bytes,
        config_bytes=config_bytes,
        descriptor=descriptor,
    )


def _carried(fields: ConfigFields, below: ConfigFields) -> ConfigFields:
    """The new fields, with what the base has and we have no word for (Healthcheck, Shell, …)."""
    extra: Mapping[str, Json] = {**below.extra, **fields.extra}
    return replace(fields, extra=extra)


def _whole_history(below: ImageConfig, layers: int) -> tuple[HistoryEntry, ...]:
    """The base's history; where it says less than it has layers, entries are added so that tools can pair them."""
    filled = sum(not entry.empty_layer for entry in below.history)
    missing = layers - filled
    made = HistoryEntry(created=below.created, comment="a layer of the base, of which its history says nothing")
    return (*(made for _ in range(missing)), *below.history)
