"""Make one layer: the difference of two chains, packed into the store and, at the same time, into a layout.

Invariant: the views are walked once and every file is opened once; a blob appears when all of it is on the disk.
"""

import itertools
from collections.abc import Callable
from contextlib import ExitStack

from metalor_lang.build.lookup import Chain
from metalor_lang.build.sketch import SketchLayer
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.candidates import Candidates, candidates
from metalor_lang.oci.diff import diff_in_runs
from metalor_lang.oci.drafts import BlobDraft
from metalor_lang.oci.layer import WrittenLayer, write_layer
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.media import Compression
from metalor_lang.oci.origins import Origins
from metalor_lang.runtime.rootfs import Snapshotter
from metalor_lang.store.blobs import BlobWriter
from metalor_lang.store.store import Store


def make_layer(
    store: Store,
    snapshotter: Snapshotter,
    part: SketchLayer,
    *,
    compression: Compression,
    also: Layout | None,
    notice: Callable[[str], None],
    begins: Callable[[], None],
) -> WrittenLayer | None:
    """Write the layer of a part of a sketch; None when nothing changed.

    Args:
        store: gets its blob.
        snapshotter: shows the chains.
        part: what it is the difference of.
        compression: of the layer.
        also: a layout that gets it too.
        notice: told of what layers leave out.
        begins: called when there is something to write.

    Raises:
        NotExportable: a tree holds something that no layer can say.
        MachineError: no room in the store or in the layout.

    """
    with ExitStack() as stack:
        upper = stack.enter_context(snapshotter.view(part.upper))
        lower = stack.enter_context(snapshotter.view(part.lower)) if part.lower else None
        layers = snapshotter.layers(part.upper)
        # The copying snapshotter's view lies elsewhere, and that of one layer is that layer.
        overlay = len(layers) > 1 and snapshotter.name == "overlay"
        origins = stack.enter_context(Origins(layers[::-1])) if overlay else None
        where = None if lower is None else places(store, part.lower, part.upper, lower)
        found = diff_in_runs(lower, upper, where, origins=origins, notice=notice)
        first = next(found, None)
        if first is None:
            return None
        begins()
        writer = stack.enter_context(store.blobs.writer())
        second = stack.enter_context(also.draft()) if also is not None else None
        written = write_layer(
            itertools.chain((first,), found),
            upper,
            writer if second is None else _Both(writer, second),
            compression=compression,
            epoch=part.epoch,
        )
        writer.commit(written.digest)
        if second is not None:
            second.commit(written.digest)
    return written


def places(store: Store, below: Chain, above: Chain, lower: Root) -> Candidates | None:
    """Where the views of two chains can differ; None for everywhere.

    They are the places that the snapshots touch which the chains do not have in common; where a long chain was folded
    in between, some of those are the lower one's.

    Args:
        store: has the snapshots.
        below: a chain.
        above: another one.
        lower: the view of `below`.

    """
    common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(below, above)))
    if not common:
        return None
    parted = (*below[common:], *above[common:])
    if any(store.snapshots.info(identity).kind != "overlay" for identity in parted):
        return None
    return candidates([store.snapshots.fs_path(identity) for identity in parted], lower)


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
