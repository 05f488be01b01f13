"""Colours of a recipe, from the parser's own tokens.

Invariant: pieces come in order, do not overlap and cover every character but blanks between statements and line ends;
from the first character that the parser refuses to the end of its line everything is an error, and the next line starts
afresh.
"""

import re
from typing import Final, NamedTuple

from metalor_lang.source import SourceFile
from metalor_lang.syntax.characters import bad_characters
from metalor_lang.syntax.grammar import scan
from metalor_lang.syntax.lines import cut_slice
from metalor_lang.tooling.roles import Role, roles
from metalor_lang.tooling.unfinished import may_become, unfinished

_BLANK: Final = re.compile(r"(?:[ \t\n]|\r\n)*")
_COMMENT: Final = re.compile(r"#[^\r\n]*")


class Piece(NamedTuple):
    """Characters of one role (offsets in the text)."""

    start: int
    end: int
    role: Role


def highlight(text: str, cursor: int | None = None) -> tuple[Piece, ...]:
    """The pieces of a text.

    Args:
        text: a recipe, or a part of one that starts with a statement.
        cursor: where somebody types: a word that ends there is no error as long as it may become right.

    """
    out: list[Piece] = []
    at = 0
    while True:
        found = _BLANK.match(text, at)
        assert found is not None
        at = found.end()
        if at == len(text):
            break
        if comment := _COMMENT.match(text, at):
            out.append(Piece(at, comment.end(), Role.COMMENT))
            at = _refused(text, comment.end(), out)
            continue
        at = _statement(text, at, out)
    if cursor is not None:
        _forgive(text, cursor, out)
    return _with_bad_characters(text, out)


def _statement(text: str, start: int, out: list[Piece]) -> int:
    """Add the pieces of the statement at an offset; where the next one may start."""
    table = roles()
    cut = cut_slice(text, start)
    tokens, refusal = scan(text[start : cut.end])
    if refusal is None:
        out += (Piece(start + token.start, start + token.end, table[token.type]) for token in tokens)
        return cut.end
    # Whatever the front end cut it into: what the parser can read goes on until it refuses a character.
    tokens, refusal = scan(text[start:])
    out += (Piece(start + token.start, start + token.end, table[token.type]) for token in tokens)
    if refusal is None:
        return len(text)
    return _refused(text, start + refusal.at, out)


def _refused(text: str, at: int, out: list[Piece]) -> int:
    """What stands between an offset and the end of its line is wrong; where that line ends."""
    end = _line_end(text, at)
    if at < end:
        out.append(Piece(at, end, Role.ERROR))
    return end


def _forgive(text: str, cursor: int, pieces: list[Piece]) -> None:
    """What is being typed is a word yet to come, where one that begins so may stand."""
    if not pieces or pieces[-1].role is not Role.ERROR or pieces[-1].end != cursor:
        return
    typed = unfinished(text, cursor)
    if typed is None or typed.start + typed.at != pieces[-1].start:
        return
    if may_become(typed):
        pieces[-1] = Piece(pieces[-1].start, cursor, Role.WORD)


def _line_end(text: str, at: int) -> int:
    """The end of a line, before its CR and LF."""
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if end > at and text[end - 1] == "\r" else end


def _with_bad_characters(text: str, pieces: list[Piece]) -> tuple[Piece, ...]:
    """The pieces with every character that no recipe may hold cut out as an error."""
    bad = [diagnostic.span for diagnostic in bad_characters(SourceFile("", text))]
    if not bad:
        return tuple(pieces)
    out: list[Piece] = []
    for piece in pieces:
        at = piece.start
        for span in (each for each in bad if piece.start <= each.start < piece.end):
            if at < span.start:
                out.append(Piece(at, span.start, piece.role))
            out.append(Piece(span.start, span.end, Role.ERROR))
            at = span.end
        if at < piece.end:
            out.append(Piece(at, piece.end, piece.role))
    return tuple(out)
