"""A program in a real pseudo-terminal, and the screen that a person would see.

Invariant: the terminal answers what programs ask of it (the cursor's place), as a real one does; nothing waits longer
than it is told.
"""

import os
import re
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte

KEYS = {
    "enter": "\r", "tab": "\t", "escape": "\x1b", "backspace": "\x7f", "up": "\x1b[A", "down": "\x1b[B",
    "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F", "c-c": "\x03", "c-d": "\x04", "c-z": "\x1a",
    "c-r": "\x12", "c-e": "\x05", "alt-enter": "\x1b\r",
}  # fmt: skip


class _Pyte(pyte.HistoryScreen):
    """With what Vim asks of keyboards, which only looks like a colour (`CSI > 4 ; 2 m`, `CSI ? 4 m`)."""

    def select_graphic_rendition(self, *attrs: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*attrs)


class Screen:
    """A terminal with one program in it."""

    def __init__(
        self, argv: Sequence[str], *, folder: Path, env: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self.child = pexpect.spawn(
            argv[0], list(argv[1:]), cwd=str(folder), env=dict(env), dimensions=(rows, columns), timeout=None
        )
        self.child.delaybeforesend = None
        self.screen = _Pyte(columns, rows, history=1000)
        self.screen.write_process_input = self._answer  # type: ignore[method-assign]
        self._stream = pyte.ByteStream(self.screen)
        self.heard: Callable[[bytes], None] = lambda data: None
        """Told of everything that the program writes."""

    def _answer(self, text: str) -> None:
        self.child.send(text)

    # ---- the person --------------------------------------------------------------------------------------------

    def type(self, text: str) -> None:
        """Type a text."""
        self.child.send(text)

    def press(self, *names: str) -> None:
        """Press keys by name."""
        for name in names:
            self.child.send(KEYS[name])

    def paste(self, text: str) -> None:
        """Paste, in the brackets by which a terminal marks it."""
        self.child.send(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, rows: int) -> None:
        """Change the window."""
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    # ---- the screen --------------------------------------------------------------------------------------------

    def read(self, seconds: float = 0) -> bool:
        """Take in what the program has written within a time; whether there was anything."""
        ready, _, _ = select.select([self.child.child_fd], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.child.child_fd, 1 << 16)
        except OSError:
            return False
        self.heard(data)
        self._stream.feed(data)
        return bool(data)

    @property
    def lines(self) -> list[str]:
        """The screen's lines, without blanks at their ends."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The screen's lines down to the last that is not blank."""
        return "\n".join(self.lines).rstrip("\n")

    @property
    def whole(self) -> str:
        """What scrolled away, and the screen."""
        above = ["".join(line[x].data for x in range(self.screen.columns)).rstrip() for line in self.screen.history.top]
        return "\n".join([*above, self.text])

    def wait(self, pattern: str, seconds: float = 30) -> str:
        """Wait until the screen matches, and give it."""
        return self.wait_for(lambda: re.search(pattern, self.text, re.M) is not None, pattern, seconds)

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> str:
        """Wait until something holds of the screen, and give it."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"not within {seconds:g} s: {what}; the screen:\n{self.text}"
            self.read(0.05)
        return self.text

    def settle(self, quiet: float = 0.15) -> str:
        """Wait until the program has written nothing for a while, and give the screen."""
        while self.read(quiet):
            pass
        return self.text

    def style(self, text: str, *, last: bool = False) -> set[str]:
        """Colours and attributes of the characters of a text, at its first (or last) place on the screen."""
        for y in range(self.screen.lines - 1, -1, -1) if last else range(self.screen.lines):
            at = self.screen.display[y].find(text)
            if at >= 0:
                found = set()
                for x in range(at, at + len(text)):
                    char = self.screen.buffer[y][x]
                    found.add(char.fg)
                    found |= {name for name in ("bold", "underscore", "reverse") if getattr(char, name)}
                return found
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    # ---- the program -------------------------------------------------------------------------------------------

    def ended(self, seconds: float = 20) -> int:
        """Wait for its end, and give its exit status (128 + a signal)."""
        until = time.monotonic() + seconds
        while self.child.isalive():
            assert time.monotonic() < until, f"still running:\n{self.text}"
            self.read(0.05)
        self.settle(0.05)
        self.child.close()
        return self.child.exitstatus if self.child.exitstatus is not None else 128 + (self.child.signalstatus or 0)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the program a signal."""
        os.kill(self.child.pid, number)

    def close(self) -> None:
        """End the program."""
        self.child.close(force=True)
