"""Which part of a statement the cursor is in: a flag, the value of one, the n-th word, a string of an array.

Invariant: read off the settled tokens alone, so that it holds for every statement the grammar has.
"""

from collections.abc import Sequence

from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.syntax.grammar import Token
from metalor_lang.tooling.unfinished import Unfinished

_BARE: Final = frozenset({"WORD", "VALUE", "REST", "DOLLAR", "DOLLARS_BRACE", "REF_OPEN", "REF", "REF_CLOSE"})
_QUOTED: Final = frozenset({"STRING", "ITEM", "ESCAPE", "DOLLAR", "DOLLARS_BRACE", "REF_OPEN", "REF", "REF_CLOSE"})
_GAPS: Final = frozenset({"WS", "NL", "BACKSLASH", "COMMENT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where the cursor is.

    Args:
        word: the statement's word, of TEST its step's; "" before it.
        test: whether it stands behind TEST.
        flag: the flag whose value is being written.
        key: the key whose value is being written, "" where none is.
        index: how many words (or strings of the array) are complete before it; a key with its value is one.
        quote: the quote that is open.
        value: where the value being written starts (in the statement, its quote included).
        flags: the flags that are there already.
        what: of UNSET, the word behind it.

    """

    word: str
    test: bool = False
    flag: str = ""
    key: str = ""
    index: int = 0
    quote: str = ""
    value: int = 0
    flags: tuple[str, ...] = ()
    what: str = ""


def slot_of(typed: Unfinished) -> Slot:
    """The slot at the cursor of a statement."""
    tokens = typed.tokens
    if not tokens:
        return Slot(word="")
    words = [token.type for token in tokens if token.type not in _GAPS][:2]
    test = words[0] == "TEST"
    if test and len(words) < 2:
        return Slot(word="", test=True)
    word = words[1] if test else words[0]
    start, quote = _value(typed)
    before = [token for token in tokens if token.end <= start]
    flag, key = _owner(before, typed.text) if before and before[-1].type == "EQ" else ("", "")
    flags = tuple(typed.text[token.start + 2 : token.end] for token in before if token.type == "FLAG")
    what = ""
    if word == "UNSET" and len(words) > 1:
        what = words[1]
    return Slot(
        word=word, test=test, flag=flag, key=key, index=_complete(before, typed.text), quote=quote, value=start,
        flags=flags[:-1] if flag else flags, what=what,
    )  # fmt: skip


def _value(typed: Unfinished) -> tuple[int, str]:
    """Where the value at the cursor starts, and its open quote."""
    tokens = typed.tokens
    if typed.partial.startswith("'") and "SINGLE" in typed.accepts:
        return typed.at, "'"
    at = len(tokens)
    while at and tokens[at - 1].type in _QUOTED:
        at -= 1
    if at and tokens[at - 1].type == "QUOTE":
        return tokens[at - 1].start, '"'
    at, end = len(tokens), typed.at
    while at and tokens[at - 1].type in _BARE and tokens[at - 1].end == end:
        at -= 1
        end = tokens[at].start
    return end, ""


def _owner(before: Sequence[Token], text: str) -> tuple[str, str]:
    """The flag and the key in front of the `=` that a value stands behind."""
    name = before[-2]
    raw = text[name.start : name.end]
    return (raw[2:], "") if name.type == "FLAG" else ("", raw)


_NO_WORDS: Final = frozenset({"FLAG", "AS", "IN", "NOT", "IS", "DOT"})


def _complete(before: Sequence[Token], text: str) -> int:
    """How many words are complete: runs of tokens between gaps, flags and the statement's own words left out."""
    if any(token.type == "LBRACKET" for token in before):
        return sum(token.type == "QUOTE_END" for token in before[_bracket(before) :])
    runs: list[list[Token]] = [[]]
    for token in before:
        if token.type in _GAPS:
            runs.append([])
        else:
            runs[-1].append(token)
    if runs[-1]:  # what the cursor is in
        runs.pop()
    kinds = [run[0].type for run in runs if run]
    return sum(kind not in ("FLAG", "AS", "IN", "NOT", "IS", "DOT") for kind in kinds) - (
        2 if kinds[:1] == ["TEST"] else 1
    )


def _bracket(before: Sequence[Token]) -> int:
    return next(at for at, token in enumerate(before) if token.type == "LBRACKET")
