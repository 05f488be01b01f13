"""The check of a converted recipe: what `metalor check` says of it, without the outside.

Invariant: sources, contexts and bases are taken to be there; everything else is checked as for a person.
"""

from collections.abc import Iterable

from metalor_lang.checker.checker import check
from metalor_lang.checker.presumed import EverythingIsThere
from metalor_lang.checker.program import Platform
from metalor_lang.hints import Final
from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast
from metalor_lang.syntax.parser import parse

_PLATFORM: Final = Platform(os="linux", arch="amd64")


def problems(text: str) -> list[tuple[int, str]]:
    """The errors of a recipe: line and what is said of it, with the way out."""
    source = SourceFile(text=text, path="recipe")
    recipe, wrong = parse(source)
    given = {each.name: "1" for each in recipe.statements if isinstance(each, ast.Arg) and each.default is None}
    given |= dict.fromkeys(_bases(recipe.statements) & given.keys(), "base:1")
    _, found = check(
        recipe, contexts=EverythingIsThere(), args=given, platform=_PLATFORM, syntax=wrong, given_args_strict=False
    )
    said = []
    for each in (*wrong, *found):
        line = source.position(each.span.start).line
        said.append((line, f"{each.message}; {each.help}" if each.help else each.message))
    return sorted(set(said))


def _bases(statements: Iterable[ast.Statement]) -> set[str]:
    """The arguments that a base's tag comes from: those that end one in which no tag is written."""
    words = [each.base for each in statements if isinstance(each, ast.From)]
    return {
        word.refs[-1].name
        for word in words
        if word.refs
        and not any(sign in part.value for part in word.parts if isinstance(part, ast.Text) for sign in ":@")
    }
