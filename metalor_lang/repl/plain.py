"""A session without a terminal: a text in, what the steps print out, an end at the first error.

Invariant: standard output holds what steps and commands say, standard error what went wrong; no prompt, no colours of
our own.
"""

import sys

from metalor_lang.build.events import Event, Notice, StepFailed, StepFinished, StepOutput, StepStopped
from metalor_lang.hints import Final, TextIO
from metalor_lang.record import replace
from metalor_lang.repl.outcome import WRONG, Done, Failure, Result
from metalor_lang.repl.render import render
from metalor_lang.screen.color import color
from metalor_lang.screen.text import output_line

_WIDTH: Final = 100
_LOG_LIMIT: Final = 1 << 20


class PlainEvents:
    """Prints what steps write, line by line."""

    def __init__(self, out: TextIO | None = None, *, raw: bool = False) -> None:
        self._out = out or sys.stdout
        self._raw = raw
        self._rest = b""

    def emit(self, event: Event) -> None:
        """Print output and notices; the rest is said by results."""
        match event:
            case StepOutput(data=data):
                *lines, self._rest = (self._rest + data).split(b"\n")
                self._print(lines)
            case StepFinished() | StepFailed() | StepStopped():
                self._print([self._rest] if self._rest else [])
                self._rest = b""
            case Notice(text=text):
                sys.stderr.write(f"metalor: {text}\n")
            case _:
                pass

    def replay(self, path: str) -> None:
        """Print what a step wrote when it ran."""
        with open(path, "rb") as file:
            self._print(file.read(_LOG_LIMIT).split(b"\n"), last=True)

    def _print(self, lines: list[bytes], *, last: bool = False) -> None:
        if last and lines and not lines[-1]:
            lines.pop()
        for line in lines:
            self._out.write(output_line(line, raw=self._raw) + "\n")
        self._out.flush()


class Hearer:
    """Told of each result; prints it."""

    def __init__(self, events: PlainEvents) -> None:
        self._events = events

    def __call__(self, result: Result) -> None:
        """Print one result."""
        if isinstance(result, Done):
            for log in result.logs:
                self._events.replay(log)
        if isinstance(result, Failure):
            result = replace(result, tail=())  # it has just been printed
        stream = sys.stderr if isinstance(result, WRONG) else sys.stdout
        stream.write(render(result, color=color(stream), width=_WIDTH))
        stream.flush()
