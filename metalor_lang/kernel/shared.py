"""Do jobs of `kernel.bulk` in this process and in one worker beside it.

Invariant: results come in the order of the jobs and are the same whoever did them; a worker ends with the call, and by
itself when this process is killed (its pipe ends).
"""

import fcntl
import os
import select
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.kernel import bulk

if TYPE_CHECKING:
    from metalor_lang.kernel.process import Child

Job = bulk.HashJob | bulk.CopyJob
WORTH: Final = 2000
"""Files from which on a worker (15 ms of a processor's time to start) pays."""
BATCH: Final = 200
"""Files of one job at most: so the pipes hold two jobs and their answers, and nobody waits for the other's reading."""
MOSTLY: Final = 0.6
_AHEAD: Final = 2
_PIPE: Final = 1 << 20


class Failed(Exception):
    """A job failed; `index` says which, the cause is the OSError."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def do_all(
    jobs: Sequence[Job], roots: tuple[int, ...], files: int, *, mostly: Callable[[], None] | None = None
) -> list[bulk.Answer]:
    """The results of jobs, in their order.

    Args:
        jobs: independent of one another, each of at most BATCH files.
        roots: directories that their paths start from.
        files: how many they are in all; from WORTH on, and with two processors, a worker does a part of them.
        mostly: called once when MOSTLY of the jobs are given out, where there is a worker.

    Raises:
        Failed: with the number of a job that failed.

    """
    if files < WORTH or len(jobs) < 2 * _AHEAD or len(os.sched_getaffinity(0)) < 2:
        return [_do(at, job, roots) for at, job in enumerate(jobs)]
    with _Worker(roots) as worker:
        return _both(jobs, roots, worker, mostly)


def _do(at: int, job: Job, roots: tuple[int, ...]) -> bulk.Answer:
    try:
        return bulk.do(job, roots)
    except OSError as error:
        raise Failed(at) from error


def _both(
    jobs: Sequence[Job], roots: tuple[int, ...], worker: "_Worker", mostly: Callable[[], None] | None
) -> list[bulk.Answer]:
    results = [(b"", b"")] * len(jobs)
    away: deque[int] = deque()
    todo = deque(range(len(jobs)))
    left = len(jobs) * (1 - MOSTLY)
    while todo or away:
        if mostly is not None and len(todo) <= left:
            mostly()
            mostly = None
        at = -1
        try:
            while todo and len(away) < _AHEAD:
                at = todo.popleft()
                away.append(at)
                worker.send(jobs[at])
            if not todo or worker.answered():
                at = away.popleft()
                results[at] = worker.answer()
                continue
        except OSError as error:
            raise Failed(at) from error
        mine = todo.popleft()
        results[mine] = _do(mine, jobs[mine], roots)
    return results


class _Worker:
    def __init__(self, roots: tuple[int, ...]) -> None:
        jobs, self._jobs = os.pipe()
        self._answers, answers = os.pipe()
        try:
            for pipe in (self._jobs, answers):
                with suppress(OSError):  # what does not fit is waited for
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
            argv = [sys.executable, "-I", "-S", "-X", "utf8", bulk.__file__, str(jobs), str(answers)]
            from metalor_lang.kernel.process import spawn  # most builds have nothing for a worker

            self._child: Child = spawn([*argv, *map(str, roots)], pass_fds=(jobs, answers, *roots))
        except BaseException:
            os.close(self._jobs)
            os.close(self._answers)
            raise
        finally:
            os.close(jobs)
            os.close(answers)

    def send(self, job: Job) -> None:
        bulk.send(self._jobs, job)

    def answered(self) -> bool:
        return bool(select.select([self._answers], [], [], 0)[0])

    def answer(self) -> bulk.Answer:
        try:
            said = bulk.receive(self._answers)
        except EOFError:
            raise ChildProcessError("the worker ended early") from None
        match said:
            case (bytes() as status, bytes() as shas):
                return status, shas
            case (int() as number, str() as text):
                raise OSError(number, text)
            case _:
                raise ValueError("a worker's answer")

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._jobs)  # it ends with the job that it has
        os.close(self._answers)
        self._child.wait()
