"""Semantic tokens: the roles that the parser gives, in the protocol's five numbers a token.

Invariant: a token lies in one line. Text that belongs to another language, and plain words, have none: an editor's own
colours of them stay.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lsprotocol import types

from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.source import Span
from metalor_lang.tooling.highlight import Piece, highlight
from metalor_lang.tooling.roles import Role

TYPES: Final = ("keyword", "comment", "operator", "parameter", "number", "variable", "property", "string", "macro")
MODIFIERS: Final = ("declaration",)

ROLES: Final[Mapping[Role, tuple[str, str]]] = {
    Role.KEYWORD: ("keyword", ""),
    Role.COMMENT: ("comment", ""),
    Role.CONTINUATION: ("operator", ""),
    Role.FLAG: ("parameter", ""),
    Role.OPERATOR: ("operator", ""),
    Role.NUMBER: ("number", ""),
    Role.NAME: ("variable", "declaration"),
    Role.KEY: ("property", ""),
    Role.STRING: ("string", ""),
    Role.ESCAPE: ("macro", ""),
    Role.VARIABLE: ("variable", ""),
    Role.EXPANSION: ("operator", ""),
    Role.FENCE: ("operator", ""),
}
"""Of each role the type and the modifier; the others have no tokens."""

LEGEND: Final = types.SemanticTokensLegend(token_types=list(TYPES), token_modifiers=list(MODIFIERS))

_FIVE: Final = 5


def tokens(document: Document, client: Client, params: types.SemanticTokensParams) -> types.SemanticTokens:
    """`textDocument/semanticTokens/full`."""
    return types.SemanticTokens(data=document.remember(_all), result_id=_note(document))


def tokens_within(document: Document, client: Client, params: types.SemanticTokensRangeParams) -> types.SemanticTokens:
    """`textDocument/semanticTokens/range`."""
    wanted = document.lines.span(params.range)
    pieces = (each for each in document.remember(_pieces) if each.start < wanted.end and wanted.start < each.end)
    return types.SemanticTokens(data=_numbers(document, pieces))


def tokens_delta(
    document: Document, client: Client, params: types.SemanticTokensDeltaParams
) -> types.SemanticTokens | types.SemanticTokensDelta:
    """`textDocument/semanticTokens/full/delta`: one edit, from the first token that is another to the last one."""
    before = document.kept
    data = document.remember(_all)
    if before is None or before[0] != params.previous_result_id:
        return types.SemanticTokens(data=data, result_id=_note(document))
    return types.SemanticTokensDelta(edits=_difference(before[1], data), result_id=_note(document))


def _note(document: Document) -> str:
    """Keep what is sent for the next delta; its name."""
    number = str(document.version)
    document.kept = (number, document.remember(_all))
    return number


def _pieces(document: Document) -> tuple[Piece, ...]:
    return highlight(document.text)


def _all(document: Document) -> list[int]:
    return _numbers(document, document.remember(_pieces))


def _numbers(document: Document, pieces: Iterable[Piece]) -> list[int]:
    out: list[int] = []
    line, character = 0, 0
    for piece in pieces:
        known = ROLES.get(piece.role)
        if known is None:
            continue
        kind, modifier = TYPES.index(known[0]), 1 if known[1] else 0
        for at, first, length in document.lines.pieces(Span(piece.start, piece.end)):
            out += (at - line, first - character if at == line else first, length, kind, modifier)
            line, character = at, first
    return out


def _difference(old: Sequence[int], new: Sequence[int]) -> list[types.SemanticTokensEdit]:
    before, after = _fives(old), _fives(new)
    same = _alike(before, after)
    if same == len(before) == len(after):
        return []
    tail = _alike(before[same:][::-1], after[same:][::-1])
    return [
        types.SemanticTokensEdit(
            start=same * _FIVE,
            delete_count=(len(before) - same - tail) * _FIVE,
            data=list(new[same * _FIVE : len(new) - tail * _FIVE]),
        )
    ]


def _fives(numbers: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(numbers[at : at + _FIVE]) for at in range(0, len(numbers), _FIVE)]


def _alike(old: Sequence[object], new: Sequence[object]) -> int:
    """How many of the first things are the same."""
    return next((at for at, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)))
