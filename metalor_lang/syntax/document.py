"""A recipe that is being written: after an edit only what the edit touches is read again.

Invariant: after any edits, recipe and diagnostics are those that `parse` gives for the text as it is then.

A statement that was read at once depends on its own text and on the end of its line, and leaves nothing behind for
the next one. So reading starts at the end of the last such statement before the edit, and stops at the first one behind
it that ends where one ended before; what follows is moved. Characters that no recipe may hold, misplaced directives
and blocks that are never closed act at a distance: while there are some, everything is read again.
"""

import gc
from bisect import bisect_left

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.source import SourceFile
from metalor_lang.syntax.ast import Recipe, Statement
from metalor_lang.syntax.characters import bad_characters
from metalor_lang.syntax.moving import moved
from metalor_lang.syntax.parser import Reading, Unit, directives, gathered

_AHEAD = 2
"""How many characters behind a statement say that it ends there: CR and LF."""


class Document:
    """A recipe's text and what it means, through edits.

    Args:
        path: the name it is shown by.
        text: what it begins with.

    """

    def __init__(self, path: str, text: str = "") -> None:
        self.source = SourceFile(path, text)
        self._units: list[Unit] = []
        self._alone = False
        """Whether every unit depends on its own text only."""
        self._read_all()

    @property
    def text(self) -> str:
        """The text as it is now."""
        return self.source.text

    def edit(self, start: int, end: int, text: str) -> None:
        """Put a text in place of the characters from `start` to `end` (offsets in code points).

        Raises:
            ValueError: there are no such characters.

        """
        before = self.source.text
        if not 0 <= start <= end <= len(before):
            raise ValueError(f"not a range of the text: {start}..{end}")
        self.source = SourceFile(self.source.path, before[:start] + text + before[end:])
        # What is moved takes the place of as much that goes: a collection in between would walk it all, and find none.
        collects = gc.isenabled()
        gc.disable()
        try:
            if not self._alone or not self._read_around(start, start + len(text), len(text) - (end - start)):
                self._read_all()
        finally:
            if collects:
                gc.enable()

    def parsed(self) -> tuple[Recipe, tuple[Diagnostic, ...]]:
        """As `parser.parse` of the text."""
        statements: list[Statement] = [unit[2] for unit in self._units if unit[2] is not None]
        found = [*self._early, *(unit[3] for unit in self._units if unit[3] is not None)]
        return Recipe(statements=tuple(statements), source=self.source), gathered(self.source, statements, found)

    def _read_all(self) -> None:
        self._early = [*bad_characters(self.source), *directives(self.source)]
        reading = Reading(self.source, [each.span.start for each in self._early])
        self._units = list(reading.units())
        self._alone = not self._early and not reading.unclosed

    def _read_around(self, start: int, end: int, grown: int) -> bool:
        """Read the units around an edit; false when something in it acts at a distance.

        Args:
            start: of the edit.
            end: where the new text ends.
            grown: how many characters the text has more.

        """
        if bad_characters(self.source) or directives(self.source):
            return False
        units = self._units
        first = bisect_left(units, start - _AHEAD, key=lambda unit: unit[1])
        while first and not units[first - 1][4]:
            first -= 1
        fresh: list[Unit] = []
        reading = Reading(self.source, [])
        rest = len(units)
        for unit in reading.units(units[first - 1][1] if first else 0):
            fresh.append(unit)
            if unit[4] and unit[1] >= end:
                at = bisect_left(units, unit[1] - grown, lo=first, key=lambda unit: unit[1])
                if at < len(units) and units[at][1] == unit[1] - grown and units[at][4]:
                    rest = at + 1
                    break
        if reading.unclosed:
            return False
        later = units[rest:]
        if grown:
            later = [(a + grown, b + grown, moved(c, grown), moved(d, grown), e) for a, b, c, d, e in later]
        self._units = [*units[:first], *fresh, *later]
        return True
