"""Locks and conditions of threads, without the import of `threading` as long as nobody waits; what closes itself.

Invariant: as those of `threading` to whoever uses them. Most commands start no thread, but whatever may be used by
several is guarded in all of them.
"""

from _thread import RLock, _local, allocate_lock

from metalor_lang.hints import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

Lock = allocate_lock
Local = _local

__all__ = ["Closing", "Condition", "Local", "Lock", "RLock"]


class Closing:
    """Something that is closed at the end of a `with`, however that ends."""

    __slots__ = ()

    def close(self) -> None:
        """Give everything back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Condition:
    """As `threading.Condition` over a lock that its holder may take again."""

    __slots__ = ("_lock", "_made")

    def __init__(self) -> None:
        self._lock = RLock()
        self._made: threading.Condition | None = None

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Let go of the lock until somebody notifies, or for so many seconds; False when they are over."""
        return self._real().wait(timeout)

    def wait_for(self, predicate: "Callable[[], object]", timeout: float | None = None) -> bool:
        """Wait until it holds, or for so many seconds; gives whether it does."""
        return bool(predicate()) or bool(self._real().wait_for(predicate, timeout))

    def notify_all(self) -> None:
        """Wake everybody who waits; with the lock held."""
        if self._made is not None:
            self._made.notify_all()

    def _real(self) -> "threading.Condition":
        # With the lock held, as all that waits and notifies must be.
        if self._made is None:
            import threading

            self._made = threading.Condition(self._lock)
        return self._made
