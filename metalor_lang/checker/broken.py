"""What the statements that the parser refused would have declared, so that nothing is held against the right ones.

Invariant: one mistake gives one error: a name, or a stage, of a refused statement may be meant wherever it is named.
"""

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
        names: every name in those that declare something.
        stages: a FROM without a base for each that starts a stage, in order.
        open: a block is never closed: stages may be meant to stand behind it.

    """

    names: frozenset[str] = frozenset()
    stages: tuple[ast.From, ...] = ()
    open: bool = False


def read_broken(recipe: ast.Recipe, syntax: tuple[Diagnostic, ...]) -> Broken:
    """Read the lines of refused statements as far as their first word says what they are."""
    names: set[str] = set()
    stages: dict[int, ast.From] = {}
    for each in syntax:
        if each.code in ABOUT_RIGHT_LINES:
            continue
        start, text = lines_of(recipe.source, each)
        words = text.split(maxsplit=1)
        word = meant(words[0]) if words else ""
        if word in _DECLARE:
            names.update(_IDENTIFIER.findall(text))
        if word == "FROM":
            span = Span(start, start + len(text.rstrip()))
            stages[start] = ast.From(base=ast.Word(parts=(), span=span), span=span, word_span=span)
    return Broken(
        names=frozenset(names),
        stages=tuple(stages[start] for start in sorted(stages)),
        open=any(each.code == "E0801" for each in syntax),
    )
