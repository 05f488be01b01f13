"""Locks between builds: flock(2) on files that are never deleted.

Invariant: locks are taken in the order store → layer → step, each thread for itself; a lock ends with its descriptor,
so a killed process holds none. There is no breaking of locks by time.
"""

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from metalor_lang.store.errors import guarded
from metalor_lang.store.files import open_private

_RANKS: Final = {"store": 0, "layer": 1, "step": 2}
_POLL: Final = 0.05
"""Seconds between tries of a wait that must be able to stop (a flock that blocks in a thread cannot be interrupted)."""


def rank_of(name: str) -> int:
    """The place of a lock in the order, from the word before the first `:`; any other word counts as a step's."""
    return _RANKS.get(name.partition(":")[0], _RANKS["step"])


class Locks:
    """The locks of one store.

    Args:
        root: the store's directory; lock files lie in `locks/`.

    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held = threading.local()

    def prepare(self, names: Iterable[str]) -> None:
        """Make the gate's file and those of some locks, where they are missing."""
        for path in (self._root / "locks" / "gate", *map(self.path, names)):
            os.close(open_private(path, os.O_RDWR | os.O_CREAT))

    def path(self, name: str) -> Path:
        """The file of a lock."""
        return self._root / "locks" / hashlib.sha256(os.fsencode(name)).hexdigest()[:32]

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
        with self._hold(name, fcntl.LOCK_EX, on_wait, stop):
            yield

    @contextmanager
    def shared(
        self,
        name: str,
        *,
        on_wait: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Iterator[None]:
        """Hold a lock together with other shared holders; arguments and errors as `exclusive`."""
        with self._hold(name, fcntl.LOCK_SH, on_wait, stop):
            yield

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """Take a lock alone if it is free at once; gives whether it was."""
        with self._opened(name) as fd:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

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

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        ranks: list[int] = self._held.__dict__.setdefault("ranks", [])
        rank = rank_of(name)
        if ranks and max(ranks) > rank:
            raise RuntimeError(f"lock {name!r} taken out of order: store, then layer, then step")
        with guarded(self._root):
            fd = open_private(self.path(name), os.O_RDWR | os.O_CREAT)
        ranks.append(rank)
        try:
            yield fd
        finally:
            ranks.remove(rank)
            os.close(fd)

    @contextmanager
    def _hold(
        self, name: str, how: int, on_wait: Callable[[str], None] | None, stop: Callable[[], bool] | None
    ) -> Iterator[None]:
        with self._opened(name) as fd:
            try:
                fcntl.flock(fd, how | fcntl.LOCK_NB)
            except BlockingIOError:
                if on_wait is not None:
                    on_wait(name)
                _wait(fd, how, stop, name)
            yield


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
