"""Run the nodes of a graph, each when all it needs is done, independent ones at the same time.

Invariant: when `walk` returns or raises, no work of it is running any more, and what nodes left aside is done as well.
"""

from collections.abc import Callable, Mapping

from metalor_lang.errors import MetalorError
from metalor_lang.guards import Lock
from metalor_lang.hints import TypeVar

T = TypeVar("T")

Task = Callable[[], None]


class Stopped(MetalorError):
    """Work ended because other work failed or the user interrupted it; never the cause of a failure."""


class Aside:
    """Takes tasks that nodes leave behind while they go on: nothing waits for them but the end of the whole walk."""

    def __init__(self) -> None:
        self._taker: Callable[[Task, Task], bool] = lambda task, prepare: False

    def take(self, task: Task, prepare: Task) -> bool:
        """Have a task done beside what follows, if one more may run at this moment; callable from any node.

        Args:
            task: done in a thread of its own; it fails as a node does.
            prepare: called first, in this thread, when the task is taken.

        Returns:
            whether it was taken: else nobody does it.

        """
        return self._taker(task, prepare)

    def serve(self, taker: Callable[[Task, Task], bool]) -> None:
        """Have `taker` asked from now on; for `walk`."""
        self._taker = taker


def walk(
    needs: Mapping[int, tuple[int, ...]],
    work: Callable[[int, Mapping[int, T]], T],
    *,
    jobs: int,
    stop: Callable[[], None],
    aside: Aside | None = None,
) -> dict[int, T]:
    """The result of every node.

    Args:
        needs: for each node those that must be done before; a graph without cycles over its own keys.
        work: called in a thread with the node and the results so far.
        jobs: how many nodes and tasks at once (at least 1).
        stop: called once when something fails, and at every interrupt; must make running work end soon.
        aside: where nodes leave tasks.

    Raises:
        the first failure that is not a mere Stopped; KeyboardInterrupt after running work has ended.

    """
    from metalor_lang.build.threads import Threads

    waiting = dict(needs)
    results: dict[int, T] = {}
    failures: list[BaseException] = []
    threads = Threads(work)
    begins = Lock()

    def taken(task: Task, prepare: Task) -> bool:
        with begins:
            if failures or threads.running >= jobs:
                return False
            prepare()
            threads.begin_task(task)
            return True

    if aside is not None:
        aside.serve(taken)
    try:
        while True:
            try:
                if not failures:
                    ready = sorted(node for node, before in waiting.items() if all(need in results for need in before))
                    with begins:
                        for node in ready[: max(max(jobs, 1) - threads.running, 0)]:
                            del waiting[node]
                            threads.begin(node, dict(results))
                if not threads.running:
                    break
                ended = threads.wait()
            except KeyboardInterrupt as interrupt:
                failures.insert(0, interrupt)
                stop()
                continue
            for one in ended:
                if one.error is None:
                    if one.node is not None:
                        results[one.node] = one.result
                    continue
                if not failures:
                    stop()
                failures.append(one.error)
    finally:
        threads.join()
    if failures:
        raise next((error for error in failures if not isinstance(error, Stopped)), failures[0])
    if waiting:
        raise ValueError(f"nodes that wait for each other or for nothing: {sorted(waiting)}")
    return results
