"""The switch that ends steps from another thread or a signal handler.

Invariant: a step that joins after the switch was fired is told at once.
"""

from _signal import SIGINT  # type: ignore[import-not-found]  # `signal` makes enumerations of them all: 1 ms

from metalor_lang.guards import RLock
from metalor_lang.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from metalor_lang.runtime.plain import Socket

_INTERRUPT: int = SIGINT


class Cancel:
    """One switch that ends every step it was given to; safe to fire from a signal handler or any thread.

    The first `fire` sends the signal to all processes of the step, which have the request's grace to end; the second
    kills at once. Steps that start after it end at once with `cancelled`.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._steps: set[Socket] = set()
        self._fired: int | None = None

    @property
    def fired(self) -> bool:
        """It has been fired."""
        return self._fired is not None

    def fire(self, number: int = _INTERRUPT) -> None:
        """Send signal `number` to the steps."""
        with self._lock:
            self._fired = int(number)
            for sock in tuple(self._steps):
                self._send(sock)

    def _send(self, sock: "Socket") -> None:
        from metalor_lang.runtime import protocol  # a build that runs no command has none

        try:
            protocol.send(sock, protocol.CANCEL + str(self._fired).encode())
        except OSError:
            pass  # that step is over

    def join(self, sock: "Socket") -> None:
        """Add the socket of a step."""
        with self._lock:
            self._steps.add(sock)
            if self._fired is not None:
                self._send(sock)

    def leave(self, sock: "Socket") -> None:
        """Take the socket of a step out again."""
        with self._lock:
            self._steps.discard(sock)


def signals_to(cancel: Cancel) -> "AbstractContextManager[object]":
    """While the command runs, what asks us to end is for it; only a main thread may say so (signal(3))."""
    from signal import SIGHUP, SIGTERM

    from metalor_lang.kernel.signals import handled

    return handled((SIGINT, SIGTERM, SIGHUP), lambda number, _: cancel.fire(number))
