"""The layers of an image, made once and remembered.

Invariant: a layer is known by the chains whose difference it is, its epoch, its packing and the version of all that;
its bytes are in the store before its record is.
"""

import itertools
from collections.abc import Callable
from contextlib import ExitStack

from metalor_lang.build.sketch import SketchLayer
from metalor_lang.digest import json_digest
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.candidates import Candidates, candidates
from metalor_lang.oci.compressors import oddity
from metalor_lang.oci.diff import diff_in_runs
from metalor_lang.oci.drafts import BlobDraft
from metalor_lang.oci.image import NewLayer
from metalor_lang.oci.layer import write_layer
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.media import Compression
from metalor_lang.oci.origins import Origins
from metalor_lang.oci.spec import Descriptor
from metalor_lang.runtime.rootfs import Snapshotter
from metalor_lang.store.blobs import BlobWriter
from metalor_lang.store.records import LayerRecord
from metalor_lang.store.store import Store

_LAYER_VERSION: Final = 2
"""Raised when the same trees would give other bytes."""


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

    """

    def __init__(
        self,
        store: Store,
        snapshotter: Snapshotter,
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

    def layer(self, part: SketchLayer) -> NewLayer | None:
        """The layer of a part of a sketch, whose blob is in the store; None when nothing changed.

        Raises:
            NotExportable: a tree holds something that no layer can say.
            MachineError: no room in the store or in the layout.

        """
        if part.lower == part.upper:
            return None
        key = json_digest(
            {
                "layer": _LAYER_VERSION,
                "lower": list(part.lower),
                "upper": list(part.upper),
                "epoch": part.epoch,
                "compression": self._compression.value,
            }
        )
        record = self._store.layers.get(key)
        if record is None:
            with self._store.locks.exclusive(f"layer:{key}"):
                record = self._store.layers.get(key) or self._make(key, part)
        if record is None:
            return None
        descriptor = Descriptor(media_type=record.media_type, digest=record.digest, size=record.size)
        return NewLayer(descriptor=descriptor, diff_id=record.diff_id)

    def _make(self, key: str, part: SketchLayer) -> LayerRecord | None:
        with ExitStack() as stack:
            upper = stack.enter_context(self._snapshotter.view(part.upper))
            lower = stack.enter_context(self._snapshotter.view(part.lower)) if part.lower else None
            layers = self._snapshotter.layers(part.upper)
            # The copying snapshotter's view lies elsewhere, and that of one layer is that layer.
            overlay = len(layers) > 1 and self._snapshotter.name == "overlay"
            origins = stack.enter_context(Origins(layers[::-1])) if overlay else None
            found = diff_in_runs(lower, upper, self._where(part, lower), origins=origins, notice=self._notice)
            first = next(found, None)
            if first is None:
                return None
            self._tell_oddity()
            writer = stack.enter_context(self._store.blobs.writer())
            also = stack.enter_context(self._also.draft()) if self._also is not None else None
            written = write_layer(
                itertools.chain((first,), found),
                upper,
                writer if also is None else _Both(writer, also),
                compression=self._compression,
                epoch=part.epoch,
            )
            writer.commit(written.digest)
            if also is not None:
                also.commit(written.digest)
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
        if not self._told and (odd := oddity(self._compression)) is not None:
            self._notice(odd)
        self._told = True

    def _where(self, part: SketchLayer, lower: Root | None) -> Candidates | None:
        """Where the two views can differ: only below what the stage's own snapshots touch, if they are all there."""
        count = len(part.lower)
        if not count or part.upper[:count] != part.lower:
            return None
        above = part.upper[count:]
        if any(self._store.snapshots.info(identity).kind != "overlay" for identity in above):
            return None
        return candidates([self._store.snapshots.fs_path(identity) for identity in above], lower)


class _Both:
    """A sink for the store and a layout: what the store hashes goes to both."""

    def __init__(self, first: BlobWriter, second: BlobDraft) -> None:
        self._first, self._second = first, second

    @property
    def digest(self) -> str:
        return self._first.digest

    @property
    def size(self) -> int:
        return self._first.size

    def write(self, data: bytes | memoryview, /) -> None:
        self._first.write(data)
        self._second.write(data)
