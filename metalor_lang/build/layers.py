"""The layers of an image, made once and remembered.

Invariant: a layer is known by the chains whose difference it is, its epoch, its packing and the version of all that;
its bytes are in the store before its record is.
"""

from collections.abc import Callable

from metalor_lang.build.sketch import SketchLayer
from metalor_lang.digest import json_digest
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.oci.image import NewLayer
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.media import Compression
from metalor_lang.oci.spec import Descriptor
from metalor_lang.store.records import LayerRecord
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.runtime.rootfs import Snapshotter

_LAYER_VERSION: Final = 2
"""Raised when the same trees would give other bytes."""


def layer_key(part: SketchLayer, compression: Compression) -> str:
    """What the record of a part's layer is found by."""
    return json_digest(
        {
            "layer": _LAYER_VERSION,
            "lower": list(part.lower),
            "upper": list(part.upper),
            "epoch": part.epoch,
            "compression": compression.value,
        }
    )


class LayerMaker:
    """Makes the layers that are not in the store yet.

    Args:
        store: where layers are kept.
        snapshotter: shows the chains.
        notice: told of what layers leave out.
        compression: of the layers.
        also: a layout that new layers are written to at the same time, so that nobody has to copy them there.

    Attributes:
        written: digests of the layers that `also` got.
        made: the parts whose layers were not in the store.

    """

    def __init__(
        self,
        store: Store,
        snapshotter: "Snapshotter",
        notice: Callable[[str], None],
        compression: Compression,
        also: Layout | None,
    ) -> None:
        self._store = store
        self._snapshotter = snapshotter
        self._notice = notice
        self._compression = compression
        self._also = also
        self._told = False
        self.written: set[str] = set()
        self.made: list[SketchLayer] = []

    def layer(self, part: SketchLayer) -> NewLayer | None:
        """The layer of a part of a sketch, whose blob is in the store; None when nothing changed.

        Raises:
            NotExportable: a tree holds something that no layer can say.
            MachineError: no room in the store or in the layout.

        """
        if part.lower == part.upper:
            return None
        key = layer_key(part, self._compression)
        record = self._store.layers.get(key)
        if record is None:
            with self._store.locks.exclusive(f"layer:{key}"):
                record = self._store.layers.get(key) or self._make(key, part)
        if record is None:
            return None
        descriptor = Descriptor(media_type=record.media_type, digest=record.digest, size=record.size)
        return NewLayer(descriptor=descriptor, diff_id=record.diff_id)

    def _make(self, key: str, part: SketchLayer) -> LayerRecord | None:
        from metalor_lang.build.making import make_layer  # an export that changes nothing makes none

        written = make_layer(
            self._store,
            self._snapshotter,
            part,
            compression=self._compression,
            also=self._also,
            notice=self._notice,
            begins=self._tell_oddity,
        )
        if written is None:
            return None
        self.made.append(part)
        if self._also is not None:
            self.written.add(written.digest)
        record = LayerRecord(
            key=key,
            digest=written.digest,
            size=written.size,
            diff_id=written.diff_id,
            media_type=written.media_type,
            snapshots=tuple(dict.fromkeys((*part.lower, *part.upper))),
        )
        self._store.layers.put(record)
        return record

    def _tell_oddity(self) -> None:
        from metalor_lang.oci.compressors import oddity

        if not self._told and (odd := oddity(self._compression)) is not None:
            self._notice(odd)
        self._told = True
