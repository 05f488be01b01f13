"""A session at a terminal: the loop, what a person is asked, and who has the terminal when.

Invariant: between two prompts the terminal is in the state in which it was found, but for echo while something runs;
whoever borrows it (a shell, an editor) gets that state, and we take it back. The prompt itself is imported when it is
first needed: opening costs nothing.
"""

import os
import shlex
import shutil
import signal
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from metalor_lang.errors import Exit
from metalor_lang.kernel.process import run_attached
from metalor_lang.repl.history import HistoryFile, default_path
from metalor_lang.repl.live import Output
from metalor_lang.repl.outcome import Done, Entry, Failure, Outcome, Question, Result
from metalor_lang.repl.render import render, render_question
from metalor_lang.screen.color import color
from metalor_lang.screen.text import duration, output_line, visible

if TYPE_CHECKING:
    from metalor_lang.repl.prompting import Prompt
    from metalor_lang.repl.session import Session

_NARROW: Final = 40
_RECALLED: Final = 40
"""Lines that are shown of what a step wrote before."""


class Terminal:
    """A person at a terminal; the session's `Person`, its sink of events, and who hears its results."""

    def __init__(self, history: HistoryFile, fd: int = 0) -> None:
        self._history = history
        self._fd = fd
        self._found = termios.tcgetattr(fd)
        self._closed = False
        self._prompt: Prompt | None = None
        self._session: Session | None = None
        self._owner: tuple[int, int] | None = None
        self.events = Output(sys.stdout)

    @classmethod
    def open(cls) -> Self:
        """Take the terminal of this process; before it changes its namespaces, so that files are the user's own."""
        return cls(HistoryFile.open(default_path()))

    def close(self) -> None:
        """Give the terminal back as it was found; twice is once."""
        if self._closed:
            return
        self._closed = True
        self.events.close()
        self._history.close()
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._found)

    # ---- the loop ----------------------------------------------------------------------------------------------

    def run(self, session: "Session", *, owner: tuple[int, int] | None = None, recipe: str | None = None) -> int:
        """Talk until the person leaves; gives an exit status.

        Args:
            session: an open one, whose person, events and hearer this is.
            owner: the ordinary user who sits here, as this process sees him.
            recipe: the file that the session begins with.

        """
        from metalor_lang.repl.prompting import Prompt

        self._owner, self._session = owner, session
        self._prompt = prompt = Prompt(session, self._history)
        if recipe is not None:
            self._do(session, lambda: session.begin(recipe))
        while True:
            try:
                text = prompt.read()
            except EOFError:
                text = ":quit"
            if text.strip() and self._do(session, lambda text=text: session.feed(text)):  # type: ignore[misc]
                return Exit.DONE

    def _do(self, session: "Session", act: Callable[[], Outcome]) -> bool:
        """Let the session work; whether the person leaves."""
        from metalor_lang.repl.opening import interrupts_to

        with self._silent(), interrupts_to(session):
            outcome = act()
        self.events.still()
        if outcome.unrun and self._prompt is not None:
            self._prompt.offer(outcome.unrun)
        return outcome.leave

    def hear(self, result: Result) -> None:
        """Show a result."""
        self.events.still()
        painted = color(sys.stdout)
        match result:
            case Done(entry=entry) if entry.kind != "test":
                if entry.cached and entry.key:
                    self._said_before(entry.key)
                mark, colour, note = _done(entry)
                rest = f"{result.number}  {note}".rstrip()
                sys.stdout.write(
                    f"\x1b[{colour}m{mark}\x1b[0m \x1b[2m{rest}\x1b[0m\n" if painted else f"{mark} {rest}\n"
                )
            case Failure():
                sys.stdout.write(render(_without_tail(result), color=painted, width=self._width()))
            case _:
                sys.stdout.write(render(result, color=painted, width=self._width()))
        sys.stdout.flush()

    def _said_before(self, key: str) -> None:
        """Show what a step wrote when it ran, for who types it again wants to see it again."""
        assert self._session is not None
        path = self._session.core.store.logs_path(key)
        try:
            lines = path.read_bytes().splitlines()
        except OSError:  # it wrote nothing, or its log is gone
            return
        if len(lines) > _RECALLED:
            sys.stdout.write(f"… {len(lines) - _RECALLED} lines more: {visible(str(path))}\n")
        for line in lines[-_RECALLED:]:
            sys.stdout.write(f"{output_line(line)}\n")

    @staticmethod
    def _width() -> int:
        return max(shutil.get_terminal_size().columns, _NARROW)

    # ---- who has the terminal ----------------------------------------------------------------------------------

    @contextmanager
    def _silent(self) -> Iterator[None]:
        """What is typed while something runs waits for the next prompt, and is not echoed into the output."""
        silent = termios.tcgetattr(self._fd)
        silent[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(self._fd, termios.TCSADRAIN, silent)
        try:
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._found)

    @contextmanager
    def _lent(self) -> Iterator[None]:
        """The terminal as it was found, for somebody else; Ctrl-C is theirs."""
        self.events.still()
        ours = termios.tcgetattr(self._fd)
        handler = signal.signal(signal.SIGINT, lambda number, frame: None)
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._found)
        try:
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, ours)
            signal.signal(signal.SIGINT, handler)

    # ---- the person --------------------------------------------------------------------------------------------

    def ask(self, question: Question) -> str:
        """Ask, until the answer is one of the choices; end of file and Ctrl-C are the default."""
        from metalor_lang.repl.prompting import ask

        with self._lent():
            sys.stdout.write(render_question(question, color=color(sys.stdout)))
            sys.stdout.flush()
            return ask(question)

    def edit(self, text: str, *, suffix: str) -> str | None:
        """The text after the user's editor ($VISUAL, $EDITOR, else one that is there); None when it is as it was."""
        words = editor()
        if words is None:
            sys.stdout.write("no editor was found: set EDITOR to one\n")
            return None
        with tempfile.TemporaryDirectory(prefix="metalor-") as folder:
            path = Path(folder, f"recipe{suffix}")
            path.write_text(text, encoding="utf-8")
            if self._owner is not None:
                for place in (folder, path):
                    os.chown(place, *self._owner)
            with self._lent():
                status = run_attached([*words, str(path)], user=self._owner)
            if status:
                sys.stdout.write(f"{words[0]} ended with status {status}: nothing is changed\n")
                return None
            after = path.read_text(encoding="utf-8")
        return None if after == text else after

    def terminal(self) -> int | None:
        """The terminal, for a shell."""
        self.events.still()
        return self._fd


def _done(entry: Entry) -> tuple[str, int, str]:
    """A mark, its colour and a note for a statement that was carried out."""
    if entry.cached:
        return "=", 36, "cached"
    if not entry.duration_ms:
        return "·", 2, ""
    return "✓", 32, duration(entry.duration_ms)


def _without_tail(failure: Failure) -> Failure:
    """A failure without its last lines of output, which stand on the screen already."""
    return Failure(
        diagnostic=failure.diagnostic,
        source=failure.source,
        reason=failure.reason,
        status=failure.status,
        tail=(),
        log=failure.log,
        exit=failure.exit,
    )


def editor() -> list[str] | None:
    """The words that start the user's editor, None where there is none."""
    for name in ("VISUAL", "EDITOR"):
        if words := shlex.split(os.environ.get(name, "")):
            return words
    found = next((each for each in ("sensible-editor", "vim", "nano", "vi") if shutil.which(each)), None)
    return None if found is None else [found]
