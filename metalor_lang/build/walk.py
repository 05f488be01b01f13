"""Run the nodes of a graph, each when all it needs is done, independent ones at the same time.

Invariant: when `walk` returns or raises, no work of it is running any more.
"""

from collections.abc import Callable, Mapping

from metalor_lang.errors import MetalorError
from metalor_lang.hints import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class Stopped(MetalorError):
    """Work ended because other work failed or the user interrupted it; never the cause of a failure."""


def walk(
    needs: Mapping[int, tuple[int, ...]],
    work: Callable[[int, Mapping[int, T]], T],
    *,
    jobs: int,
    stop: Callable[[], None],
) -> dict[int, T]:
    """The result of every node.

    Args:
        needs: for each node those that must be done before; a graph without cycles over its own keys.
        work: called in a thread with the node and the results so far.
        jobs: how many nodes at once (at least 1).
        stop: called once when something fails, and at every interrupt; must make running work end soon.

    Raises:
        the first failure that is not a mere Stopped; KeyboardInterrupt after running work has ended.

    """
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

    waiting = dict(needs)
    results: dict[int, T] = {}
    running: dict[Future[T], int] = {}
    failures: list[BaseException] = []
    pool = ThreadPoolExecutor(max_workers=max(jobs, 1), thread_name_prefix="stage")
    try:
        while True:
            if not failures:
                ready = sorted(node for node, before in waiting.items() if all(need in results for need in before))
                for node in ready:
                    del waiting[node]
                    running[pool.submit(work, node, dict(results))] = node
            if not running:
                break
            try:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt as interrupt:
                failures.insert(0, interrupt)
                stop()
                continue
            for future in done:
                node = running.pop(future)
                error = future.exception()
                if error is None:
                    results[node] = future.result()
                    continue
                if not failures:
                    stop()
                failures.append(error)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if failures:
        raise next((error for error in failures if not isinstance(error, Stopped)), failures[0])
    if waiting:
        raise ValueError(f"nodes that wait for each other or for nothing: {sorted(waiting)}")
    return results
