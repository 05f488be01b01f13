"""Reads statements with the automaton: offsets in, tokens out, Lark not needed.

Invariant: gives the tokens that Lark gives for a statement that it accepts, and None for all others.
A state's expression is compiled when the state is first reached: a recipe meets a few of them.
"""

import re
from collections.abc import Callable, Sequence

from metalor_lang.hints import Any, Final
from metalor_lang.syntax.automaton.table import STATES, TERMINALS

Raw = tuple[str, int, int]
"""A terminal, and the offsets of its text."""

GAPS: Final = frozenset({"WS", "NL", "BACKSLASH", "COMMENT"})
"""Terminals that stand between words."""

_BLOCKS: Final = frozenset({"RAW_OPEN", "TEXT_OPEN"})
"""Terminals behind which line ends belong to the text."""

# A row is [match, moves, accepting]: `match` reads the next token, `moves` holds (terminal, row) by the number of the
# group that matched. Rows hold rows, so that a step costs no look-up by number.
_Row = list[Any]


def _compiling(row: _Row, patterns: Sequence[str]) -> Callable[[str, int], "re.Match[str] | None"]:
    def match(text: str, at: int) -> "re.Match[str] | None":
        row[0] = re.compile("|".join(f"({pattern})" for pattern in patterns)).match
        found: re.Match[str] | None = row[0](text, at)
        return found

    return match


def _nothing(text: str, at: int) -> None:
    return None


def _rows(gaps: bool) -> _Row:
    """The start row of a machine.

    Args:
        gaps: whether it names tokens between words; without, only line ends in blocks have a name, and others are "".

    """
    in_block = set[int]()
    todo = [to for _, moves in STATES for kind, to in moves if TERMINALS[kind][0] in _BLOCKS]
    while todo:
        at = todo.pop()
        if at >= 0 and at not in in_block:
            in_block.add(at)
            todo += [to for _, to in STATES[at][1]]
    rows: list[_Row] = [[None, (), accepting] for accepting, _ in STATES]
    for at, (_, moves) in enumerate(STATES):
        row = rows[at]
        named: list[tuple[str, _Row | None] | None] = [None]
        for kind, to in moves:
            name = TERMINALS[kind][0]
            shown = gaps or name not in GAPS or (name == "NL" and at in in_block)
            named.append((name if shown else "", rows[to] if to >= 0 else None))
        row[1] = tuple(named)
        row[0] = _compiling(row, [TERMINALS[kind][1] for kind, _ in moves]) if moves else _nothing
    return rows[0]


_words: _Row = _rows(gaps=False)
_everything: _Row | None = None


def read(text: str, at: int) -> tuple[list[Raw], int] | None:
    """The tokens of the statement that starts at an offset, without those between its words, and where it ends.

    A statement ends at the end of a line or of the text. None when what stands there is no statement.
    """
    tokens: list[Raw] = []
    add = tokens.append
    row = _words
    while found := row[0](text, at):
        kind, row = row[1][found.lastindex]
        if row is None:
            return None
        start, at = at, found.end()
        if kind:
            add((kind, start, at))
    if row[2] and (text.startswith(("\n", "\r\n"), at) or at == len(text)):
        return tokens, at
    return None


def tokens(text: str) -> list[Raw] | None:
    """Every token of a text that is one statement; None when it is none."""
    global _everything
    if _everything is None:
        _everything = _rows(gaps=True)
    out: list[Raw] = []
    at, row = 0, _everything
    while found := row[0](text, at):
        kind, row = row[1][found.lastindex]
        if row is None:
            return None
        out.append((kind, at, found.end()))
        at = found.end()
    return out if row[2] and at == len(text) else None
