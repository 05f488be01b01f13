"""What a LAYER would have saved: files that an export wrote again although the statements that made them are the same.

Invariant: what is said is true. The files were exported by the last build of the recipe too and are in a layer that
was written now, and what made them stands above the statement that is named.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from metalor_lang.build.cuts import Cut, cuts
from metalor_lang.build.layers import layer_key
from metalor_lang.build.lookup import Chain
from metalor_lang.build.making import places
from metalor_lang.build.model import BuildResult
from metalor_lang.build.sketch import Sketch, SketchLayer, lineage
from metalor_lang.checker.platforms import same_platform
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.oci.changes import ChangeKind
from metalor_lang.oci.diff import diff
from metalor_lang.oci.media import Compression
from metalor_lang.plan.graph import Step
from metalor_lang.record import dataclass
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.runtime.rootfs import Snapshotter

LEAST: Final = 10_000_000
"""Bytes of files that are worth a line."""

_SHARE: Final = 10
"""Of what the layer's statements wrote, it must be one part in so many as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A LAYER above `step` would have kept `saved` bytes of files out of an export."""

    step: Step
    saved: int


class Adviser:
    """Compares two builds of a recipe.

    Args:
        store: holds what both made.
        snapshotter: shows it.
        compression: of the export.

    """

    def __init__(self, store: Store, snapshotter: "Snapshotter", compression: Compression) -> None:
        self._store = store
        self._snapshotter = snapshotter
        self._compression = compression

    def advice(
        self, results: Sequence[BuildResult], before: Sequence[Sketch], written: Sequence[SketchLayer]
    ) -> tuple[Advice, ...]:
        """What is worth saying, in the order of the recipe.

        Args:
            results: of this build, one for each platform.
            before: what the last build of the recipe gave, none if there was none.
            written: the layers that this export had to write.

        """
        chains = {(layer.lower, layer.upper) for layer in written}
        found: dict[int, Advice] = {}
        for result in results:
            older = [
                layer
                for sketch in before
                if same_platform(sketch.platform, result.target.stage.platform)
                for layer in sketch.layers
                if self._store.layers.get(layer_key(layer, self._compression)) is not None
            ]
            for cut in (cut for built in lineage(result) for cut in cuts(built)):
                if (cut.lower, cut.upper) in chains:
                    for step, saved in self._of_cut(cut, older):
                        others = found[step.span.start].saved if step.span.start in found else 0
                        found[step.span.start] = Advice(step=step, saved=saved + others)
        return tuple(found[place] for place in sorted(found))

    def _of_cut(self, cut: Cut, older: Sequence[SketchLayer]) -> list[tuple[Step, int]]:
        """The statement and the bytes, or nothing."""
        last = -1
        for layer in older:
            if layer.lower == cut.lower:
                there = set(layer.made) - set(cut.lower[-1:])
                last = max([last, *(at for at, chain in enumerate(cut.after) if chain and chain[-1] in there)])
        if last < 0:
            return []
        kept = cut.after[last]
        behind = [step for step in cut.steps[last + 1 :] if step.kind.writes]
        if not behind or kept == cut.upper:
            return []
        least = max(LEAST, self._size(cut.lower, cut.upper) // _SHARE)
        # The sizes of snapshots are known, but what they hold may have been written over or deleted since.
        if self._size(cut.lower, kept) < least or (saved := self._survives(cut, kept)) < least:
            return []
        return [(behind[0], saved)]

    def _size(self, lower: Chain, upper: Chain) -> int:
        return sum(self._store.snapshots.info(identity).size for identity in set(upper) - set(lower))

    def _survives(self, cut: Cut, kept: Chain) -> int:
        """Bytes of the files that `kept` has over the cut's lower chain, and that its upper one has unchanged."""
        with ExitStack() as stack:
            lower, middle, upper = (
                stack.enter_context(self._snapshotter.view(chain)) for chain in (cut.lower, kept, cut.upper)
            )
            sizes = {
                change.path: change.node.size
                for change in diff(lower, middle, places(self._store, cut.lower, kept, lower))
                if change.node is not None and change.kind in (ChangeKind.ADD, ChangeKind.MODIFY)
            }
            gone = []
            for change in diff(middle, upper, places(self._store, kept, cut.upper, middle)):
                if change.kind is not ChangeKind.PARENT:
                    sizes.pop(change.path, None)
                if change.node is None or not change.node.is_dir:
                    gone.append(change.path + "/")
            return sum(size for path, size in sizes.items() if not path.startswith(tuple(gone)))
