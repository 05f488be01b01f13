"""What the statements that the parser refused would have declared, so that nothing is held against the right ones.

Invariant: one mistake gives one error: a name, or a stage, of a refused statement may be meant wherever it is named.
"""

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.statements import BY_WORD

_IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_-]*")
_DECLARE: Final = ("ARG", "ENV", "FROM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What is left of refused statements.

    Args:
        names: every name in those that declare something.
        stages: a FROM without a base for each that starts a stage, in order.

    """

    names: frozenset[str] = frozenset()
    stages: tuple[ast.From, ...] = ()


def read_broken(recipe: ast.Recipe, syntax: tuple[Diagnostic, ...]) -> Broken:
    """Read the lines of refused statements as far as their first word says what they are."""
    names: set[str] = set()
    stages: dict[int, ast.From] = {}
    for each in syntax:
        start, text = _statement(recipe, each)
        words = text.split(maxsplit=1)
        word = _meant(words[0]) if words else ""
        if word in _DECLARE:
            names.update(_IDENTIFIER.findall(text))
        if word == "FROM":
            span = Span(start, start + len(text.rstrip()))
            stages[start] = ast.From(base=ast.Word(parts=(), span=span), span=span, word_span=span)
    return Broken(names=frozenset(names), stages=tuple(stages[start] for start in sorted(stages)))


def _statement(recipe: ast.Recipe, diagnostic: Diagnostic) -> tuple[int, str]:
    """Where the statement that a diagnostic stands in starts, and its lines as far as backslashes join them."""
    source = recipe.source
    first = last = source.position(diagnostic.span.start).line
    while first > 1 and source.line(first - 1).rstrip().endswith("\\"):
        first -= 1
    while last < source.line_count and source.line(last).rstrip().endswith("\\"):
        last += 1
    text = "\n".join(source.line(number) for number in range(first, last + 1))
    return source.line_span(first).start, text


def _meant(word: str) -> str:
    """The statement word that a first word is, or is misspelt from; invisible characters do not count."""
    plain = word.encode("ascii", "ignore").decode().upper()
    return plain if plain in BY_WORD else nearest(plain, BY_WORD) or ""
