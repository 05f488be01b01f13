"""Events to a terminal, to a CI log, or to JSON lines.

Invariant: a step's bytes never reach the screen as control characters unless asked for (`raw`);
live lines are erased before anything else is written, so nothing of them stays behind.
"""

import json
import os
import sys
import time

from metalor_lang.build.events import (
    BuildFinished,
    BuildStarted,
    Event,
    EventSink,
    Exported,
    Notice,
    StageStarted,
    StepCached,
    StepConfigured,
    StepFailed,
    StepFinished,
    StepOutput,
    StepProgress,
    StepRef,
    StepSkipped,
    StepStarted,
    StepStopped,
    to_json,
)
from metalor_lang.guards import Lock
from metalor_lang.hints import Final, Protocol, TextIO
from metalor_lang.screen.live import Live, StepLines, label, name_of, words_of
from metalor_lang.screen.text import duration, fit, output_line, terminal_size, transfer

_TEST: Final = "test"
"""The kind of a step whose result is that it passed."""

_TRANSFER_LINES: Final = 10.0
"""Seconds between two lines of a log about one transfer."""


class Console(EventSink, Protocol):
    """An event sink with an end: `close` leaves the screen in order."""

    @property
    def interrupted(self) -> bool:
        """Whether a person has been told that the build was interrupted."""
        ...

    def close(self) -> None:
        """Erase live lines and stop drawing."""
        ...


def console(mode: str, *, raw: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> Console:
    """The console for `--progress`: JSON lines go to standard output, everything else to standard error."""
    out, err = out or sys.stdout, err or sys.stderr
    if mode == "auto":
        mode = "tty" if err.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not raw else "plain"
    match mode:
        case "json":
            return JsonConsole(out)
        case "tty":
            return LiveConsole(err)
        case _:
            return PlainConsole(err, raw=raw)


class JsonConsole:
    """One JSON object a line."""

    interrupted: Final = False  # a program has been told, no person

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = Lock()

    def emit(self, event: Event) -> None:
        """Write the event."""
        line = json.dumps(to_json(event), ensure_ascii=False)
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()

    def close(self) -> None:
        """Nothing to put in order."""


def _summary(event: BuildFinished) -> str:
    tests = "test passed" if event.passed == 1 else "tests passed"
    counts = [(event.ran, "ran"), (event.cached, "cached"), (event.skipped, "left out"), (event.passed, tests)]
    nothing = "nothing had to run" if event.ok else "no step was finished"
    words = ", ".join(f"{count} {word}" for count, word in counts if count) or nothing
    end = "done in" if event.ok else "interrupted after" if event.interrupted else "failed in"
    return f"{end} {duration(event.duration_ms)}: {words}"


def _stopped(event: StepStopped) -> str:
    return f"stopped after {duration(event.duration_ms)}"


def cached(step: StepRef) -> str:
    """What is said of a step whose result is in the store."""
    return "passed before" if step.kind == _TEST else "cached"


def event_lines(event: Event) -> list[str]:
    """What an event says in plain lines; output is not among them."""
    match event:
        case BuildStarted():
            several = f" for {', '.join(event.platforms)}" if len(event.platforms) > 1 else ""
            count = f"{event.steps} step{'' if event.steps == 1 else 's'}"
            lines = [f"building {event.recipe} ({event.target}){several}, {count}"]
            return lines + ([f"not needed: {', '.join(event.skipped)}"] if event.skipped else [])
        case StageStarted():
            return [f"[{event.title}] from {event.base}"]
        case StepStarted(step=step):
            why = f"  ({event.why.words})" if event.why is not None else ""
            return [f"{label(step)} {'emulated ' if event.emulated else ''}{words_of(step)}{why}"]
        case StepCached(step=step):
            return [f"{label(step)} {cached(step)} {words_of(step)}"]
        case StepConfigured(step=step):
            return [f"{label(step)} {words_of(step)}"]
        case StepSkipped(step=step):
            return [f"{label(step)} left out ({event.reason}) {words_of(step)}"]
        case StepFinished(step=step):
            return [f"{label(step)} {'passed' if step.kind == _TEST else 'done'} in {duration(event.duration_ms)}"]
        case StepFailed(step=step):
            return [f"{label(step)} failed after {duration(event.duration_ms)}: {event.reason}"]
        case StepStopped(step=step):
            return [f"{label(step)} {_stopped(event)}"]
        case Notice():
            return [f"[{event.title}] {event.text}" if event.title else event.text]
        case Exported():
            return [f"wrote {event.output}" + (f" {event.digest}" if event.digest else "")]
        case BuildFinished():
            return [_summary(event)]
        case StepOutput() | StepProgress():
            return []


class PlainConsole:
    """One line an event, output lines behind their step's label."""

    def __init__(self, out: TextIO, *, raw: bool = False) -> None:
        self._out = out
        self._raw = raw
        self._lock = Lock()
        self._lines = StepLines()
        self._told: dict[str, float] = {}
        self.interrupted = False

    def emit(self, event: Event) -> None:
        """Write the event's lines."""
        with self._lock:
            match event:
                case StepOutput(step=step):
                    lines = self._lines.feed(name_of(step), event.data)
                    texts = [f"{label(step)} | {output_line(line, raw=self._raw)}" for line in lines]
                case StepProgress(step=step):
                    texts = [f"{label(step)} {transfer(event.done, event.total)}"] if self._due(step) else []
                case StepFinished(step=step) | StepFailed(step=step) | StepStopped(step=step):
                    rest = self._lines.end(name_of(step))
                    texts = [f"{label(step)} | {output_line(rest, raw=self._raw)}"] if rest else []
                    texts += event_lines(event)
                case BuildFinished():
                    self.interrupted = event.interrupted
                    texts = event_lines(event)
                case _:
                    texts = event_lines(event)
            if texts:
                self._out.write("\n".join(texts) + "\n")
                self._out.flush()

    def _due(self, step: StepRef) -> bool:
        """Whether a line of a long transfer is worth its place in a log."""
        now = time.monotonic()
        if now - self._told.setdefault(name_of(step), now) < _TRANSFER_LINES:
            return False
        self._told[name_of(step)] = now
        return True

    def close(self) -> None:
        """Nothing to put in order."""


class LiveConsole(Live):
    """Live lines for the running steps below a log of the finished ones."""

    interrupted = False

    def emit(self, event: Event) -> None:
        """Take the event in and redraw."""
        with self.lock:
            match event:
                case StepStarted(step=step):
                    self.start(step, event.why.words if event.why is not None else "")
                    if event.emulated:
                        self.say(step, "emulated")
                case StepOutput(step=step):
                    self.take(step, event.data)
                case StepProgress(step=step):
                    self.say(step, transfer(event.done, event.total))
                case StepFinished(step=step):
                    why = self.why(step)
                    self.end(step)
                    took = duration(event.duration_ms)
                    self.redraw([self._done("✓", 32, step, f"{why}  {took}" if why else took)])
                case StepFailed(step=step):
                    self.end(step)
                    self.redraw([self._done("✗", 31, step, event.reason)])
                case StepStopped(step=step):
                    self.end(step)
                    self.redraw([self._done("■", 33, step, _stopped(event))])
                case StepCached(step=step):
                    self.redraw([self._done("=", 36, step, cached(step))])
                case StepConfigured(step=step):
                    self.redraw([self._done("·", 2, step, "")])
                case BuildFinished():
                    self.interrupted = event.interrupted
                    self.end_all()
                    self.redraw(event_lines(event))
                case _:
                    self.redraw(event_lines(event))

    def _done(self, mark: str, number: int, step: StepRef, note: str) -> str:
        width = terminal_size()[0] - 1
        text = fit(f"{label(step)} {words_of(step)}", max(width - len(note) - 4, 10))
        return f"{self.paint(number, mark)} {text}  {self.paint(2, note)}"
