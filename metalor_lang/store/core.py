"""What every part of a store shares: its directory, its locks, this process's lease, and the quarantine.

Invariant: nothing damaged is deleted or crashed over: it is moved to `quarantine/`, and one line of notice says why.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.guards import Lock
from metalor_lang.hints import Final
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.trees import remove_tree
from metalor_lang.store.leases import Lease
from metalor_lang.store.locks import Locks

NOBODY: Final = "0" * 16
"""The lease of what any process may delete."""

_TRIES: Final = 8

DIRECTORIES: Final = (
    "blobs", "snapshots", "steps", "layers", "downloads", "partial", "logs", "locks", "leases", "quarantine", "refs",
    "tmp",
)  # fmt: skip


class Core:
    """The shared state of one open store.

    Args:
        root: the store's directory, which exists.
        on_notice: called with one line about anything repaired.

    """

    def __init__(self, root: Path, on_notice: Callable[[str], None] | None) -> None:
        self.root = root
        self.tmp = root / "tmp"
        self.locks = Locks(root)
        self.notices: list[str] = []
        self._on_notice = on_notice
        self._guard = Lock()
        self._lease: Lease | None = None
        self._users = 0

    def notice(self, line: str) -> None:
        """Remember one line for the user and pass it on."""
        self.notices.append(line)
        if self._on_notice is not None:
            self._on_notice(line)

    @property
    def lease(self) -> Lease:
        """The lease of this process, taken at the first use."""
        with self._guard:
            if self._lease is None:
                self._lease = Lease(self.root)
            return self._lease

    @contextmanager
    def leased(self) -> Iterator[Lease]:
        """Hold the lease for one build; the last build of this process to end gives it up, with all its pins."""
        with self._guard:
            if self._lease is None:
                self._lease = Lease(self.root)
            lease = self._lease
            self._users += 1
        try:
            yield lease
        finally:
            with self._guard:
                self._users -= 1
                if self._users == 0:
                    self._drop()

    def close(self) -> None:
        """Give up the lease whoever still uses it."""
        with self._guard:
            self._drop()

    def _drop(self) -> None:
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def scratch(self, label: str) -> Path:
        """A fresh name in `tmp/` that belongs to this process's lease."""
        return self.tmp / f"{self.lease.token}-{label}-{os.urandom(8).hex()}"

    def discard(self, path: Path) -> None:
        """Delete a file or tree of `tmp/`, or one that is nowhere any more."""
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for _ in range(_TRIES):
                try:
                    remove_tree(fd, path.name)
                except FileNotFoundError:  # it is gone, or another process deletes it too
                    if not os.path.lexists(path):
                        return
                else:
                    return
        finally:
            os.close(fd)

    def take_away(self, path: Path) -> Path | None:
        """Move an object out of sight in one step, to be deleted later; None when it is gone already."""
        # Nobody's: any later open may delete it, and a disk without room for a lease can still be emptied.
        target = self.tmp / f"{NOBODY}-gc-{os.urandom(8).hex()}"
        try:
            os.rename(path, target)
        except FileNotFoundError:
            return None
        return target

    def quarantine(self, path: Path, what: str, reason: str) -> None:
        """Move a damaged object to `quarantine/` and say so in one line."""
        target = self.root / "quarantine" / f"{path.name}-{os.urandom(4).hex()}"
        try:
            os.rename(path, target)
        except FileNotFoundError:
            return
        self.notice(f"{what} was damaged ({reason}); moved to {target}, it will be made again when needed")


def move_new(source: Path, target: Path) -> bool:
    """Rename to a name that must not exist; false when it does (renameat2(2) RENAME_NOREPLACE)."""
    try:
        syscalls.renameat2(syscalls.AT_FDCWD, source, syscalls.AT_FDCWD, target, syscalls.RENAME_NOREPLACE)
    except FileExistsError:
        return False
    return True
