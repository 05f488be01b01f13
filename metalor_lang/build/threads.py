"""A thread for each node of a graph that runs, and for each task beside them.

Invariant: an interrupt of the thread that waits loses no count of what still runs. `concurrent.futures` would do, but
its import (with `logging`) takes as long as a step.
"""

import threading
from collections.abc import Callable, Mapping

from metalor_lang.hints import Any, Generic, TypeVar
from metalor_lang.record import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended:
    """A node whose work is over, or a task (no node): `result` when there is no `error`."""

    node: int | None
    result: Any
    error: BaseException | None


class Threads(Generic[T]):
    """Runs nodes and tasks; one thread waits for them, and whoever begins them sees to it that he is alone.

    Args:
        work: called with a node and the results so far.

    """

    def __init__(self, work: Callable[[int, Mapping[int, T]], T]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._begun: list[threading.Thread] = []
        self._ended: list[Ended] = []
        self._given = 0

    @property
    def running(self) -> int:
        """How many have begun and were not given back by `wait`."""
        return sum(thread.ident is not None for thread in self._begun) - self._given

    def begin(self, node: int, done: Mapping[int, T]) -> None:
        """Work on a node in a thread of its own."""
        self._begin(f"stage-{node}", node, lambda: self._work(node, done))

    def begin_task(self, task: Callable[[], None]) -> None:
        """Do a task in a thread of its own."""
        self._begin("aside", None, task)

    def _begin(self, name: str, node: int | None, call: Callable[[], T | None]) -> None:
        thread = threading.Thread(target=self._run, args=(node, call), name=name)
        self._begun.append(thread)
        thread.start()

    def wait(self) -> list[Ended]:
        """Those that have ended since, at least one."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ended) > self._given)
            ended = self._ended[self._given :]
            self._given += len(ended)
        return ended

    def join(self) -> None:
        """Wait until no thread is left."""
        for thread in self._begun:
            if thread.ident is not None:
                thread.join()

    def _run(self, node: int | None, call: Callable[[], T | None]) -> None:
        result: T | None = None
        failed: BaseException | None = None
        try:
            result = call()
        except BaseException as error:
            failed = error
        with self._changed:
            self._ended.append(Ended(node, result, failed))
            self._changed.notify_all()
