"""Run the nodes of a graph, each when all it needs is done, independent ones at the same time.

Invariant: when `walk` returns or raises, no work of it is running any more.
"""

from collections.abc import Callable, Mapping

from metalor_lang.errors import MetalorError
from metalor_lang.hints import TypeVar

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
    from metalor_lang.build.threads import Threads

    waiting = dict(needs)
    results: dict[int, T] = {}
    failures: list[BaseException] = []
    threads = Threads(work)
    try:
        while True:
            try:
                if not failures:
                    ready = sorted(node for node, before in waiting.items() if all(need in results for need in before))
                    for node in ready[: max(jobs, 1) - threads.running]:
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
