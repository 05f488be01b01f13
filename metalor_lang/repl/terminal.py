"""A session at a terminal: the loop, what a person is asked, and who has the terminal when.

Invariant: between two prompts the terminal is in the state in which it was found, but for echo while something runs;
whoever borrows it (a shell, an editor) gets that state, and we take it back. The prompt is drawn before a store is
opened or a recipe's reader loaded: none of them is imported here at the top.
"""

import os
import shlex
import shutil
import signal
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from metalor_lang.errors import Exit
from metalor_lang.hints import TYPE_CHECKING, Final, Self
from metalor_lang.repl.history import HistoryFile, default_path
from metalor_lang.screen.color import color

if TYPE_CHECKING:
    from metalor_lang.repl.live import Output
    from metalor_lang.repl.outcome import Outcome, Question, Result
    from metalor_lang.repl.prompting import Prompt
    from metalor_lang.repl.session import Session

_NARROW: Final = 40


class Terminal:
    """A person at a terminal; the session's `Person`, its sink of events, and who hears its results."""

    def __init__(self, history: HistoryFile, fd: int = 0) -> None:
        self._history = history
        self._fd = fd
        self._found = termios.tcgetattr(fd)
        self._closed = False
        self._prompt: Prompt | None = None
        self._session: Session | None = None
        self._output: Output | None = None

    @classmethod
    def open(cls) -> Self:
        """Take the terminal of this process; before it changes its namespaces, so that files are the user's own."""
        return cls(HistoryFile.open(default_path()))

    def close(self) -> None:
        """Give the terminal back as it was found; twice is once."""
        if self._closed:
            return
        self._closed = True
        if self._output is not None:
            self._output.close()
        self._history.close()
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._found)

    # ---- the loop ----------------------------------------------------------------------------------------------

    @property
    def events(self) -> "Output":
        """The sink of a session's events."""
        if self._output is None:
            from metalor_lang.repl.live import Output

            self._output = Output(sys.stdout)
        return self._output

    def run(
        self,
        opening: "Callable[[], AbstractContextManager[Session]]",
        *,
        recipe: str | None = None,
        at_once: bool = False,
    ) -> int:
        """Talk until the person leaves; gives an exit status.

        Args:
            opening: opens a session whose person, events and hearer this is; in this thread, after the first prompt is
                drawn, at the first key at the latest.
            recipe: the file that the session begins with.
            at_once: open before the first prompt, which says where the session stands.

        """
        from metalor_lang.repl.prompting import Prompt

        with ExitStack() as stack:

            def open_session() -> "Session":
                self._session = stack.enter_context(opening())
                return self._session

            self._prompt = prompt = Prompt(open_session, self._history)
            if at_once or recipe is not None:
                session = prompt.session
                if recipe is not None:
                    self._do(session, lambda: session.begin(recipe))
            while True:
                try:
                    text = prompt.read()
                except EOFError:
                    text = ":quit"
                if text.strip() and self._do(prompt.session, lambda text=text: prompt.session.feed(text)):  # type: ignore[misc]
                    return Exit.DONE

    def _do(self, session: "Session", act: "Callable[[], Outcome]") -> bool:
        """Let the session work; whether the person leaves."""
        from metalor_lang.repl.opening import interrupts_to

        with self._silent(), interrupts_to(session, self.events.ending):
            outcome = act()
        self.events.still()
        if outcome.unrun and self._prompt is not None:
            self._prompt.offer(outcome.unrun)
        return outcome.leave

    def hear(self, result: "Result") -> None:
        """Show a result."""
        from metalor_lang.repl.telling import told

        self.events.still()
        sys.stdout.write(told(result, painted=color(sys.stdout), width=self._width()))
        sys.stdout.flush()

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

    def ask(self, question: "Question") -> str:
        """Ask, until the answer is one of the choices; end of file and Ctrl-C are the default."""
        from metalor_lang.repl.prompting import ask
        from metalor_lang.repl.render import render_question

        with self._lent():
            sys.stdout.write(render_question(question, color=color(sys.stdout)))
            sys.stdout.flush()
            return ask(question)

    def edit(self, text: str, *, suffix: str) -> str | None:
        """The text after the user's editor ($VISUAL, $EDITOR, else one that is there); None when it is as it was."""
        from metalor_lang.kernel.process import run_attached

        words = editor()
        if words is None:
            sys.stdout.write("no editor was found: set EDITOR to one\n")
            return None
        with tempfile.TemporaryDirectory(prefix="metalor-") as folder:
            path = Path(folder, f"recipe{suffix}")
            path.write_text(text, encoding="utf-8")
            owner = self._session.core.owner if self._session is not None else None
            if owner is not None:
                for place in (folder, path):
                    os.chown(place, *owner)
            with self._lent():
                status = run_attached([*words, str(path)], user=owner)
            if status:
                sys.stdout.write(f"{words[0]} ended with status {status}: nothing is changed\n")
                return None
            after = path.read_text(encoding="utf-8")
        return None if after == text else after

    def terminal(self) -> int | None:
        """The terminal, for a shell."""
        self.events.still()
        return self._fd


def editor() -> list[str] | None:
    """The words that start the user's editor, None where there is none."""
    for name in ("VISUAL", "EDITOR"):
        if words := shlex.split(os.environ.get(name, "")):
            return words
    found = next((each for each in ("sensible-editor", "vim", "nano", "vi") if shutil.which(each)), None)
    return None if found is None else [found]
