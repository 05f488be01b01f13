"""The helper of a build, started while its recipe is read, where a step is likely to run.

Invariant: the guess decides when the helper is started, never what is built. One that nobody takes is ended unseen, and
a build that finds everything, of a recipe that did not change, starts none.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from metalor_lang.errors import MachineError
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.runtime.client import NamespaceRuntime
    from metalor_lang.runtime.world import World


_COMMANDS: Final = frozenset((b"RUN", b"SH", b"TEST", b"IMPORT"))
"""Statements that run commands, or may bring such."""


def likely(store: Store, recipe: str, name: str, *, anew: bool = False) -> bool:
    """Whether a command of a recipe is likely to run: it has some, and is younger than the last use of its steps.

    Args:
        store: an open one.
        recipe: path of the file.
        name: what its steps are remembered by.
        anew: all steps run, whatever is remembered.

    """
    try:
        info = os.stat(recipe)
        if not stat.S_ISREG(info.st_mode):
            return False  # what is read from a pipe is gone for who builds it
        if not anew and info.st_mtime_ns <= store.last_use(name):
            return False
        with open(recipe, "rb") as file:
            return any(_COMMANDS.intersection(line.split(None, 1)[:1]) for line in file)
    except OSError:  # standard input, or an error that whoever reads it will tell
        return False


class EarlyHelper:
    """A helper process that was started before anybody asked for it.

    Args:
        start: starts it, as `runtime.client.start_runtime`.

    """

    def __init__(self, start: "Callable[[], NamespaceRuntime]") -> None:
        self._helper: NamespaceRuntime | None = None
        with suppress(MachineError):  # said to whoever needs one
            self._helper = start()

    def take(self) -> "NamespaceRuntime | None":
        """Give it away, once: whoever has it ends it."""
        helper, self._helper = self._helper, None
        return helper

    def close(self) -> None:
        """End it, if nobody took it."""
        helper = self.take()
        if helper is not None:
            helper.close()


@contextmanager
def started(world: "World", wanted: bool) -> "Iterator[EarlyHelper | None]":
    """An early helper as a context; None where none is wanted."""
    if not wanted:
        yield None
        return
    from metalor_lang.runtime.client import start_runtime

    early = EarlyHelper(lambda: start_runtime(world))
    try:
        yield early
    finally:
        early.close()
