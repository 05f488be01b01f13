"""Recipe files that are there to be imported: they hold groups, and no stage.

Invariant: only that a file has no FROM is passed over, and only where there is nothing that a stage could be made of.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import Final
from metalor_lang.syntax import ast
from metalor_lang.syntax.blocks import Block, matched

_NO_FROM: Final = "E0313"


def is_library(recipe: ast.Recipe) -> bool:
    """Whether a file holds groups, imports and nothing else."""
    items = matched(recipe.source, recipe.statements, ())[0]
    groups = [item for item in items if isinstance(item, Block) and item.word == "DEFINE"]
    others = [item for item in items if isinstance(item, ast.RecipeVersion | ast.Import)]
    return bool(groups) and len(groups) + len(others) == len(items)


def lacks_stage(found: Sequence[Diagnostic]) -> bool:
    """Whether it is said that a file has no FROM."""
    return any(each.code == _NO_FROM for each in found)


def as_file(recipe: ast.Recipe, found: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """What is wrong with a file as such: one to be imported needs no FROM."""
    if not lacks_stage(found) or not is_library(recipe):
        return tuple(found)
    return tuple(each for each in found if each.code != _NO_FROM)
