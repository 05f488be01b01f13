"""Trees that COPY writes beside the image, some of them while their digest is made.

Invariant: a tree that was written ahead holds exactly what the digest says; it is used at most once, and what nobody
used is gone when the nursery closes. When most of a context is known, or the store has a whole copy of the same
statement, nothing is written ahead: the step is then likely to be found, or to be an edit.
"""

import contextlib
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

from metalor_lang.build.contexts import tree_key
from metalor_lang.build.copies import Copies
from metalor_lang.build.growing import Dress, Growth, Tree, chown_all, grow
from metalor_lang.build.listed import EntryKind, Folder, Found
from metalor_lang.build.listings import Listings
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.permissions import ModeError
from metalor_lang.build.pieces import Hashed
from metalor_lang.build.placing import Layout
from metalor_lang.hints import Final
from metalor_lang.kernel import shared
from metalor_lang.pattern import pattern
from metalor_lang.plan.graph import CopyFiles
from metalor_lang.record import replace
from metalor_lang.store.store import Store

_NUMBERS: Final = pattern(r"([0-9]{1,9}):([0-9]{1,9})")


class Nursery:
    """The trees of one store's builds; safe to use from any number of threads.

    Args:
        store: where they lie until they are in their places.
        meanwhile: called when something is begun to be written ahead, while its worker starts.

    """

    def __init__(self, store: Store, *, meanwhile: Callable[[], object] | None = None) -> None:
        self._store = store
        self._meanwhile = meanwhile
        self._lock = threading.Lock()
        self._ahead: dict[Hashable, Tree] = {}
        self._saplings: list[Sapling] = []

    @staticmethod
    def worth(found: Found) -> bool:
        """Whether a source is to be written as a tree of its own."""
        return found.top.kind is EntryKind.DIRECTORY and found.files >= shared.WORTH

    def begin(self, key: Hashable, files: CopyFiles, epoch: int, root: int, origin: str) -> "Sapling | None":
        """Begin to write a source ahead, of which little is known; None where that is likely to be of no use.

        Args:
            key: as `contexts.tree_key`; another tree of this key is thrown away.
            files: the COPY.
            epoch: of its stage.
            root: the open tree that the source is of.
            origin: its canonical path there.

        """
        self._forget(key)
        if Copies(self._store, Listings(self._store)).knows(files):
            return None
        numbers = _NUMBERS.fullmatch(files.chown or "")
        owner = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)  # names need the image, which may come later
        path = self._store.scratch("ahead")
        try:
            growth = Growth(path, root, origin, Dress.of(owner, files.chmod, epoch), hashed=True, many=True)
        except ModeError:
            return None  # said by who copies
        except OSError:
            self._store.discard(path)
            return None
        sapling = Sapling(self, key, growth)
        with self._lock:
            self._saplings.append(sapling)
        if self._meanwhile is not None:
            self._meanwhile()
        return sapling

    def planted(self, key: Hashable, tree: Tree) -> None:
        """Keep a tree that was written ahead."""
        with self._lock:
            self._ahead[key] = tree

    def remove(self, sapling: "Sapling", path: Path | None) -> None:
        """Forget what is not being written any more, and what it wrote, if that is at a path."""
        with self._lock:
            self._saplings.remove(sapling)
        if path is not None:
            with contextlib.suppress(OSError):  # the lease ends with us: the next open deletes it
                self._store.discard(path)

    def trees(
        self,
        layout: Layout,
        root: int,
        files: CopyFiles,
        found: tuple[Found, ...],
        owner: tuple[int, int],
        epoch: int,
    ) -> tuple[tuple[str, Tree], ...]:
        """Every place that becomes a tree, and the tree, written ahead or now; they are the caller's.

        Args:
            layout: where everything lands.
            root: the open tree that the sources are of.
            files: the COPY.
            found: its sources.
            owner: of all that is copied.
            epoch: of its stage, in seconds since 1970.

        Raises:
            SourceError, OSError: as `grow`, with the place; nothing is left then.

        """
        made: list[tuple[str, Tree]] = []
        opener = SourceOpener(root)
        place = ""
        try:
            dress = Dress.of(owner, files.chmod, epoch)
            for each in layout.placements:
                if each.grown:
                    place = each.place
                    key = tree_key(files, found.index(each.found))
                    made.append((place, self._take(key, opener, each.found, dress)))
        except BaseException as error:
            for _, tree in made:
                self.discard(tree)
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, f"{place}/{error.filename or ''}".rstrip("/")) from error
            raise
        finally:
            opener.close()
        return tuple(made)

    def _take(self, key: Hashable, opener: SourceOpener, found: Found, dress: Dress) -> Tree:
        with self._lock:
            tree = self._ahead.pop(key, None)
        path = tree.path if tree is not None else self._store.scratch("grown")
        try:
            if tree is not None and tree.found is found and tree.fits(dress):
                if tree.dress.owner != dress.owner:
                    chown_all(tree, dress.owner)
                    tree = replace(tree, tails={})
                return replace(tree, dress=dress)
            if tree is not None:
                self._store.discard(path)
            return grow(path, opener, found, dress)
        except BaseException:
            self._store.discard(path)
            raise

    def discard(self, tree: Tree) -> None:
        """Throw a tree away that was taken."""
        self._store.discard(tree.path)

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            tree = self._ahead.pop(key, None)
        if tree is not None:
            self._store.discard(tree.path)

    def close(self) -> None:
        """Throw away what nobody took."""
        for sapling in list(self._saplings):
            sapling.give_up()
        for key in list(self._ahead):
            with contextlib.suppress(OSError):  # as above
                self._forget(key)


class Sapling:
    """A tree that is being written ahead.

    Args:
        nursery: where it is kept when it is finished.
        key: its name there.
        growth: writes it.

    """

    def __init__(self, nursery: Nursery, key: Hashable, growth: Growth) -> None:
        self._nursery = nursery
        self._key = key
        self._growth = growth

    def add(self, folder: Folder) -> None:
        """As `Growth.add`."""
        self._growth.add(folder)

    def finish(self, opener: SourceOpener, found: Found) -> Mapping[str, Hashed]:
        """Write the rest: what is known of the files of directories, by their paths; errors as `grow`."""
        tree = self._growth.finish(opener, found)
        self._growth.close()
        self._nursery.remove(self, None)
        self._nursery.planted(self._key, tree)
        return tree.hashed

    def give_up(self) -> None:
        """End it, and throw it away."""
        self._growth.close()
        self._nursery.remove(self, self._growth.path)
