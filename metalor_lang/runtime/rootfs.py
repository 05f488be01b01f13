"""Views of a chain of snapshots, and drafts of the next one: by overlay where possible, by copying where not.

Invariant: both ways give the same trees, but for what overlayfs itself does differently (overlayfs.rst, "Non-standard
behavior"): written in place by one name, a file of a lower layer is parted from its other names. A draft belongs to
one thread; a snapshotter to any number of them.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from metalor_lang.digest import Json
from metalor_lang.hints import Final, Protocol, Self
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.paths import Root, open_beneath
from metalor_lang.kernel.trees import read_xattrs
from metalor_lang.record import dataclass
from metalor_lang.runtime.clamp import Unchanged, clamp
from metalor_lang.runtime.compaction import MAX_CHAIN, cheapest, weight
from metalor_lang.runtime.layering import clean_work
from metalor_lang.runtime.merge import copy_root_attributes, merge_layers
from metalor_lang.runtime.overlay import OverlayRefused, clone_directory, mount_view, probe
from metalor_lang.runtime.request import LayeredView, MountPoints
from metalor_lang.runtime.skeleton import mount_points
from metalor_lang.store.errors import guarded
from metalor_lang.store.manifest import Beneath
from metalor_lang.store.snapshots import Draft
from metalor_lang.store.store import Store

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_EXACT: Final = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS

Chain = tuple[str, ...]


class DraftView:
    """A writable view whose changes become the next snapshot; discarded when its context ends uncommitted.

    It is mounted by whoever changes it, and by one at a time: here when `root` is asked for, or in the world of a step
    from what `for_step` gives.

    Attributes:
        upper: where the changes lie: an overlay's upper directory, or (copying) the whole tree.

    """

    def __init__(
        self,
        store: Store,
        draft: Draft,
        lowers: "Sequence[_Layer]",
        below: Chain,
        unchanged: Callable[[ExitStack], Unchanged],
        mount_points: MountPoints | None = None,
    ) -> None:
        self.upper: Path = draft.fs
        self._store = store
        self._draft = draft
        self._lowers = tuple(lowers)
        self._below = below
        self._unchanged = unchanged
        self._mount_points = mount_points
        self._root: Root | None = None
        self._used = False
        self._right: set[str] = set()
        self._known: dict[str, Beneath] = {}

    @property
    def root(self) -> Root:
        """The whole tree, to read and write in this process.

        Raises:
            OverlayRefused: no overlay can be mounted.

        """
        if self._root is None:
            if self._lowers:
                if self._used:
                    clean_work(str(self._draft.work))
                lowers = [layer.path for layer in self._lowers]
                self._root = Root(mount_view(lowers, self.upper, self._draft.work))
                self._used = True
            else:
                self._root = Root(clone_directory(self.upper))
        return self._root

    @property
    def view_fd(self) -> int:
        """The descriptor of `root` (`O_PATH`): a detached mount where the machine allows one."""
        return self.root.fd

    def for_step(self) -> LayeredView:
        """What a step mounts as its root; `root` is given up until it is asked for again."""
        self._close()
        if not self._lowers:
            return LayeredView(lowers=(), upper=self._name(self.upper))
        if self._used:
            clean_work(str(self._draft.work))
        self._used = True
        return LayeredView(
            lowers=_names(self._lowers),
            upper=self._name(self.upper),
            work=self._name(self._draft.work),
            mount_points=self._mount_points,
        )

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self._store.root)

    def _close(self) -> None:
        if self._root is not None:
            self._root.close()
            self._root = None

    def adopt(self, place: str, tree: Path, known: Beneath | None) -> None:
        """Put a tree from elsewhere in the store in place of an empty directory that was made in this view.

        Args:
            place: canonical path of the directory, relative to the view; it has no attributes but an overlay's.
            tree: all times in it are right.
            known: what the manifest is to say of what is in it; None to have it looked at.

        Raises:
            OSError: as rename(2).

        """
        self._close()  # an overlay must not see its directories change
        head, _, name = place.rpartition("/")
        with guarded(self.upper), ExitStack() as stack:
            folder = open_beneath(_opened(self.upper, stack), head, _DIRECTORY, resolve=_EXACT)
            stack.callback(os.close, folder)
            before = os.fstat(folder)
            for key, value in read_xattrs(folder, name).items():
                os.setxattr(tree, key, value, follow_symlinks=False)
            os.rename(tree, name, dst_dir_fd=folder)
            os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
        self._right.add(place)
        if known is not None:
            self._known[place] = known

    def commit(
        self, meta: Mapping[str, Json], *, epoch: int | None = None, seal: bool = False, durable: bool = True
    ) -> Chain:
        """End the view and keep its changes as a snapshot.

        Args:
            meta: JSON kept with the snapshot.
            epoch: seconds since 1970; newer times of what changed are set to it first. None leaves times alone.
            seal: hash every file now, for a later verify.
            durable: as of Draft.commit.

        Returns:
            the chain with the changes (it may be shorter than the old one, after a compaction or by copying).

        Raises:
            StoreFull: no room; the draft is discarded with its context.

        """
        self._close()
        if epoch is not None:
            with guarded(self.upper), ExitStack() as stack:
                fd = _opened(self.upper, stack)
                clamp(fd, epoch, unchanged=self._unchanged(stack), right=self._right)
        return (*self._below, self._draft.commit(meta, seal=seal, durable=durable, known=self._known))

    def discard(self) -> None:
        """End the view and forget its changes; does nothing after a commit."""
        self._close()
        self._draft.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.discard()


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


def _opened(path: Path, stack: ExitStack) -> int:
    fd = os.open(path, _DIRECTORY)
    stack.callback(os.close, fd)
    return fd


def _everything_changed(stack: ExitStack) -> Unchanged:
    return lambda path, status: False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A snapshot's tree: where it lies, also as a name below the store; whether it hides what is below; its weight."""

    path: Path
    name: str
    whole: bool
    weight: int


class _Layers:
    """The layers of chains; what a snapshot is never changes, so each is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, _Layer] = {}

    def of(self, chain: Sequence[str]) -> tuple[_Layer, ...]:
        """Those that show, base first; raises MissingObject."""
        found: list[_Layer] = []
        for identity in reversed(chain):
            found.append(self._layer(identity))
            if found[-1].whole:
                break
        return tuple(reversed(found))

    def _layer(self, identity: str) -> _Layer:
        layer = self._known.get(identity)
        if layer is None:
            path = self._store.snapshots.fs_path(identity)
            info = self._store.snapshots.info(identity)
            layer = _Layer(
                path=path,
                name=os.path.relpath(path, self._store.root),
                whole=info.kind == "whole",
                weight=weight(info.size, info.entries),
            )
            self._known[identity] = layer
        return layer


def _paths(layers: Sequence[_Layer]) -> tuple[Path, ...]:
    return tuple(layer.path for layer in layers)


def _names(layers: Sequence[_Layer]) -> tuple[str, ...]:
    return tuple(layer.name for layer in layers)


def _mount_points(store: Store) -> MountPoints | None:
    try:
        return mount_points(store.root)
    except OSError:  # a store without room can still be read and emptied
        return None


def _empty_view(store: Store) -> Root:
    path = store.scratch("empty")
    os.mkdir(path, 0o755)
    try:
        return Root(os.open(path, _DIRECTORY))  # it lives on, empty for ever, as long as the descriptor does
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
        return LayeredView(lowers=_names(self._layers.of(chain)))

    def draft(self, chain: Sequence[str]) -> DraftView:
        """As the protocol says; errors as `view`, and those of a full or read-only store."""
        below = self._compacted(tuple(chain[-len(self._layers.of(chain)) :]) if chain else ())
        lowers = self._layers.of(below)
        draft = self._store.snapshots.draft("overlay" if below else "whole")
        try:
            if lowers:
                # The root directory of a view is the upper one: it must look like the root below.
                with ExitStack() as stack:
                    copy_root_attributes(_opened(lowers[-1].path, stack), _opened(draft.fs, stack))
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
            fds = [_opened(layer.path, stack) for layer in self._layers.of(some)]
            merge_layers(fds, _opened(draft.fs, stack), bottom=False)
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
        return LayeredView(lowers=_names(self._layers.of(chain)))

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
            fds = [_opened(path, stack) for path in layers]
            merge_layers(fds, _opened(target, stack), bottom=True)

    def _folded(self, layers: Sequence[Path]) -> Root:
        path = self._store.scratch("view")
        os.mkdir(path, 0o755)
        try:
            self._fold(layers, path)
            return _TemporaryRoot(os.open(path, _DIRECTORY), lambda: self._store.discard(path))
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
