"""The prompt: an editor of statements with the session's colours, menus, hints and history (prompt-toolkit).

Invariant: the only module that imports prompt-toolkit; nothing here runs a statement.
"""

import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.repl.history import HistoryFile
from metalor_lang.repl.styles import STYLE
from metalor_lang.repl.toolbar import hint, status
from metalor_lang.repl.typed import NOTHING, Reading
from metalor_lang.screen.color import color
from metalor_lang.screen.text import visible

if TYPE_CHECKING:
    from metalor_lang.diagnostics.model import Diagnostic
    from metalor_lang.repl.outcome import Question
    from metalor_lang.repl.reading import Reader
    from metalor_lang.repl.session import Session

_SOON = 0.02
"""Seconds from the first drawing to the opening: the terminal has said by then where the cursor is."""
_OPENS = "=/{:["
"""Behind these a menu opens by itself."""


class Prompt:
    """The prompt of a session; `read` gives one text after the other.

    Args:
        opening: opens the session: soon after the first prompt is drawn, or when it is first needed.
        history: what was typed before.

    """

    def __init__(self, opening: "Callable[[], Session]", history: HistoryFile) -> None:
        self._opening = opening
        self._opened: tuple[Session, Reader] | None = None
        self._file = history
        self._history = _Shared(history)
        self._refused: tuple[str, Diagnostic] | None = None
        self._offered = ""
        self._toolkit: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=True,
            prompt_continuation=self._more,
            lexer=_Colours(self._reading),
            completer=_Menu(self._open_soon),
            complete_while_typing=True,
            complete_style=CompleteStyle.COLUMN,
            auto_suggest=AutoSuggestFromHistory(),
            history=self._history,
            bottom_toolbar=self._toolbar,
            key_bindings=self._keys(),
            style=Style.from_dict(STYLE),
            color_depth=None if color(sys.stdout) else ColorDepth.DEPTH_1_BIT,
            enable_suspend=True,
            reserve_space_for_menu=4,
        )
        self._toolkit.app.after_render += self._drawn

    @property
    def session(self) -> "Session":
        """The session, opened."""
        return self._open()[0]

    def _open(self) -> "tuple[Session, Reader]":
        if self._opened is None:
            from metalor_lang.repl.reading import Reader

            session = self._opening()
            self._opened = session, Reader(session)
            # The first key would wait for the parser to be loaded: it is, while the person begins to think.
            threading.Thread(target=_load_parser, name="parser", daemon=True).start()
        return self._opened

    def _drawn(self, app: "Application[str]") -> None:
        """The first prompt is on the screen: open what it is for."""
        app.after_render -= self._drawn
        if app.loop is not None and self._opened is None:
            app.loop.call_later(_SOON, self._open_soon)

    def _open_soon(self) -> "Reader | None":
        """Open while the prompt runs; what goes wrong ends the prompt, and is its caller's."""
        app = self._toolkit.app
        if self._opened is None and not app.is_done:
            try:
                self._open()
                app.invalidate()
            except Exception as error:
                app.exit(exception=error)
        return self._opened[1] if self._opened is not None else None

    def _reading(self, text: str, cursor: int) -> Reading:
        reader = self._open_soon() if text.strip() else None
        return reader.read(text, cursor) if reader is not None else NOTHING

    def read(self) -> str:
        """What the person typed, once nothing is known to be wrong with it, or once they insist.

        Raises:
            EOFError: Ctrl-D.

        """
        self._refused = None
        offered, self._offered = self._offered, ""
        self._history.refresh()
        text = self._toolkit.prompt(default=offered)
        if text.strip():
            self._file.append(text.strip("\n"))
        return text

    def offer(self, text: str) -> None:
        """Put a text into the next prompt, to be changed or sent again."""
        self._offered = text

    # ---- what is shown -----------------------------------------------------------------------------------------

    def _message(self) -> StyleAndTextTuples:
        view = self._opened[0].view if self._opened is not None else None
        where = visible(view.stage).replace(" ", "-") if view is not None and view.stage else "metalor"
        if len(where) > max(get_app().output.get_size().columns // 3, 8):
            where = where[: max(get_app().output.get_size().columns // 3, 8) - 1] + "…"
        return [("class:prompt", f"{where} {view.position + 1 if view is not None else 1}> ")]

    @staticmethod
    def _more(width: int, line: int, is_soft_wrap: int) -> StyleAndTextTuples:
        return [("class:prompt.more", " " * width if is_soft_wrap else "… ".rjust(width))]

    def _toolbar(self) -> StyleAndTextTuples:
        columns = get_app().output.get_size().columns
        document = self._toolkit.default_buffer.document
        reading = self._reading(document.text, document.cursor_position)
        if self._refused is not None and self._refused[0] == document.text:
            reading = Reading(colours=(), problem=self._refused[1], signature=None)
        session = self._opened[0] if self._opened is not None else None
        view, size = (session.view, session.size()) if session is not None else (None, None)
        return [*hint(reading, columns - 1), ("", "\n"), *status(view, size, columns)]

    # ---- keys --------------------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        chosen = Condition(lambda: (state := get_app().current_buffer.complete_state) is not None
                           and state.current_completion is not None)  # fmt: skip

        @keys.add("enter", filter=chosen)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.complete_state = None

        @keys.add("enter", filter=~chosen)
        def _(event: KeyPressEvent) -> None:
            self._entered(event.current_buffer)

        @keys.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.newline(copy_margin=True)

        @keys.add("c-c")
        @keys.add("<sigint>")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.cancel_completion()
            event.current_buffer.reset()

        return keys

    def _entered(self, buffer: Buffer) -> None:
        """Enter: a new line where the statement goes on, else the text is sent unless something is wrong with it."""
        text = buffer.text
        reader = self._open_soon()
        if reader is None:
            return
        if self.session.needs_more(text):
            _new_line(buffer)
            return
        problems = reader.problems(text) if text.strip() else ()
        insists = self._refused is not None and self._refused[0] == text
        if problems and not insists:
            self._refused = text, problems[0]
            buffer.cursor_position = min(problems[0].span.start, len(text))
            return
        if buffer.document.is_cursor_at_the_end and buffer.document.current_line.split() == ["END"]:
            _put(buffer)
        buffer.validate_and_handle()


def _put(buffer: Buffer) -> None:
    """Put the ELSE or END at the cursor as far in as `fmt` does."""
    from metalor_lang.repl.pieces import margin
    from metalor_lang.syntax.formatter import INDENT

    line, where = buffer.document.current_line, margin(buffer.text)
    if where is not None:
        buffer.delete_before_cursor(len(line))
        buffer.insert_text(INDENT * where[0] + line.lstrip())


def _new_line(buffer: Buffer) -> None:
    """A new line, as far in as blocks say; an ELSE or END that was written further in is put where `fmt` puts it."""
    from metalor_lang.repl.pieces import margin
    from metalor_lang.syntax.formatter import INDENT

    at_end = buffer.document.is_cursor_at_the_end
    where = margin(buffer.text) if at_end else None
    if where is None:
        buffer.newline(copy_margin=at_end)
        return
    if buffer.document.current_line.split()[:1] in (["ELSE"], ["END"]):
        _put(buffer)
    buffer.insert_text("\n" + INDENT * where[1])


def _load_parser() -> None:
    from metalor_lang.syntax.grammar import parser

    parser()


class _Colours(Lexer):
    """The parser's colours."""

    def __init__(self, reading: Callable[[str, int], Reading]) -> None:
        self._reading = reading

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """The coloured lines of a document."""
        text = document.text
        cursor = get_app().current_buffer.cursor_position
        lines: list[StyleAndTextTuples] = [[]]
        at = 0
        for colour in self._reading(text, min(cursor, len(text))).colours:
            style = f"class:{colour.role}" + (" class:wrong" if colour.wrong else "")
            _add(lines, "", text[at : colour.start])
            _add(lines, style, text[colour.start : colour.end])
            at = colour.end
        _add(lines, "", text[at:])
        return lambda number: lines[number] if number < len(lines) else []

    def invalidation_hash(self) -> object:
        """Colours depend on the cursor, too: a word that ends there is not over."""
        return get_app().current_buffer.cursor_position


def _add(lines: list[StyleAndTextTuples], style: str, text: str) -> None:
    first, *more = text.split("\n")
    if first:
        lines[-1].append((style, first))
    for line in more:
        lines.append([(style, line)] if line else [])


class _Menu(Completer):
    """The parser's menus."""

    def __init__(self, reader: "Callable[[], Reader | None]") -> None:
        self._reader = reader

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What can stand at the cursor; unasked only where a word has begun."""
        text, cursor = document.text, document.cursor_position
        asked = complete_event.completion_requested
        before = text[:cursor]
        if not asked and (not before.strip() or (before[-1].isspace() and before[-1] not in _OPENS)):
            return
        reader = self._reader()
        for item in reader.items(text, cursor) if reader is not None else ():
            if not asked and (item.kind.value == "mark" or before.endswith(item.text)):
                continue
            yield Completion(
                item.insert,
                start_position=item.span.start - cursor,
                display=visible(item.shown),
                display_meta=visible(item.help),
            )


class _Shared(History):
    """The history's file, for prompt-toolkit: what other sessions typed comes in before each prompt."""

    def __init__(self, file: HistoryFile) -> None:
        super().__init__()
        self._file = file
        self.refresh()

    def refresh(self) -> None:
        """Read what is new."""
        self._loaded_strings = self._file.entries()[::-1]
        self._loaded = True

    def load_history_strings(self) -> Iterable[str]:
        """The entries, the youngest first."""
        return self._file.entries()[::-1]

    def store_string(self, string: str) -> None:
        """Nothing: the prompt keeps what was typed."""

    async def load(self) -> AsyncGenerator[str, None]:
        """The entries, the youngest first."""
        for text in self._loaded_strings:
            yield text


def ask(question: "Question") -> str:
    """One of a question's choices: a whole word, or the beginning of one."""
    words = tuple(question.choices)
    shown = "/".join(word.upper() if word == question.default else word for word in words)
    toolkit: PromptSession[str] = PromptSession(
        message=[("class:prompt", f"{shown}> ")],
        style=Style.from_dict(STYLE),
        color_depth=None if color(sys.stdout) else ColorDepth.DEPTH_1_BIT,
    )
    while True:
        try:
            answer = toolkit.prompt().strip().lower()
        except (EOFError, KeyboardInterrupt):
            return question.default
        if not answer:
            return question.default
        found = [word for word in words if word == answer] or [word for word in words if word.startswith(answer)]
        if len(found) == 1:
            return found[0]
        sys.stdout.write(f"answer one of: {', '.join(words)}\n")
