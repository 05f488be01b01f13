"""When recipes are checked: at once while that is quick, never for more than half of the time, and once more when
nobody types, with the disk asked anew.

Invariant: what is published last is what a fresh check of the last version says.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from lsprotocol import types

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.reporting import reported, settled
from metalor_lang.record import dataclass

log: Final = logging.getLogger("metalor.lsp")

IDLE: Final = 0.4
"""Seconds without a change after which the disk is asked anew."""
_CHEAP: Final = 0.004
"""Seconds that looking at bases may take while somebody types."""
_MOST: Final = 0.25
"""Seconds that a change waits at the most because checking takes long."""


@contextmanager
def without_collections() -> Iterator[None]:
    """Put garbage collections off: in between they would walk all that a check makes, and find nothing."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@dataclass(slots=True)
class _State:
    """What is pending and known of one document."""

    soon: asyncio.TimerHandle | None = None
    idle: asyncio.TimerHandle | None = None
    ended: float = 0.0
    took: float = 0.0
    settling: float = 1.0
    said: list[types.Diagnostic] | None = None

    def cancel(self) -> None:
        for timer in (self.soon, self.idle):
            if timer is not None:
                timer.cancel()
        self.soon = self.idle = None


class Checking:
    """Checks documents after their changes.

    Args:
        publish: sends a document's diagnostics.
        client: tells what the client can show, once that is known.
        fail: shows the user a sentence.

    """

    def __init__(
        self,
        publish: Callable[[Document, list[types.Diagnostic]], None],
        client: Callable[[], Client],
        fail: Callable[[str], None],
    ) -> None:
        self._publish = publish
        self._fail = fail
        self._client = client
        self._states: dict[str, _State] = {}

    def opened(self, document: Document) -> None:
        """Check a document now, with its bases."""
        state = self._states.setdefault(document.uri, _State())
        state.cancel()
        self._check(document, state, deep=True)

    def changed(self, document: Document) -> None:
        """Check a document soon."""
        state = self._states.setdefault(document.uri, _State())
        loop = asyncio.get_running_loop()
        state.cancel()
        # As long as the last check took, the server is free for other work.
        busy = min(max(state.ended + state.took - time.monotonic(), 0.0), _MOST)
        wait = max(busy, document.settings.delay / 1000)
        if wait <= 0:
            self._check(document, state, deep=False)
        else:
            state.soon = loop.call_later(wait, self._check, document, state, False)
        state.idle = loop.call_later(wait + IDLE, self._again, document, state)

    def disturbed(self, document: Document) -> None:
        """Check a document when it is quiet: something around it may have changed."""
        state = self._states.setdefault(document.uri, _State())
        if state.idle is None:  # a build that writes file after file must not put it off for ever
            state.idle = asyncio.get_running_loop().call_later(IDLE, self._again, document, state)

    def closed(self, document: Document) -> None:
        """Forget a document, and take its diagnostics back."""
        state = self._states.pop(document.uri, None)
        if state is not None:
            state.cancel()
        self._publish(document, [])

    def end(self) -> None:
        """Check nothing more."""
        for state in self._states.values():
            state.cancel()

    def _again(self, document: Document, state: _State) -> None:
        state.idle = None
        document.look_again()
        self._check(document, state, deep=True)
        gc.collect()

    def _check(self, document: Document, state: _State, deep: bool) -> None:
        state.soon = None
        began = time.monotonic()
        try:
            with without_collections():
                self._say(document, state, deep)
        except Exception as error:
            # What was said before stays, and the next change is checked like any other.
            log.exception("%s could not be checked", document.uri)
            self._fail(f"a bug of metalor: {document.uri} could not be checked: {type(error).__name__}: {error}")
        document.forget()
        state.ended = time.monotonic()
        state.took = state.ended - began

    def _say(self, document: Document, state: _State, deep: bool) -> None:
        found: tuple[Diagnostic, ...] = document.diagnostics
        if not found and (deep or state.settling < _CHEAP):
            before = time.monotonic()
            found = settled(document)
            state.settling = time.monotonic() - before
        said = reported(document, self._client(), found)
        if said != state.said or not deep:
            state.said = said
            self._publish(document, said)
