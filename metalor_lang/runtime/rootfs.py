"""Views of a chain of snapshots, and drafts of the next one: by overlay where possible, by copying where not.

Invariant: both ways give the same trees, but for what overlayfs itself does differently (overlayfs.rst, "Non-standard
behavior"): written in place by one name, a file of a lower layer is parted from its other names. A draft belongs to
one thread; a snapshotter to any number of them.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from metalor_lang.hints import Protocol
from metalor_lang.kernel.paths import Root
from metalor_lang.runtime.clamp import Unchanged
from metalor_lang.runtime.compaction import MAX_CHAIN, cheapest, weight
from metalor_lang.runtime.drafts import DIRECTORY, Layer, names_of, opened
from metalor_lang.runtime.drafts import Chain as Chain
from metalor_lang.runtime.drafts import DraftView as DraftView
from metalor_lang.runtime.merge import copy_root_attributes, merge_layers
from metalor_lang.runtime.overlay import OverlayRefused, clone_directory, mount_view, probe
from metalor_lang.runtime.request import LayeredView, MountPoints
from metalor_lang.runtime.skeleton import mount_points
from metalor_lang.store.errors import guarded
from metalor_lang.store.store import Store


class Snapshotter(Protocol):
    """What gives views of chains."""

    @property
    def name(self) -> str:
        """`overlay` or `copy`."""
        ...

    def layers(self, chain: Sequence[str]) -> tuple[Path, ...]:
        """The directories that make up a chain's tree, base first; what a whole snapshot hides is left out."""
        ...

    def view(self, chain: Sequence[str]) -> Root:
        """A chain's tree, for reading only; the caller closes it. An empty chain is an empty tree."""
        ...

    def for_step(self, chain: Sequence[str]) -> LayeredView:
        """A chain's tree, for reading in a step; an empty chain is an error."""
        ...

    def draft(self, chain: Sequence[str]) -> DraftView:
        """A writable view on a chain; throw it away with `discard()`, or end its context, for a run without traces."""
        ...


def _everything_changed(stack: ExitStack) -> Unchanged:
    return lambda path, status: False


class _Layers:
    """The layers of chains; what a snapshot is never changes, so each is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Layer] = {}

    def of(self, chain: Sequence[str]) -> tuple[Layer, ...]:
        """Those that show, base first; raises MissingObject."""
        found: list[Layer] = []
        for identity in reversed(chain):
            found.append(self._layer(identity))
            if found[-1].whole:
                break
        return tuple(reversed(found))

    def _layer(self, identity: str) -> Layer:
        layer = self._known.get(identity)
        if layer is None:
            path = self._store.snapshots.fs_path(identity)
            info = self._store.snapshots.info(identity)
            layer = Layer(
                path=path,
                name=os.path.relpath(path, self._store.root),
                whole=info.kind == "whole",
                weight=weight(info.size, info.entries),
            )
            self._known[identity] = layer
        return layer


def _paths(layers: Sequence[Layer]) -> tuple[Path, ...]:
    return tuple(layer.path for layer in layers)


def _mount_points(store: Store) -> MountPoints | None:
    try:
        return mount_points(store.root)
    except OSError:  # a store without room can still be read and emptied
        return None


def _empty_view(store: Store) -> Root:
    path = store.scratch("empty")
    os.mkdir(path, 0o755)
    try:
        return Root(os.open(path, DIRECTORY))  # it lives on, empty for ever, as long as the descriptor does
    finally:
        os.rmdir(path)


class _TemporaryRoot(Root):
    """A root whose tree goes away with it."""

    __slots__ = ("_remove",)

    def __init__(self, fd: int, remove: Callable[[], None]) -> None:
        super().__init__(fd)
        self._remove = remove

    def close(self) -> None:
        if self.fd >= 0:
            super().close()
            self._remove()


class OverlaySnapshotter:
    """Views by overlay mounts.

    Args:
        store: whose snapshots are shown.
        longest: the most snapshots in a chain that a draft stands on, at least 2; of longer ones some are folded.

    """

    name = "overlay"

    def __init__(self, store: Store, *, longest: int = MAX_CHAIN) -> None:
        self._store = store
        self._longest = longest
        self._layers = _Layers(store)
        self._mount_points = _mount_points(store)

    def layers(self, chain: Sequence[str]) -> tuple[Path, ...]:
        """As the protocol says."""
        return _paths(self._layers.of(chain))

    def view(self, chain: Sequence[str]) -> Root:
        """As the protocol says.

        Raises:
            OverlayRefused: no overlay can be mounted.
            MissingObject: a snapshot is not in the store.

        """
        if not chain:
            return _empty_view(self._store)
        return Root(mount_view(self.layers(chain)))

    def for_step(self, chain: Sequence[str]) -> LayeredView:
        """As the protocol says."""
        return LayeredView(lowers=names_of(self._layers.of(chain)))

    def draft(self, chain: Sequence[str]) -> DraftView:
        """As the protocol says; errors as `view`, and those of a full or read-only store."""
        below = self._compacted(tuple(chain[-len(self._layers.of(chain)) :]) if chain else ())
        lowers = self._layers.of(below)
        draft = self._store.snapshots.draft("overlay" if below else "whole")
        try:
            if lowers:
                # The root directory of a view is the upper one: it must look like the root below.
                with ExitStack() as stack:
                    copy_root_attributes(opened(lowers[-1].path, stack), opened(draft.fs, stack))
        except BaseException:
            draft.discard()
            raise
        return DraftView(self._store, draft, lowers, below, _everything_changed, self._mount_points)

    def _compacted(self, chain: Chain) -> Chain:
        while len(chain) > self._longest:
            # The lowest one is a whole tree, most often a base: folded, it would be copied for every image on it.
            start, end = cheapest([layer.weight for layer in self._layers.of(chain)[1:]])
            start, end = start + 1, end + 1
            chain = (*chain[:start], self._folded(chain[start:end]), *chain[end:])
        return chain

    def _folded(self, some: Chain) -> str:
        # Two steps may fold the same layers at the same time: each gets its own, equal, snapshot.
        with guarded(self._store.root), self._store.snapshots.draft("overlay") as draft, ExitStack() as stack:
            fds = [opened(layer.path, stack) for layer in self._layers.of(some)]
            merge_layers(fds, opened(draft.fs, stack), bottom=False)
            # Nothing is acknowledged with it: the record of the step that stands on it is not kept before it is safe.
            return draft.commit({"compacted": list(some)}, durable=False)


class CopySnapshotter:
    """Views by plain copies, for machines that refuse overlay: every snapshot is a whole tree.

    Args:
        store: whose snapshots are shown.

    """

    name = "copy"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._layers = _Layers(store)

    def layers(self, chain: Sequence[str]) -> tuple[Path, ...]:
        """As the protocol says."""
        return _paths(self._layers.of(chain))

    def view(self, chain: Sequence[str]) -> Root:
        """As the protocol says.

        Raises:
            MissingObject: a snapshot is not in the store.

        """
        layers = self.layers(chain)
        if not layers:
            return _empty_view(self._store)
        if len(layers) == 1:
            return Root(clone_directory(layers[0], read_only=True))
        return self._folded(layers)

    def for_step(self, chain: Sequence[str]) -> LayeredView:
        """As the protocol says."""
        return LayeredView(lowers=names_of(self._layers.of(chain)))

    def draft(self, chain: Sequence[str]) -> DraftView:
        """As the protocol says; errors as `view`, and those of a full or read-only store."""
        layers = self.layers(chain)
        draft = self._store.snapshots.draft("whole")
        try:
            self._fold(layers, draft.fs)
        except BaseException:
            draft.discard()
            raise

        def unchanged(stack: ExitStack) -> Unchanged:
            below = self.view(chain)
            stack.callback(below.close)
            return _same_as(below)

        return DraftView(self._store, draft, (), (), unchanged)

    def _fold(self, layers: Sequence[Path], target: Path) -> None:
        with guarded(self._store.root), ExitStack() as stack:
            fds = [opened(path, stack) for path in layers]
            merge_layers(fds, opened(target, stack), bottom=True)

    def _folded(self, layers: Sequence[Path]) -> Root:
        path = self._store.scratch("view")
        os.mkdir(path, 0o755)
        try:
            self._fold(layers, path)
            return _TemporaryRoot(os.open(path, DIRECTORY), lambda: self._store.discard(path))
        except BaseException:
            self._store.discard(path)
            raise


def _same_as(below: Root) -> Unchanged:
    def unchanged(path: str, status: os.stat_result) -> bool:
        before = below.stat("/" + path)
        return before is not None and all(
            getattr(before, name) == getattr(status, name)
            for name in ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_rdev")
        )

    return unchanged


def choose_snapshotter(store: Store, *, on_notice: Callable[[str], None] | None = None) -> Snapshotter:
    """The overlay snapshotter where overlays can be mounted in the store's file system, else the copying one.

    Args:
        store: where the trial is made.
        on_notice: called with one line when views must be copied.

    """
    trial = store.scratch("probe")
    os.mkdir(trial, 0o700)
    try:
        probe(trial)
    except OverlayRefused as error:
        if on_notice is not None:
            on_notice(f"{error.message}: views are copied instead, which is slower and gives the same results")
        return CopySnapshotter(store)
    finally:
        store.discard(trial)
    return OverlaySnapshotter(store)
