"""The prompt: how soon it is there, and how soon a statement is undone."""

import os
import pty
import select
import statistics
import time
from collections.abc import Iterator
from typing import Final

from tests.bench.rows import Bar, Row
from tests.bench.workload import METALOR, Bench, environment

PROMPT: Final = b"> "


class Terminal:
    """`metalor repl` on a pseudo-terminal that answers where its cursor is."""

    def __init__(self, bench: Bench, *words: str) -> None:
        self.began = time.perf_counter()
        self._pid, self._fd = pty.fork()
        if not self._pid:
            os.chdir(bench.disk)
            env = environment(bench.store) | {"TERM": "xterm-256color", "HOME": str(bench.disk)}
            os.execve(METALOR, [METALOR, "repl", *words], env)
        self._seen = b""

    def until(self, wanted: bytes, limit: float = 60) -> float:
        """The time at which this stood on the screen."""
        end = time.monotonic() + limit
        while wanted not in self._seen:
            ready, _, _ = select.select([self._fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"{wanted!r} did not come; there is {self._seen[-500:]!r}")
            data = os.read(self._fd, 65536)
            if b"\x1b[6n" in data:
                os.write(self._fd, b"\x1b[1;1R")
            self._seen += data
        return time.perf_counter()

    def type(self, text: str) -> None:
        self._seen = b""
        os.write(self._fd, text.encode())

    def leave(self) -> None:
        """End it as a person does, and wait."""
        self.type("\x15:quit\r")
        while True:
            try:
                if not os.read(self._fd, 65536):
                    break
            except OSError:  # the terminal's other side is closed
                break
        os.close(self._fd)
        os.waitpid(self._pid, 0)


STARTS, UNDOS = 7, 10


def talking(bench: Bench) -> Iterator[Row]:
    """From the command line to a prompt, and from `:undo` to the next prompt, on a Debian image."""
    recipe = bench.recipe("repl.metalor", "", "debian")
    bench.build(recipe)
    start, carried = _start(bench), _start(bench, recipe)
    yield Row(
        case="REPL: start to prompt",
        ours=start,
        floor_name=f"with a recipe that is carried out first: {carried:.3f} s",
        bars=(Bar(text="≤ 0.25 s", measured=start, limit=0.25),),
    )
    terminal = Terminal(bench, recipe)
    terminal.until(PROMPT)
    for number in range(UNDOS):
        terminal.type(f"SH echo {number} > /file-{number}\r")
        terminal.until(PROMPT)
    undone = []
    for _ in range(UNDOS):
        terminal.type(":undo\r")
        began = time.perf_counter()
        undone.append(terminal.until(PROMPT) - began)
    terminal.leave()
    undo = statistics.median(undone)
    yield Row(case="REPL: undo", ours=undo, bars=(Bar(text="≤ 20 ms", measured=undo, limit=0.02),))


def _start(bench: Bench, *words: str) -> float:
    starts = []
    for _ in range(STARTS):
        terminal = Terminal(bench, *words)
        starts.append(terminal.until(PROMPT) - terminal.began)
        terminal.leave()
    return statistics.median(starts)
