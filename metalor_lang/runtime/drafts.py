"""Drafts of the next snapshot: where a step or a COPY writes.

Invariant: a draft is mounted by one at a time, here or in the world of a step, and while it is, nobody else changes
what it is mounted from; a draft belongs to one thread.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from metalor_lang.digest import Json
from metalor_lang.hints import Final, Self
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.paths import Root, open_beneath
from metalor_lang.kernel.trees import read_xattrs
from metalor_lang.record import dataclass
from metalor_lang.runtime.clamp import Unchanged, clamp
from metalor_lang.runtime.layering import clean_work
from metalor_lang.runtime.overlay import clone_directory, mount_view
from metalor_lang.runtime.request import LayeredView, MountPoints
from metalor_lang.store.errors import guarded
from metalor_lang.store.manifest import Beneath
from metalor_lang.store.snapshots import Draft
from metalor_lang.store.store import Store

DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_EXACT: Final = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS

Chain = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A snapshot's tree: where it lies, also as a name below the store; whether it hides what is below; its weight."""

    path: Path
    name: str
    whole: bool
    weight: int


def names_of(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Where they lie, as names below the store."""
    return tuple(layer.name for layer in layers)


def opened(path: Path, stack: ExitStack) -> int:
    """A directory, opened until the stack ends."""
    fd = os.open(path, DIRECTORY)
    stack.callback(os.close, fd)
    return fd


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
        lowers: Sequence[Layer],
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

    def for_step(self) -> LayeredView:
        """What a step mounts as its root; `root` is given up until it is asked for again."""
        self._close()
        if not self._lowers:
            return LayeredView(lowers=(), upper=self._name(self.upper))
        if self._used:
            clean_work(str(self._draft.work))
        self._used = True
        return LayeredView(
            lowers=names_of(self._lowers),
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
            folder = open_beneath(opened(self.upper, stack), head, DIRECTORY, resolve=_EXACT)
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
                fd = opened(self.upper, stack)
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
