"""What the statements that the parser refused would have declared, so that nothing is held against the right ones.

Invariant: one mistake gives one error: a name, or a stage, of a refused statement may be meant wherever it is named.
"""

import re

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.refused import glued, lines_of, meant

_IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_-]*")
ABOUT_RIGHT_LINES: Final = frozenset({"E0251", "E0801", "E0802", "E0803", "E0804", "E0805", "E0806"})
"""What the parser says of statements that are right in themselves."""
_NO_NAMES: Final = frozenset(("ARG", "ENV", "FROM", "FOR", "DEFINE", "IMPORT", "AS", "IN"))
_DECLARE: Final = ("ARG", "ENV", "FROM", "FOR", "DEFINE", "IMPORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What is left of refused statements.

    Args:
        names: every name in those that declare something, and what it would be in right letters.
        words: the words of all of them.
        vague: the words of those whose name cannot be told, or that bring what cannot be told: any name may be meant.
        stages: a FROM without a base for each that starts a stage, in order.
        open: a block is never closed: what follows may be meant to stand behind it.

    """

    names: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    vague: frozenset[str] = frozenset()
    stages: tuple[ast.From, ...] = ()
    open: bool = False


NOTHING_BROKEN: Final = Broken()


def read_broken(recipe: ast.Recipe, syntax: tuple[Diagnostic, ...]) -> Broken:
    """Read the lines of refused statements as far as their first word says what they are."""
    names: set[str] = set()
    lost: set[str] = set()
    vague: set[str] = set()
    stages: dict[int, ast.From] = {}
    for each in syntax:
        if each.code in ABOUT_RIGHT_LINES:
            continue
        start, text = lines_of(recipe.source, each)
        word = meant(text)
        lost.add(word)
        if word in _DECLARE:
            found = _declared(word, text)
            names |= found
            if not found or (word == "FROM" and _says_no_name(text)):
                vague.add(word)
        elif word == "USE":
            vague.add(word)
        if word == "FROM":
            span = Span(start, start + len(text.rstrip()))
            stages[start] = ast.From(base=ast.Word(parts=(), span=span), span=span, word_span=span)
    unclosed = any(each.code == "E0801" for each in syntax)
    return Broken(
        names=frozenset(names),
        words=frozenset(lost),
        vague=frozenset(vague | {"FROM"} if unclosed else vague),
        stages=tuple(stages[start] for start in sorted(stages)),
        open=unclosed,
    )


def _declared(word: str, text: str) -> set[str]:
    """The names in a line that declares some, and what they would be in right letters."""
    behind = text.strip()
    behind = behind[len(word) :] if glued(behind.upper()) == word else behind
    out: set[str] = set()
    for name in _IDENTIFIER.findall(behind):
        if name.upper() not in _NO_NAMES:
            out.update((name, name.lower(), name.replace("-", "_")))
    if word == "FROM" and out:
        last = text.split()[-1]
        last = last[2:] if last.startswith("AS") else last
        out.update((last, re.sub("[^a-z0-9_-]", "-", last.lower())))
    return out


def _says_no_name(text: str) -> bool:
    """Whether the line of a FROM breaks off before the name of its stage, or leaves that to `${NAME}`."""
    last = text.split()[-1]
    return last.upper() == "AS" or "$" in last
