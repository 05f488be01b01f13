"""FETCH and GIT on the builder's side: what an unpinned one is now, and the bytes that a step needs, in the store.

Invariant: nothing of the network is touched for what the store has; the code for it is loaded when it is needed.
"""

import time

from metalor_lang.build.events import EventSink, NullSink, StepProgress, StepRef
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING, Final, assert_never
from metalor_lang.plan.graph import CloneGit, FetchFile
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.remote.dialing import Halt
    from metalor_lang.remote.fetch import Fetcher

_EVERY: Final = 0.25
"""Seconds between two tellings of how far a transfer is."""


class Remotes:
    """What comes over a network for one build.

    Args:
        store: keeps it.
        events: told how far transfers are.

    """

    def __init__(self, store: Store, events: EventSink | None = None) -> None:
        self._store = store
        self._events = events or NullSink()
        self._lock = Lock()
        self._halt: Halt | None = None
        self._stopped = False

    def pinned(self, action: FetchFile | CloneGit) -> str:
        """What an unpinned FETCH or GIT is now: the SHA-256 of the file, or the hash of the commit.

        Raises:
            FetchRefused: it cannot be had.
            StoreError: no room.

        """
        match action:
            case FetchFile():
                return self._fetcher().latest(action.url, action.fresh).digest.removeprefix("sha256:")
            case CloneGit():
                raise NotImplementedError
            case _:
                assert_never(action)

    def bring(self, action: FetchFile | CloneGit, ref: StepRef) -> str:
        """The digest of the blob that holds what a step needs.

        Raises:
            FetchRefused: it cannot be had.
            InterruptedError: it was stopped.
            StoreError: no room.

        """
        progress = _Progress(self._events, ref)
        match action:
            case FetchFile():
                return self._fetcher().pinned(action.url, f"sha256:{action.sha256}", progress).digest
            case CloneGit():
                raise NotImplementedError
            case _:
                assert_never(action)

    def stop(self) -> None:
        """End transfers, now and later ones at once; safe from any thread."""
        with self._lock:
            self._stopped = True
            halt = self._halt
        if halt is not None:
            halt.fire()

    def _switch(self) -> "Halt":
        from metalor_lang.remote.dialing import Halt

        with self._lock:
            if self._halt is None:
                self._halt = Halt()
                if self._stopped:
                    self._halt.fire()
            return self._halt

    def _fetcher(self) -> "Fetcher":
        from metalor_lang.remote.fetch import Fetcher

        return Fetcher(self._store, halt=self._switch())


class _Progress:
    """Tells of a transfer now and then."""

    def __init__(self, events: EventSink, ref: StepRef) -> None:
        self._events = events
        self._ref = ref
        self._last = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._events.emit(StepProgress(step=self._ref, done=done, total=total))
