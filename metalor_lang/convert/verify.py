"""The check of a converted recipe: what `metalor check` says of it, without the outside.

Invariant: sources, contexts and bases are taken to be there; everything else is checked as for a person.
"""

from metalor_lang.checker.checker import check
from metalor_lang.checker.program import Platform, SourceMiss
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast
from metalor_lang.syntax.parser import parse

_PLATFORM: Final = Platform(os="linux", arch="amd64")


class _Everything:
    """Contexts in which every source is."""

    def names(self) -> frozenset[str]:
        return frozenset()

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        return None

    def exists(self, path: str) -> bool:
        return True

    def recipe(self, path: str) -> bytes:
        raise MetalorError(f"a converted recipe imports nothing, and {path} least of all")


def problems(text: str) -> list[tuple[int, str]]:
    """The errors of a recipe: line and what is said of it, with the way out."""
    source = SourceFile(text=text, path="recipe")
    recipe, wrong = parse(source)
    given = {each.name: "1" for each in recipe.statements if isinstance(each, ast.Arg) and each.default is None}
    _, found = check(
        recipe, contexts=_Everything(), args=given, platform=_PLATFORM, syntax=wrong, given_args_strict=False
    )
    said = []
    for each in (*wrong, *found):
        line = source.position(each.span.start).line
        said.append((line, f"{each.message}; {each.help}" if each.help else each.message))
    return sorted(set(said))
