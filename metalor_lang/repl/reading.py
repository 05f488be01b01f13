"""A text while it is typed at the prompt: its colours, what is wrong with it, what could come next.

Invariant: nothing runs, nothing is fetched, and nothing is said to be wrong that may still become right at the cursor.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import Final
from metalor_lang.record import replace
from metalor_lang.repl.around import SessionAround, files
from metalor_lang.repl.commands import COMMANDS, Takes
from metalor_lang.repl.pieces import pieces
from metalor_lang.repl.session import Session
from metalor_lang.repl.typed import COMMAND, NOTHING, Colour, Reading
from metalor_lang.source import Span
from metalor_lang.syntax.statements import STATEMENTS
from metalor_lang.tooling.commands import command_signature, complete_command, is_command
from metalor_lang.tooling.complete import complete
from metalor_lang.tooling.highlight import highlight
from metalor_lang.tooling.items import Item, ItemKind, Place, Where
from metalor_lang.tooling.paths import Candidate, candidates
from metalor_lang.tooling.signature import signature
from metalor_lang.tooling.unfinished import may_become, unfinished, viable

_NEVER_CLOSED: Final = "E0801"


class Reader:
    """Reads what is typed at a session's prompt; the last answer is kept."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._around = SessionAround(session)
        self._last: tuple[tuple[object, ...], Reading] | None = None

    def read(self, text: str, cursor: int) -> Reading:
        """The reading of a text with the cursor in it."""
        if not text.strip():
            return NOTHING  # at once: the parser is loaded when something is typed
        key = (text, cursor, self._session.view)
        if self._last is None or self._last[0] != key:
            self._last = key, self._read(text, cursor)
        return self._last[1]

    def problems(self, text: str) -> tuple[Diagnostic, ...]:
        """Everything that is wrong with a text that is to be carried out now."""
        return tuple(_within(each, len(text)) for each in self._session.check(text))

    def items(self, text: str, cursor: int) -> tuple[Item, ...]:
        """What can stand at the cursor."""
        start, part = self._part(text, cursor)
        if is_command(part):
            found = complete_command(part, cursor - start, COMMANDS, self._answers())
            return tuple(_moved(item, start) for item in found)
        statements = complete(text, cursor, self._around, before=f"{self._session.recipe}\n")
        return statements if part.strip() else statements + complete_command(text, cursor, COMMANDS, {})

    # ---- reading -----------------------------------------------------------------------------------------------

    def _read(self, text: str, cursor: int) -> Reading:
        wrong = tuple(self._live(text, cursor))
        colours = tuple(_crossed(self._colours(text, cursor), [each.span for each in wrong]))
        _, part = self._part(text, cursor)
        found = command_signature(part, COMMANDS) if is_command(part) else signature(text, cursor)
        return Reading(colours=colours, problem=wrong[0] if wrong else None, signature=found)

    def _part(self, text: str, cursor: int) -> tuple[int, str]:
        """The line or statement of a text that the cursor is in, and where it starts."""
        for piece in reversed(pieces(text)):
            if piece.start <= cursor:
                return piece.start, text[piece.start : cursor]
        return 0, text[:cursor]

    def _colours(self, text: str, cursor: int) -> Iterator[Colour]:
        end = 0
        for piece in pieces(text):
            yield from _painted(text[end : piece.start], end, None)
            end = piece.start + len(piece.text)
            if piece.command:
                name = re.match(r"[ \t]*(:[^ \t]*)", piece.text)
                assert name is not None
                yield Colour(piece.start + name.start(1), piece.start + name.end(1), COMMAND, False)
                if name.end() < len(piece.text):
                    yield Colour(piece.start + name.end(), end, "word", False)
            else:
                at = cursor - piece.start
                yield from _painted(piece.text, piece.start, at if 0 <= at <= len(piece.text) else None)
        yield from _painted(text[end:], end, None)

    def _live(self, text: str, cursor: int) -> Iterator[Diagnostic]:
        """What is wrong, without what only the end of the text, or the word at the cursor, makes wrong."""
        if not text.strip() or is_command(text):
            return
        open_from = len(text)
        typed = unfinished(text, cursor) if not text[cursor:].strip() else None
        if typed is not None and (viable(typed.text) or may_become(typed)):
            # The statement is not over: its last word may go on, and what its end lacks is still to come.
            open_from = typed.start + typed.at
        more = not text[cursor:].strip()
        for each in self.problems(text):
            if more and each.code == _NEVER_CLOSED:
                continue  # its END is still to come
            if each.span.end <= open_from and each.span.start < open_from:
                yield each

    # ---- commands ----------------------------------------------------------------------------------------------

    def _answers(self) -> Mapping[str, Callable[[str], Iterable[Candidate]]]:
        return {
            Takes.STEP: self._steps,
            Takes.IMAGE_PATH: lambda word: candidates(self._around, Place(where=Where.HERE), word),
            Takes.FILE: files,
            Takes.OUTPUT: _outputs,
            Takes.CODE: lambda word: (
                Candidate(text=code, kind=ItemKind.VALUE, help=CODES[code].title) for code in CODES
            ),
            Takes.SETTING: self._settings,
            Takes.COMMAND: lambda word: (
                *(Candidate(text=each.name, kind=ItemKind.COMMAND, help=each.help) for each in COMMANDS),
                *(Candidate(text=each.word, kind=ItemKind.STATEMENT, help=each.summary) for each in STATEMENTS),
            ),
            Takes.WORD: lambda word: (),
            Takes.LINE: lambda word: (),
            Takes.COUNT: lambda word: (),
            Takes.NOTHING: lambda word: (),
        }

    def _steps(self, word: str) -> Iterator[Candidate]:
        for number, entry in enumerate(self._session.entries, 1):
            yield Candidate(text=str(number), kind=ItemKind.VALUE, help=entry.statement.partition("\n")[0])
        for name in self._session.stages():
            yield Candidate(text=name, kind=ItemKind.STAGE, help="the end of that stage")

    def _settings(self, word: str) -> Iterator[Candidate]:
        for entry in (part for each in self._session.entries for part in each.flat):
            if entry.kind == "arg":
                name, _, value = entry.statement.removeprefix("ARG ").removeprefix("--public ").partition("=")
                yield Candidate(text=name, kind=ItemKind.ARGUMENT, help=value, suffix="=")


def _outputs(word: str) -> Iterator[Candidate]:
    kind, colon, path = word.partition(":")
    if colon:
        for each in files(path):
            yield Candidate(text=each.text, kind=each.kind, cut=len(kind) + 1 + each.cut)
        return
    for text, help in (
        ("oci:", "an OCI layout: DIR[:TAG]"), ("oci-archive:", "an OCI layout in a tar file: FILE[:TAG]"),
        ("docker-archive:", "what `docker load` reads: FILE:NAME"), ("rootfs:", "the plain tree: DIR"),
        ("tar:", "the plain tree as a tar file"), ("docker://", "a registry: REF"),
    ):  # fmt: skip
        yield Candidate(text=text, kind=ItemKind.VALUE, help=help)


def _within(problem: Diagnostic, length: int) -> Diagnostic:
    """A problem whose place is in the text: what the end lacks stands behind a line end that nobody typed."""
    span = problem.span
    return problem if span.end <= length else replace(problem, span=Span(min(span.start, length), length))


def _moved(item: Item, by: int) -> Item:
    return Item(
        text=item.text,
        span=Span(item.span.start + by, item.span.end + by),
        kind=item.kind,
        help=item.help,
        suffix=item.suffix,
        label=item.label,
    )


def _painted(text: str, start: int, cursor: int | None) -> Iterator[Colour]:
    for piece in highlight(text, cursor):
        yield Colour(start + piece.start, start + piece.end, piece.role.value, False)


def _crossed(colours: Iterable[Colour], wrong: list[Span]) -> Iterator[Colour]:
    """The colours, cut where something that is wrong starts or ends."""
    for colour in colours:
        at = colour.start
        cuts = sorted({min(max(edge, at), colour.end) for span in wrong for edge in (span.start, span.end)})
        for end in (*cuts, colour.end):
            if at < end:
                bad = any(span.start <= at < span.end for span in wrong)
                yield Colour(at, end, colour.role, bad)
                at = end
