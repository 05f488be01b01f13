"""Trees that COPY writes beside the image, some of them while their digest is made.

Invariant: a tree that was written ahead holds exactly what the digest says; it is used at most once, and what nobody
used is gone when the nursery closes. When most of a context is known, or the store has a whole copy of the same
statement, nothing is written ahead: the step is then likely to be found, or to be an edit.
"""

import contextlib
import threading
from collections.abc import Hashable
from typing import Final

from metalor_lang.build import hashing
from metalor_lang.build.copies import Copies
from metalor_lang.build.growing import Dress, Tree, chown_all, grow
from metalor_lang.build.listed import EntryKind, Found
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.permissions import ModeError
from metalor_lang.build.sources import SourceError
from metalor_lang.pattern import pattern
from metalor_lang.plan.graph import CopyFiles
from metalor_lang.record import replace
from metalor_lang.store.store import Store

_NUMBERS: Final = pattern(r"([0-9]{1,9}):([0-9]{1,9})")


class Nursery:
    """The trees of one store's builds; safe to use from any number of threads.

    Args:
        store: where they lie until they are in their places.

    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._ahead: dict[Hashable, Tree] = {}

    @staticmethod
    def worth(found: Found) -> bool:
        """Whether a source is to be written as a tree of its own."""
        return found.top.kind is EntryKind.DIRECTORY and found.files >= hashing.WORTH

    def begin(self, key: Hashable, files: CopyFiles, epoch: int, found: Found, root: int) -> dict[str, list[str]]:
        """Write a source ahead, of which little is known, and digest it on the way.

        Args:
            key: what `take` will be asked for; another tree of this key is thrown away.
            files: the COPY.
            epoch: of its stage.
            found: its source.
            root: the open tree that it is of.

        Returns:
            as `hashing.hash_unknown`; nothing of a directory that has to be digested otherwise.

        """
        self._forget(key)
        if not self.worth(found) or Copies(self._store).knows(files):
            return {}
        numbers = _NUMBERS.fullmatch(files.chown or "")
        owner = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)  # names need the image, which may come later
        try:
            dress = Dress.of(owner, files.chmod, epoch)
        except ModeError:
            return {}  # said by who copies
        path = self._store.scratch("ahead")
        opener = SourceOpener(root)
        try:
            tree = grow(path, opener, found, dress, hashed=True)
        except (SourceError, OSError):
            self._store.discard(path)
            return {}  # what is wrong is found by who digests, or who copies
        except BaseException:
            self._store.discard(path)
            raise
        finally:
            opener.close()
        with self._lock:
            self._ahead[key] = tree
        return tree.shas

    def take(self, key: Hashable, opener: SourceOpener, found: Found, dress: Dress) -> Tree:
        """A tree of a source: what was written ahead, or written now. It is the caller's.

        Args:
            key: as `begin`.
            opener: of the tree that the source is of.
            found: the source.
            dress: of all in it.

        Raises:
            SourceError, OSError: as `grow`; nothing is left then.

        """
        with self._lock:
            tree = self._ahead.pop(key, None)
        try:
            if tree is not None and tree.found is found and tree.fits(dress):
                if tree.dress.owner != dress.owner:
                    chown_all(tree, dress.owner)
                return replace(tree, dress=dress)
            if tree is not None:
                self._store.discard(tree.path)
            path = self._store.scratch("grown")
            try:
                return grow(path, opener, found, dress)
            except BaseException:
                self._store.discard(path)
                raise
        except BaseException:
            if tree is not None:
                self._store.discard(tree.path)
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
        for key in list(self._ahead):
            with contextlib.suppress(OSError):  # it belongs to a lease that ends: the next open deletes it
                self._forget(key)
