"""Step records that appear in groups: each once everything that it names is on the disk.

Invariant: a record is renamed into `steps/` only after a syncfs that began when its snapshots and its own bytes were
written; `done` is called when that rename outlives a power cut too. While one sync runs, the next group gathers: a
build goes on at the speed of the machine, and what it tells lags behind by the time of a sync.
"""

import os
from collections.abc import Callable
from pathlib import Path

from metalor_lang.guards import Condition
from metalor_lang.hints import Final
from metalor_lang.kernel import syscalls
from metalor_lang.record import dataclass
from metalor_lang.store import files
from metalor_lang.store.core import Core
from metalor_lang.store.errors import StoreError, translate
from metalor_lang.store.records import StepRecord, Steps

_GATHER: Final = 0.02
"""Seconds that a group may gather, unless somebody waits: a sync for each of many short steps would cost a fifth."""

_PATIENCE: Final = 1.0
"""Seconds that the thread waits for more before it ends; the next record starts another one."""

Done = Callable[[StoreError | OSError | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    draft: Path
    target: Path
    done: Done


class Publishing:
    """The records of one store that are not on the disk yet; safe to use from any number of threads."""

    def __init__(self, core: Core, steps: Steps) -> None:
        self._core = core
        self._steps = steps
        self._changed = Condition()
        self._waiting: list[_Waiting] = []
        self._serving = False
        self._hurried = False
        self._busy = False

    def put(self, record: StepRecord, done: Done) -> None:
        """Write a record that will be seen, in place of an older one of its key, when it is safe.

        Args:
            record: names snapshots that were committed before, durably or not.
            done: called once, in another thread and in the order of the puts, with None, or with what went wrong (a
                StoreError where the machine is to blame, else an OSError): the record is forgotten then.

        Raises:
            StoreFull, StoreUnwritable: see there; `done` is not called.

        """
        draft = self._steps.draft(record)
        with self._changed:
            self._waiting.append(_Waiting(draft=draft, target=self._steps.path(record.key), done=done))
            if not self._serving:
                import threading

                threading.Thread(target=self._serve, name="publishing", daemon=True).start()
                self._serving = True
            self._changed.notify_all()

    def hurry(self) -> None:
        """Publish what has gathered now: somebody waits for it."""
        with self._changed:
            if self._waiting:
                self._hurried = True
                self._changed.notify_all()

    def settle(self) -> None:
        """Wait until everything that was put is published, or has failed."""
        with self._changed:
            while self._waiting or self._busy:
                self._hurried = bool(self._waiting)
                self._changed.notify_all()
                self._changed.wait(_PATIENCE)

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._changed.wait_for(lambda: self._waiting, _PATIENCE):
                    self._serving = False
                    return
                self._changed.wait_for(lambda: self._hurried, _GATHER)
                group, self._waiting, self._hurried, self._busy = self._waiting, [], False, True
            error = self._publish(group)
            for one in group:
                one.done(error)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _publish(self, group: list[_Waiting]) -> StoreError | OSError | None:
        root = self._core.root
        try:
            fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                syscalls.syncfs(fd)
            finally:
                os.close(fd)
            for one in group:
                os.rename(one.draft, one.target)
            files.sync_directory(self._steps.directory)
        except OSError as error:
            for one in group:
                one.draft.unlink(missing_ok=True)
            return translate(root, error) or error
        return None
