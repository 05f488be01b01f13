"""Pygments' lexer for recipes.

Invariant: gives every character the role that the parser gives it, whatever the text; what is embedded (the text of SH)
is shown by Pygments' own shell lexer, which never moves where it ends.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, Final, TypeAlias

from pygments.lexer import Lexer
from pygments.lexers.shell import BashLexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Other,
    Punctuation,
    String,
    Whitespace,
    _TokenType,
)

from metalor_lang.editors import pygments_table

TOKENS: Final[Mapping[str, _TokenType]] = {
    "keyword": Keyword, "space": Whitespace, "comment": Comment.Single, "continuation": Punctuation,
    "flag": Name.Attribute, "operator": Operator, "number": Number.Integer, "name": Name.Variable.Global,
    "key": Name.Property, "word": Literal, "string": String.Double, "escape": String.Escape,
    "variable": Name.Variable, "expansion": String.Interpol, "fence": String.Delimiter, "shell": Other,
    "block": String.Heredoc, "error": Error,
}  # fmt: skip
"""Role → token type; each its own, so that a token tells its role."""

_Piece: TypeAlias = tuple[int, _TokenType, str]

_FIRST: Final = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*[ \t]*RECIPE[ \t]+[0-9]+[ \t]*(?:[ \t]#.*)?\r?(?:\n|\Z)")
_OURS: Final = re.compile(r"^(?:SH '''|SH [^-\s]|FETCH --|ANNOTATE |UNSET (?:ENV|LABEL) |FILE /\S+ ('''|\"\"\"))", re.M)


class MetalorLexer(Lexer):
    """Recipes of metalor.

    Args:
        shell: whether the text of SH is shown by the shell's lexer (the default), or as one piece.

    """

    name = "Metalor"
    aliases: ClassVar[list[str]] = ["metalor", "metalor-recipe"]
    filenames: ClassVar[list[str]] = ["*.metalor"]
    mimetypes: ClassVar[list[str]] = ["text/x-metalor"]
    url = ""
    version_added = ""

    table: ClassVar[Any] = pygments_table

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._shell = BashLexer() if options.get("shell", True) else None
        self._rows = _rows(self.table)

    @staticmethod
    def analyse_text(text: str) -> float:
        """How likely a text is a recipe, between 0 and 1."""
        if _FIRST.match(text):
            return 0.95
        return 0.3 if _OURS.search(text) and re.search(r"^FROM ", text, re.M) else 0.0

    def get_tokens_unprocessed(self, text: str) -> Iterator[_Piece]:
        """(offset, token type, text) of each piece; together they are the text."""
        shell: list[_Piece] = []
        for piece in self._pieces(text):
            # A block is shell as a whole, with its line ends and with the characters that do not belong there.
            if self._shell is not None and (piece[1] is Other or (shell and piece[1] in _WITHIN)):
                shell.append(piece)
                continue
            yield from self._embedded(shell)
            shell = []
            yield piece
        yield from self._embedded(shell)

    def _pieces(self, text: str) -> Iterator[_Piece]:
        """The pieces without anything embedded."""
        states = self.table.STATES
        at, here = 0, 0
        while at < len(text):
            newline, moves = states[here]
            start = at
            if found := _LINE_END.match(text, at):
                at = found.end()
                yield start, Whitespace, found.group()
                here = newline
            elif moves and (found := self._read(here)(text, at)):
                assert found.lastindex is not None
                at = found.end()
                _, role, here = moves[found.lastindex - 1]
                yield from self._without_bad(start, TOKENS[role], found.group())
            else:
                found = _REST.match(text, at)
                assert found is not None
                at = found.end()
                yield start, Error, found.group()
                here = 0

    def _read(self, state: int) -> Callable[[str, int], "re.Match[str] | None"]:
        """What matches the moves of a state, compiled when it is first met."""
        match: Callable[[str, int], re.Match[str] | None] | None = self._rows[state]
        if match is None:
            patterns = (self.table.PATTERNS[pattern] for pattern, _, _ in self.table.STATES[state][1])
            match = self._rows[state] = re.compile("|".join(f"({pattern})" for pattern in patterns)).match
        return match

    def _without_bad(self, start: int, kind: _TokenType, text: str) -> Iterator[_Piece]:
        at = 0
        for bad in re.finditer(self.table.BAD, text):
            if at < bad.start():
                yield start + at, kind, text[at : bad.start()]
            yield start + bad.start(), Error, bad.group()
            at = bad.end()
        if at < len(text):
            yield start + at, kind, text[at:]

    def _embedded(self, pieces: list[_Piece]) -> Iterator[_Piece]:
        """The pieces of a shell text as the shell's lexer sees them; our own errors stay."""
        if not pieces:
            return
        assert self._shell is not None
        last = max(at for at, piece in enumerate(pieces) if piece[1] is Other)
        offset = pieces[0][0]
        inner = "".join(" " * len(text) if kind is Comment.Single else text for _, kind, text in pieces[: last + 1])
        kinds: list[_TokenType] = [Other] * len(inner)
        for at, kind, text in self._shell.get_tokens_unprocessed(inner):
            kinds[at : at + len(text)] = [kind] * len(text)
        for start, kind, text in pieces[: last + 1]:
            if kind in _OURS_STILL:
                yield start, kind, text
                continue
            at = 0
            while at < len(text):
                end = at + 1
                while end < len(text) and kinds[start - offset + end] is kinds[start - offset + at]:
                    end += 1
                yield start + at, kinds[start - offset + at], text[at:end]
                at = end
        yield from pieces[last + 1 :]


_WITHIN: Final = frozenset({Whitespace, Error, Punctuation, Comment.Single})
"""What may stand between two lines of shell."""

_OURS_STILL: Final = _WITHIN - {Whitespace}

_LINE_END: Final = re.compile(r"\r?\n")
_REST: Final = re.compile(r"(?:[^\r\n]|\r(?!\n))+")


@cache
def _rows(table: Any) -> list[Any]:
    """One place for each state's expression, shared by all lexers of a table."""
    return [None] * len(table.STATES)
