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
    from metalor_lang.kernel.spawn import Child

Job = bulk.HashJob | bulk.CopyJob
WORTH: Final = 1000
"""Files from which on a worker (15 ms of a processor's time to start) pays."""
BATCH: Final = 200
"""Files of one job at most: so the pipes hold two jobs and their answers, and nobody waits for the other's reading."""
MOSTLY: Final = 0.6
"""The part of the jobs after which bringing to the disk what they wrote does not wait for the rest."""
_AHEAD: Final = 2
_PIPE: Final = 1 << 20


class Failed(Exception):
    """A job failed; `index` says which, the cause is the OSError."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def do_all(jobs: Sequence[Job], roots: tuple[int, ...], files: int) -> list[bulk.Answer]:
    """The results of jobs, in their order.

    Args:
        jobs: independent of one another, each of at most BATCH files.
        roots: directories that their paths start from.
        files: how many they are in all; from WORTH on, and with two processors, a worker does a part of them.

    Raises:
        Failed: with the number of a job that failed.

    """
    with Team(roots, worker=files >= WORTH and len(jobs) >= 2 * _AHEAD) as team:
        for job in jobs:
            team.add(job)
        return team.finish()


class Team:
    """Jobs that a worker begins with while others are still made; use as a context.

    Args:
        roots: directories that the paths of jobs start from.
        worker: whether one is of use; without a second processor there is none.
        heard: called with the number of each job and what it gave, as soon as that is here, in any order.

    """

    def __init__(
        self, roots: tuple[int, ...], *, worker: bool, heard: Callable[[int, bulk.Answer], None] | None = None
    ) -> None:
        self._roots = roots
        self._heard = heard
        self._jobs: list[Job] = []
        self._results: list[bulk.Answer] = []
        self._todo: deque[int] = deque()
        self._away: deque[int] = deque()
        self._failed: Failed | None = None
        self._worker = _Worker(roots) if worker and len(os.sched_getaffinity(0)) > 1 else None

    def add(self, job: Job) -> None:
        """One more job, of at most BATCH files, independent of the others."""
        self._todo.append(len(self._jobs))
        self._jobs.append(job)
        self._results.append((b"", b""))
        if self._worker is None or self._failed is not None:
            return
        try:
            self._feed(self._worker)
            if self._worker.answered():
                self._hear(self._worker)
                self._feed(self._worker)
        except Failed as failure:
            self._failed = failure  # told by `finish`

    def finish(self, *, mostly: Callable[[], None] | None = None) -> list[bulk.Answer]:
        """Do what is left, and give the results of all, in the order in which they were added.

        Args:
            mostly: called once when MOSTLY of the jobs are given out, where there is a worker.

        Raises:
            Failed: with the number of a job that failed.

        """
        if self._failed is not None:
            raise self._failed
        left = len(self._jobs) * (1 - MOSTLY)
        while self._todo or self._away:
            if self._worker is not None:
                if mostly is not None and len(self._todo) <= left:
                    mostly()
                    mostly = None
                self._feed(self._worker)
                if self._away and (not self._todo or self._worker.answered()):
                    self._hear(self._worker)
                    continue
            mine = self._todo.popleft()
            try:
                self._keep(mine, bulk.do(self._jobs[mine], self._roots))
            except OSError as error:
                raise Failed(mine) from error
        if self._worker is not None:
            self._worker.dismiss()  # it ends while we go on
        return self._results

    def _feed(self, worker: "_Worker") -> None:
        while self._todo and len(self._away) < _AHEAD:
            at = self._todo.popleft()
            self._away.append(at)
            try:
                worker.send(self._jobs[at])
            except OSError as error:
                raise Failed(at) from error

    def _hear(self, worker: "_Worker") -> None:
        at = self._away.popleft()
        try:
            self._keep(at, worker.answer())
        except OSError as error:
            raise Failed(at) from error

    def _keep(self, at: int, answer: bulk.Answer) -> None:
        self._results[at] = answer
        if self._heard is not None:
            self._heard(at, answer)

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Worker:
    def __init__(self, roots: tuple[int, ...]) -> None:
        jobs, self._jobs = os.pipe()
        self._answers, answers = os.pipe()
        try:
            for pipe in (self._jobs, answers):
                with suppress(OSError):  # what does not fit is waited for
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
            argv = [sys.executable, "-I", "-S", "-X", "utf8", bulk.__file__, str(jobs), str(answers)]
            from metalor_lang.kernel.spawn import spawn  # most builds have nothing for a worker

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

    def dismiss(self) -> None:
        """It ends with the job that it has."""
        if self._jobs >= 0:
            os.close(self._jobs)
            self._jobs = -1

    def close(self) -> None:
        self.dismiss()
        os.close(self._answers)
        self._child.wait()
