"""Locks between builds: flock(2) on files that are never deleted.

Invariant: locks are taken in the order store → layer → step, each thread for itself; a lock ends with its descriptor,
so a killed process holds none. There is no breaking of locks by time.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.digest import sha256
from metalor_lang.guards import Local
from metalor_lang.hints import Final
from metalor_lang.store.errors import guarded
from metalor_lang.store.files import open_private

_RANKS: Final = {"store": 0, "layer": 1, "step": 2}
_POLL: Final = 0.05
"""Seconds between tries of a wait that must be able to stop (a flock that blocks in a thread cannot be interrupted)."""


def rank_of(name: str) -> int:
    """The place of a lock in the order, from the word before the first `:`; any other word counts as a step's."""
    return _RANKS.get(name.partition(":")[0], _RANKS["step"])


class Held:
    """A lock that is held until `release`.

    Args:
        fd: of its flocked file.
        ranks: what the thread that took it holds.
        rank: of this lock.

    """

    def __init__(self, fd: int, ranks: list[int], rank: int) -> None:
        self._fd = fd
        self._ranks: list[int] | None = ranks
        self._rank = rank

    def hand_over(self) -> None:
        """Let another thread release it: it no longer counts in the order of the one that took it.

        Whoever gets it must not wait for another lock before it is released.
        """
        if self._ranks is not None:
            self._ranks.remove(self._rank)
            self._ranks = None

    def release(self) -> None:
        """Give it up; a second call does nothing."""
        self.hand_over()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Locks:
    """The locks of one store.

    Args:
        root: the store's directory; lock files lie in `locks/`.

    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held = Local()

    def prepare(self, names: Iterable[str]) -> None:
        """Make the gate's file and those of some locks, where they are missing."""
        for path in (self._root / "locks" / "gate", *map(self.path, names)):
            os.close(open_private(path, os.O_RDWR | os.O_CREAT))

    def path(self, name: str) -> Path:
        """The file of a lock."""
        return self._root / "locks" / sha256(os.fsencode(name)).removeprefix("sha256:")[:32]

    def take(
        self,
        name: str,
        *,
        on_wait: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Held:
        """Take a lock alone, until it is released; arguments and errors as `exclusive`."""
        return self._take(name, fcntl.LOCK_EX, on_wait, stop)

    @contextmanager
    def exclusive(
        self,
        name: str,
        *,
        on_wait: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Iterator[None]:
        """Hold a lock alone.

        Args:
            name: `store…`, `layer:…` or `step:…`.
            on_wait: called once with the name when another holder must be waited for.
            stop: asked while waiting; true gives up with InterruptedError.

        Raises:
            RuntimeError: a lock of a later rank is already held by this thread.
            InterruptedError: `stop` said so.

        """
        held = self._take(name, fcntl.LOCK_EX, on_wait, stop)
        try:
            yield
        finally:
            held.release()

    @contextmanager
    def shared(
        self,
        name: str,
        *,
        on_wait: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Iterator[None]:
        """Hold a lock together with other shared holders; arguments and errors as `exclusive`."""
        held = self._take(name, fcntl.LOCK_SH, on_wait, stop)
        try:
            yield
        finally:
            held.release()

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """Take a lock alone if it is free at once; gives whether it was."""
        fd, held = self._opened(name)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            held.release()

    @contextmanager
    def gate(self, *, alone: bool) -> Iterator[None]:
        """Hold the store's gate for a moment: shared to look up and pin, alone to take objects away.

        It is the innermost lock of all and never held while waiting for another, so it has no place in the order.
        """
        with guarded(self._root):
            fd = open_private(self._root / "locks" / "gate", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield
        finally:
            os.close(fd)

    def _opened(self, name: str) -> tuple[int, Held]:
        ranks: list[int] = self._held.__dict__.setdefault("ranks", [])
        rank = rank_of(name)
        if ranks and max(ranks) > rank:
            raise RuntimeError(f"lock {name!r} taken out of order: store, then layer, then step")
        with guarded(self._root):
            fd = open_private(self.path(name), os.O_RDWR | os.O_CREAT)
        ranks.append(rank)
        return fd, Held(fd, ranks, rank)

    def _take(
        self, name: str, how: int, on_wait: Callable[[str], None] | None, stop: Callable[[], bool] | None
    ) -> Held:
        fd, held = self._opened(name)
        try:
            try:
                fcntl.flock(fd, how | fcntl.LOCK_NB)
            except BlockingIOError:
                if on_wait is not None:
                    on_wait(name)
                _wait(fd, how, stop, name)
        except BaseException:
            held.release()
            raise
        return held


def _wait(fd: int, how: int, stop: Callable[[], bool] | None, name: str) -> None:
    if stop is None:
        fcntl.flock(fd, how)
        return
    while not stop():
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_POLL)
        else:
            return
    raise InterruptedError(f"gave up waiting for {name}")
