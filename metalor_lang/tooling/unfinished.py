"""A statement that is being typed: what of it is settled before the cursor, and what could stand there.

Invariant: `accepts` is what the parser says of the settled tokens; nothing is guessed from the text.
"""

import re
from functools import lru_cache

from metalor_lang.hints import Final
from metalor_lang.primitives import significant_lines
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile
from metalor_lang.syntax.grammar import Refusal, Token, parser, scan
from metalor_lang.syntax.lines import cut_slice
from metalor_lang.syntax.statements import BY_WORD

COMPLETE: Final = frozenset(
    {"WS", "NL", "BACKSLASH", "EQ", "DOT", "COMMA", "LBRACKET", "RBRACKET", "REF_OPEN", "REF_CLOSE", "QUOTE",
     "QUOTE_END", "DOLLARS_BRACE", "SINGLE", "ESCAPE", "RAW_OPEN", "RAW_CLOSE", "TEXT_OPEN", "TEXT_CLOSE"}
)  # fmt: skip
"""Terminals that no further character makes longer (white space does not count as being typed)."""

_OPEN_SINGLE: Final = re.compile(r"'[^'\r\n]*")
_BEGINNINGS: Final = {
    "FLAG": re.compile(r"--?"),
    "SINGLE": _OPEN_SINGLE,
    "IS": re.compile(r"[=!]"),
    "RAW_OPEN": re.compile(r"'{1,2}"),
    "TEXT_OPEN": re.compile(r'"{1,2}'),
    "ESCAPE": re.compile(r"\\(u[0-9A-Fa-f]{0,3})?"),
}
"""What is no token yet and may become one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """The statement at the cursor, up to the cursor.

    Args:
        start: offset of the statement in the text.
        text: its text up to the cursor.
        tokens: its settled tokens; offsets are the statement's.
        at: where what is being typed starts (in the statement; its length when nothing is).
        accepts: the terminals that the parser takes there.

    """

    start: int
    text: str
    tokens: tuple[Token, ...]
    at: int
    accepts: frozenset[str]

    @property
    def partial(self) -> str:
        """What is being typed."""
        return self.text[self.at :]


def unfinished(text: str, cursor: int) -> Unfinished | None:
    """The statement at an offset; None inside a comment that is no part of one."""
    before = text[:cursor]
    start = statement_start(before)
    if start is None:
        return None
    typed = before[start:]
    tokens, refusal = _scan(typed)
    if refusal is not None and refusal.at < len(typed):
        return Unfinished(start=start, text=typed, tokens=tokens, at=refusal.at, accepts=refusal.expected)
    if tokens and tokens[-1].type not in COMPLETE and tokens[-1].end == len(typed):
        at = tokens[-1].start
        return Unfinished(start=start, text=typed, tokens=tokens[:-1], at=at, accepts=expected(typed[:at]))
    accepts = refusal.expected if refusal is not None else expected(typed)
    return Unfinished(start=start, text=typed, tokens=tokens, at=len(typed), accepts=accepts)


def statement_start(before: str) -> int | None:
    """Where the statement that a text ends in starts: the end for a new one; None in a comment between statements."""
    source = SourceFile("", before)
    done, start, goes_on = 0, len(before), False
    for line in significant_lines(before):
        span = source.line_span(line.number)
        if span.start < done:
            continue
        begin = span.start + len(before[span.start :]) - len(before[span.start :].lstrip(" \t"))
        cut = cut_slice(before, begin)
        done, start, goes_on = max(cut.end, span.end), begin, cut.open is not None
    last = before.rfind("\n") + 1
    if goes_on or (start < len(before) and last <= start) or (start < len(before) and done == len(before)):
        return start
    rest = before[last:].lstrip(" \t")
    return None if rest.startswith("#") else len(before) - len(rest)


@lru_cache(maxsize=64)
def _scan(text: str) -> tuple[tuple[Token, ...], Refusal | None]:
    return scan(text)


@lru_cache(maxsize=64)
def expected(text: str) -> frozenset[str]:
    """The terminals that can follow a text of settled tokens, "$END" among them where it may end."""
    session = parser().parse_interactive(text)
    session.exhaust_lexer()
    return frozenset(session.accepts())  # type: ignore[no-untyped-call]


def viable(text: str) -> bool:
    """Whether a statement can begin with a text: what is wrong with it, if anything, is that it ends."""
    _, refusal = scan(text)
    if refusal is None or refusal.at == len(text):
        return True
    rest = text[refusal.at :]  # a word in single quotes is one terminal, and no part of it is one
    return "SINGLE" in refusal.expected and _OPEN_SINGLE.fullmatch(rest) is not None


def may_become(typed: Unfinished) -> bool:
    """Whether what is being typed may still become right: a beginning of a word of the language, a flag, a quote."""
    partial = typed.partial
    if any(
        name.startswith(partial.upper()) for name in typed.accepts if name in BY_WORD or name in ("AS", "IN", "NOT")
    ):
        return True
    return any(pattern.fullmatch(partial) is not None for name, pattern in _BEGINNINGS.items() if name in typed.accepts)
