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
from metalor_lang.syntax.refused import lines_of, meant

_IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_-]*")
ABOUT_RIGHT_LINES: Final = frozenset({"E0251", "E0801", "E0802", "E0803", "E0804", "E0805", "E0806"})
"""What the parser says of statements that are right in themselves."""
_DECLARE: Final = ("ARG", "ENV", "FROM", "FOR", "DEFINE", "IMPORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What is left of refused statements.

    Args:
        names: every name in those that declare something, and what it would be in right letters.
        unnamed: whether one starts a stage of which no name can be told.
        words: the words of all of them.
        stages: a FROM without a base for each that starts a stage, in order.
        open: a block is never closed: stages may be meant to stand behind it.

    """

    names: frozenset[str] = frozenset()
    stages: tuple[ast.From, ...] = ()
    open: bool = False
    unnamed: bool = False
    words: frozenset[str] = frozenset()


def read_broken(recipe: ast.Recipe, syntax: tuple[Diagnostic, ...]) -> Broken:
    """Read the lines of refused statements as far as their first word says what they are."""
    names: set[str] = set()
    lost: set[str] = set()
    unnamed = False
    stages: dict[int, ast.From] = {}
    for each in syntax:
        if each.code in ABOUT_RIGHT_LINES:
            continue
        start, text = lines_of(recipe.source, each)
        words = text.split(maxsplit=1)
        word = meant(words[0]) if words else ""
        lost.add(word)
        if word in _DECLARE:
            for name in _IDENTIFIER.findall(text):
                names.update((name, name.lower(), name.replace("-", "_")))
        if word == "FROM":
            if _says_no_name(text):
                unnamed = True
            else:
                names.update((last := text.split()[-1], re.sub("[^a-z0-9_-]", "-", last.lower())))
            span = Span(start, start + len(text.rstrip()))
            stages[start] = ast.From(base=ast.Word(parts=(), span=span), span=span, word_span=span)
    return Broken(
        names=frozenset(names),
        stages=tuple(stages[start] for start in sorted(stages)),
        open=any(each.code == "E0801" for each in syntax),
        unnamed=unnamed,
        words=frozenset(lost),
    )


def _says_no_name(text: str) -> bool:
    """Whether the line of a FROM breaks off before the name of its stage, or leaves that to `${NAME}`."""
    words = [word for word in text.split()[1:] if not word.startswith("--")]
    return not words or words[-1].upper() == "AS" or "$" in words[-1]
