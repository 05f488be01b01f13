"""Lines that live at the end of a terminal while steps run, and what is written above them.

Invariant: what is live is erased before anything else is written, so that nothing of it stays behind.
"""

import time

from metalor_lang.build.events import StepRef
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING, Final, TextIO
from metalor_lang.screen.color import color
from metalor_lang.screen.text import duration, fit, one_line, output_line, terminal_size, with_values

if TYPE_CHECKING:
    import threading

_FRAME: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PERIOD: Final = 0.1


def label(step: StepRef) -> str:
    """How a step is called on the screen."""
    return f"[{step.title} {step.number}/{step.total}]"


def words_of(step: StepRef) -> str:
    """The statement in one line, with the values of the loop variables and parameters that it names."""
    return one_line(step.text) + with_values(step.values)


def name_of(step: StepRef) -> str:
    """What tells a step from every other of a build."""
    return f"{step.stage}.{step.number} {step.title}"


class StepLines:
    """Cuts a step's bytes into lines; what has no end yet waits."""

    def __init__(self) -> None:
        self._rest: dict[str, bytes] = {}

    def feed(self, key: str, data: bytes) -> list[bytes]:
        """The lines that are whole now."""
        *lines, rest = (self._rest.get(key, b"") + data).split(b"\n")
        self._rest[key] = rest
        return lines

    def peek(self, key: str) -> bytes:
        """What waits."""
        return self._rest.get(key, b"")

    def end(self, key: str) -> bytes:
        """What waits, which is all that there is."""
        return self._rest.pop(key, b"")


class _Running:
    __slots__ = ("last", "started", "step", "why")

    def __init__(self, step: StepRef, why: str) -> None:
        self.step = step
        self.started = time.monotonic()
        self.why = self.last = why


class Live:
    """The running steps, drawn at the end of a terminal; every method but `close` wants the lock to be held.

    Attributes:
        note: what is said below each step that runs, until the next one starts.

    """

    def __init__(self, out: TextIO) -> None:
        self.lock = Lock()
        self._out = out
        self._lines = StepLines()
        self._running: dict[str, _Running] = {}
        self._drawn = 0
        self._tick = 0
        self._color = color(out)
        self.note = ""
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """Stop drawing; erase what is live and show the cursor's line as it was."""
        if self._thread is not None and self._stop is not None:
            self._stop.set()
            self._thread.join()
        with self.lock:
            self._running.clear()
            self.redraw([])

    def start(self, step: StepRef, why: str = "") -> None:
        """A step runs from now on; `why` is shown until it writes something."""
        self.note = ""
        self._running[name_of(step)] = _Running(step, why)
        self.redraw([])
        if self._thread is None:
            import threading

            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), name="console", daemon=True)
            self._thread.start()

    def take(self, step: StepRef, data: bytes) -> list[bytes]:
        """Output of a step: its last line lives; those that are whole are given back."""
        lines = self._lines.feed(name_of(step), data)
        running = self._running.get(name_of(step))
        if running is not None:
            candidates = [*lines, self._lines.peek(name_of(step))]
            running.last = next(
                (text for line in reversed(candidates) if (text := output_line(line)).strip()), running.last
            )
        return lines

    def say(self, step: StepRef, text: str) -> None:
        """What a step is at."""
        running = self._running.get(name_of(step))
        if running is not None:
            running.last = text

    def why(self, step: StepRef) -> str:
        """Why a running step does, as `start` was told."""
        running = self._running.get(name_of(step))
        return "" if running is None else running.why

    def end(self, step: StepRef) -> bytes:
        """A step runs no more; what it wrote last, without a line end."""
        self._running.pop(name_of(step), None)
        return self._lines.end(name_of(step))

    def end_all(self) -> list[bytes]:
        """No step runs any more; what they wrote last, without line ends."""
        rests = [self._lines.end(name) for name in tuple(self._running)]
        self._running.clear()
        return [rest for rest in rests if rest]

    def called(self, step: StepRef) -> str:
        """What a running step is called."""
        return f"{label(step)} {words_of(step)}"

    def paint(self, number: int, text: str) -> str:
        """Text in a colour (SGR number), where colours are wanted."""
        return f"\x1b[{number}m{text}\x1b[0m" if self._color else text

    def redraw(self, above: list[str]) -> None:
        """Write lines that stay, and draw what is live anew below them."""
        columns, rows = terminal_size()
        live = self._live(columns - 1)[: max(rows - 2, 1)]
        erase = (f"\x1b[{self._drawn}A" if self._drawn else "") + "\r\x1b[J"
        self._out.write(erase + "".join(line + "\n" for line in (*above, *live)))
        self._out.flush()
        self._drawn = len(live)

    def _run(self, stop: "threading.Event") -> None:
        while not stop.wait(_PERIOD):
            with self.lock:
                self._tick += 1
                if self._running:
                    self.redraw([])

    def _live(self, width: int) -> list[str]:
        lines, now = [], time.monotonic()
        frame = _FRAME[self._tick % len(_FRAME)]
        for running in self._running.values():
            passed = duration(int((now - running.started) * 1000))
            text = fit(self.called(running.step), max(width - len(passed) - 4, 10))
            lines.append(f"{self.paint(33, frame)} {text}  {self.paint(2, passed)}")
            if running.last:
                lines.append(self.paint(2, fit("    " + running.last, width)))
            if self.note:
                lines.append(self.paint(33, fit("    " + self.note, width)))
        return lines
