"""Events to a terminal, to a CI log, or to JSON lines.

Invariant: a step's bytes never reach the screen as control characters unless asked for (`raw`);
live lines are erased before anything else is written, so nothing of them stays behind.
"""

import json
import os
import sys
import threading
import time
from typing import Final, Protocol, TextIO

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
    StepRef,
    StepSkipped,
    StepStarted,
    to_json,
)
from metalor_lang.screen.color import color
from metalor_lang.screen.text import duration, fit, one_line, output_line

_FRAME: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PERIOD: Final = 0.1


class Console(EventSink, Protocol):
    """An event sink with an end: `close` leaves the screen in order."""

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

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Write the event."""
        line = json.dumps(to_json(event), ensure_ascii=False)
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()

    def close(self) -> None:
        """Nothing to put in order."""


def _label(step: StepRef) -> str:
    return f"[{step.title} {step.number}/{step.total}]"


def _summary(event: BuildFinished) -> str:
    counts = [(event.ran, "ran"), (event.cached, "cached"), (event.skipped, "left out")]
    nothing = "nothing had to run" if event.ok else "no step was finished"
    words = ", ".join(f"{count} {word}" for count, word in counts if count) or nothing
    return f"{'done' if event.ok else 'failed'} in {duration(event.duration_ms)}: {words}"


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
            return [f"{_label(step)} {one_line(step.text)}"]
        case StepCached(step=step):
            return [f"{_label(step)} cached {one_line(step.text)}"]
        case StepConfigured(step=step):
            return [f"{_label(step)} {one_line(step.text)}"]
        case StepSkipped(step=step):
            return [f"{_label(step)} left out ({event.reason}) {one_line(step.text)}"]
        case StepFinished(step=step):
            return [f"{_label(step)} done in {duration(event.duration_ms)}"]
        case StepFailed(step=step):
            return [f"{_label(step)} failed after {duration(event.duration_ms)}: {event.reason}"]
        case Notice():
            return [f"[{event.title}] {event.text}" if event.title else event.text]
        case Exported():
            return [f"wrote {event.output}" + (f" {event.digest}" if event.digest else "")]
        case BuildFinished():
            return [_summary(event)]
        case StepOutput():
            return []


class _Lines:
    """Cuts a step's bytes into lines; what has no end yet waits."""

    def __init__(self) -> None:
        self._rest: dict[str, bytes] = {}

    def feed(self, key: str, data: bytes) -> list[bytes]:
        *lines, rest = (self._rest.get(key, b"") + data).split(b"\n")
        self._rest[key] = rest
        return lines

    def peek(self, key: str) -> bytes:
        return self._rest.get(key, b"")

    def end(self, key: str) -> bytes:
        return self._rest.pop(key, b"")


def _id(step: StepRef) -> str:
    return f"{step.stage}.{step.number} {step.title}"


class PlainConsole:
    """One line an event, output lines behind their step's label."""

    def __init__(self, out: TextIO, *, raw: bool = False) -> None:
        self._out = out
        self._raw = raw
        self._lock = threading.Lock()
        self._lines = _Lines()

    def emit(self, event: Event) -> None:
        """Write the event's lines."""
        with self._lock:
            match event:
                case StepOutput(step=step):
                    lines = self._lines.feed(_id(step), event.data)
                    texts = [f"{_label(step)} | {output_line(line, raw=self._raw)}" for line in lines]
                case StepFinished(step=step) | StepFailed(step=step):
                    rest = self._lines.end(_id(step))
                    texts = [f"{_label(step)} | {output_line(rest, raw=self._raw)}"] if rest else []
                    texts += event_lines(event)
                case _:
                    texts = event_lines(event)
            if texts:
                self._out.write("\n".join(texts) + "\n")
                self._out.flush()

    def close(self) -> None:
        """Nothing to put in order."""


class _Running:
    __slots__ = ("last", "started", "step")

    def __init__(self, step: StepRef) -> None:
        self.step = step
        self.started = time.monotonic()
        self.last = ""


class LiveConsole:
    """Live lines for the running steps below a log of the finished ones."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._lines = _Lines()
        self._running: dict[str, _Running] = {}
        self._drawn = 0
        self._tick = 0
        self._color = color(out)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, event: Event) -> None:
        """Take the event in and redraw."""
        with self._lock:
            match event:
                case StepStarted(step=step):
                    self._running[_id(step)] = _Running(step)
                    self._redraw([])
                    self._animate()
                case StepOutput(step=step):
                    self._note_output(step, event.data)
                case StepFinished(step=step):
                    self._end(step)
                    self._redraw([self._done("✓", 32, step, duration(event.duration_ms))])
                case StepFailed(step=step):
                    self._end(step)
                    self._redraw([self._done("✗", 31, step, event.reason)])
                case StepCached(step=step):
                    self._redraw([self._done("=", 36, step, "cached")])
                case StepConfigured(step=step):
                    self._redraw([self._done("·", 2, step, "")])
                case BuildFinished():
                    self._running.clear()
                    self._redraw(event_lines(event))
                case _:
                    self._redraw(event_lines(event))

    def close(self) -> None:
        """Stop drawing; erase what is live and show the cursor's line as it was."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._running.clear()
            self._redraw([])

    def _note_output(self, step: StepRef, data: bytes) -> None:
        lines = self._lines.feed(_id(step), data)
        running = self._running.get(_id(step))
        if running is not None:
            candidates = [*lines, self._lines.peek(_id(step))]
            running.last = next(
                (text for line in reversed(candidates) if (text := output_line(line)).strip()), running.last
            )

    def _end(self, step: StepRef) -> None:
        self._running.pop(_id(step), None)
        self._lines.end(_id(step))

    def _paint(self, number: int, text: str) -> str:
        return f"\x1b[{number}m{text}\x1b[0m" if self._color else text

    def _done(self, mark: str, number: int, step: StepRef, note: str) -> str:
        width = _terminal_size().columns - 1
        text = fit(f"{_label(step)} {one_line(step.text)}", max(width - len(note) - 4, 10))
        return f"{self._paint(number, mark)} {text}  {self._paint(2, note)}"

    def _animate(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="console", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD):
            with self._lock:
                self._tick += 1
                if self._running:
                    self._redraw([])

    def _redraw(self, above: list[str]) -> None:
        columns, rows = _terminal_size()
        live = self._live(columns - 1)[: max(rows - 2, 1)]
        erase = (f"\x1b[{self._drawn}A" if self._drawn else "") + "\r\x1b[J"
        self._out.write(erase + "".join(line + "\n" for line in (*above, *live)))
        self._out.flush()
        self._drawn = len(live)

    def _live(self, width: int) -> list[str]:
        lines, now = [], time.monotonic()
        frame = _FRAME[self._tick % len(_FRAME)]
        for running in self._running.values():
            passed = duration(int((now - running.started) * 1000))
            text = fit(f"{_label(running.step)} {one_line(running.step.text)}", max(width - len(passed) - 4, 10))
            lines.append(f"{self._paint(33, frame)} {text}  {self._paint(2, passed)}")
            if running.last:
                lines.append(self._paint(2, fit("    " + running.last, width)))
        return lines


def _terminal_size() -> os.terminal_size:
    import shutil

    return shutil.get_terminal_size()
