"""Makes the edits that are safe, until there are none left to make.

Invariant: pure; all edits of a diagnostic are made or none. A diagnostic stays as it is when its edits do not make it
go away, or when they take a right statement away without leaving fewer errors.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from metalor_lang.diagnostics.edits import applied, together
from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.record import dataclass
from metalor_lang.source import Position, SourceFile
from metalor_lang.syntax import ast
from metalor_lang.syntax.parser import parse

Read = Callable[[SourceFile], tuple[ast.Recipe, Sequence[Diagnostic]]]
"""Reads a recipe as `parse` does."""

MOST_ROUNDS = 1000
"""A statement shows one error at a time; nobody has one with more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A diagnostic that was put right, and where that was when it was its turn."""

    diagnostic: Diagnostic
    place: Position


def fix(source: SourceFile, read: Read = parse) -> tuple[SourceFile, tuple[Fixed, ...]]:
    """A recipe after its safe edits, and what they put right, in the order it was done.

    One round makes the edits of all statements at once, as each shows one error at a time; where that does harm, one
    round makes those of one. What an error hid may come to light.

    Args:
        source: a recipe, right or wrong.
        read: what its errors are, without or with those of the checker; called once or twice a round.

    """
    done: list[Fixed] = []
    kept: tuple[int, ...] = ()
    now = _State(source, *read(source))
    for _ in range(MOST_ROUNDS):
        wanted = together(each for each in now.found if each.span.start not in kept)
        if not wanted:
            break
        for chosen in (wanted, wanted[:1]):
            edits = tuple(edit for each in chosen for edit in each.edits)
            text = SourceFile(source.path, applied(now.source.text, edits))
            after = _State(text, *read(text))
            if _better(now, after, [(each.code, each.message, _moved(each.span.start, edits)) for each in chosen]):
                done += (Fixed(diagnostic=each, place=now.source.position(each.span.start)) for each in chosen)
                kept = tuple(_moved(offset, edits) for offset in kept)
                now = after
                break
        else:
            kept = (*kept, wanted[0].span.start)
    return now.source, tuple(done)


class _State(NamedTuple):
    """A text and what was read in it."""

    source: SourceFile
    recipe: ast.Recipe
    found: Sequence[Diagnostic]

    def statements(self) -> Counter[str]:
        return Counter(self.source.slice(each.span) for each in self.recipe.statements)


def _better(before: _State, after: _State, cured: Iterable[tuple[str, str, int]]) -> bool:
    """Whether the diagnostics that were to be cured (code, message and place) are gone, and nothing right with them."""
    if not {(each.code, each.message, each.span.start) for each in after.found}.isdisjoint(cured):
        return False
    return not before.statements() - after.statements() or len(after.found) < len(before.found)


def _moved(offset: int, edits: Iterable[Edit]) -> int:
    """Where an offset is after edits; one inside what was replaced stands at its start."""
    moved = offset
    for edit in edits:
        if edit.span.end <= offset:
            moved += len(edit.text) - len(edit.span)
        elif edit.span.start < offset:
            moved -= offset - edit.span.start
    return moved
