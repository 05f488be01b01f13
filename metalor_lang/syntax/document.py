"""A recipe that is being written: after an edit only what the edit touches is read again.

Invariant: after any edits, recipe and diagnostics are those that `parse` gives for the text as it is then.

A statement that was read at once depends on its own text and on the end of its line, and leaves nothing behind for
the next one. So reading starts at the end of the last such statement before the edit, and stops at the first one behind
it that ends where one ended before. Characters that no recipe may hold, misplaced directives and blocks that are never
closed act at a distance: while there are some, everything is read again.

What follows an edit stands elsewhere, and moving thousands of nodes takes longer than checking them. So nodes are kept
at the places of a *roomy* text: the same, with blanks behind each statement that make room for what is typed there.
Who wants to know what is wrong checks the roomy recipe, and has the few places of the errors translated; who wants the
nodes has them moved, once.
"""

import gc
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.guards import Lock
from metalor_lang.hints import Final
from metalor_lang.source import SourceFile
from metalor_lang.syntax.ast import Recipe, Statement
from metalor_lang.syntax.characters import bad_characters
from metalor_lang.syntax.moving import moved
from metalor_lang.syntax.parser import Reading, Unit, directives, gathered

_ROOM: Final = 64
"""How many blanks a statement has behind it, once room has been made."""

_AHEAD: Final = 2
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
        """At their places in the roomy text."""
        self._shifts: list[int] = []
        """For each: a place in the roomy text is one in the text and this; none is less than the one before."""
        self._exact: list[Statement | None] = []
        """For each: its statement at its places in the text, where that is known."""
        self._roomy: SourceFile | None = None
        """The roomy text, where it has been put together."""
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
        self.source = self.source.edited(start, end, text)
        # What is made takes the place of as much that goes: a collection in between would walk it all, and find none.
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
        for at, exact in enumerate(self._exact):
            if exact is None:
                self._exact[at] = moved(self._units[at][2], -self._shifts[at])
        statements = [exact for exact in self._exact if exact is not None]
        found = [moved(unit[3], -by) for unit, by in zip(self._units, self._shifts) if unit[3] is not None]
        return self._gathered(self.source, statements, [each for each in found if each is not None])

    def roomy(self) -> tuple[Recipe, tuple[Diagnostic, ...]]:
        """As `parsed`, but of the roomy text; `placed` says where things are."""
        source = self._roomy = self._roomy or self._with_blanks()
        statements = [unit[2] for unit in self._units if unit[2] is not None]
        return self._gathered(source, statements, [unit[3] for unit in self._units if unit[3] is not None])

    def _with_blanks(self) -> SourceFile:
        """The roomy text, put together from the start."""
        text: list[str] = []
        done, before = 0, 0
        for unit, shift in zip(self._units, self._shifts):
            end = unit[1] - shift
            text += (" " * (shift - before), self.text[done:end])
            done, before = end, shift
        return SourceFile(self.source.path, "".join((*text, self.text[done:])))

    def placed(self, diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Diagnostics of the roomy text as those of the text."""
        if not diagnostics:
            return ()
        places = _Places(self._units, self._shifts)
        return tuple(moved(each, places) for each in diagnostics)

    def _gathered(
        self, source: SourceFile, statements: list[Statement], found: list[Diagnostic]
    ) -> tuple[Recipe, tuple[Diagnostic, ...]]:
        recipe = Recipe(statements=tuple(statements), source=source)
        return recipe, gathered(source, statements, [*self._early, *found])

    def _read_all(self) -> None:
        self._early = [*bad_characters(self.source), *directives(self.source)]
        reading = Reading(self.source, [each.span.start for each in self._early])
        self._roomy = None
        self._units = list(reading.units())
        self._shifts = [0] * len(self._units)
        self._exact = [unit[2] for unit in self._units]
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
        units, shifts = self._units, self._shifts

        def end_of(number: int) -> int:
            return units[number][1] - shifts[number]

        numbers = range(len(units))
        first = bisect_left(numbers, start - _AHEAD, key=end_of)
        while first and not units[first - 1][4]:
            first -= 1
        fresh: list[Unit] = []
        reading = Reading(self.source, [])
        rest = len(units)
        for unit in reading.units(end_of(first - 1) if first else 0):
            fresh.append(unit)
            if unit[4] and unit[1] >= end:
                at = bisect_left(numbers, unit[1] - grown, lo=first, key=end_of)
                if at < len(units) and end_of(at) == unit[1] - grown and units[at][4]:
                    rest = at + 1
                    break
        if reading.unclosed:
            return False
        shift = shifts[first - 1] if first else 0
        later, behind = units[rest:], [each - grown for each in shifts[rest:]]
        if later and behind[0] < shift:
            later, behind = _with_room(later, behind, shift)
            self._roomy = None
        elif self._roomy is not None:
            # What stands before and behind stays where it is: only what was read is put in its place.
            here = units[first - 1][1] if first else 0
            done = fresh[-1][1] if fresh else here - shift
            text = self.text[here - shift : done if later else None] + " " * (behind[0] - shift if later else 0)
            there = end_of(rest - 1) + shifts[rest] if later else len(self._roomy.text)
            self._roomy = self._roomy.edited(here, there, text)
        exact: list[Statement | None] = [None] * len(later) if grown else self._exact[rest:]
        self._units = [*units[:first], *(_further(unit, shift) for unit in fresh), *later]
        self._shifts = [*shifts[:first], *(shift for _ in fresh), *behind]
        self._exact = [*self._exact[:first], *(unit[2] for unit in fresh), *exact]
        return True


class Reread:
    """As `parser.parse`, for texts that are much like the one before: what is new in the middle is read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._document: Document | None = None

    def __call__(self, source: SourceFile) -> tuple[Recipe, tuple[Diagnostic, ...]]:
        """The statements that are right, and what is wrong."""
        with self._lock:
            if self._document is None or self._document.source.path != source.path:
                self._document = Document(source.path, source.text)
            elif self._document.text != source.text:
                self._document.edit(*_difference(self._document.text, source.text))
            return self._document.parsed()


def _difference(old: str, new: str) -> tuple[int, int, str]:
    """What to put in place of which characters of a text to have another one."""
    most = min(len(old), len(new))
    # How far two texts agree: halving takes a few comparisons of slices, not one of each character.
    start = bisect_left(range(most), True, key=lambda at: old[: at + 1] != new[: at + 1])
    left = most - start
    back = bisect_left(range(left), True, key=lambda at: old[len(old) - at - 1 :] != new[len(new) - at - 1 :])
    return start, len(old) - back, new[start : len(new) - back]


def _further(unit: Unit, by: int) -> Unit:
    """The unit so many places further on."""
    start, end, statement, wrong, alone = unit
    return start + by, end + by, moved(statement, by), moved(wrong, by), alone


def _with_room(units: list[Unit], shifts: list[int], shift: int) -> tuple[list[Unit], list[int]]:
    """The units further on in the roomy text, each with room before it; `shift` is that of what stands before."""
    made, behind = [], []
    before = shifts[0]
    for unit, own in zip(units, shifts):
        shift += max(own - before, _ROOM)
        before = own
        made.append(_further(unit, shift - own))
        behind.append(shift)
    return made, behind


class _Places:
    """Adds to a place in the roomy text what makes it one in the text; see `moved`."""

    def __init__(self, units: Sequence[Unit], shifts: Sequence[int]) -> None:
        self._shifts = [*shifts, shifts[-1] if shifts else 0]
        self._ends = [0, *(unit[1] for unit in units)]
        # What is wrong may be behind the line end of a unit, where something is missing.
        self._reach = [
            0, *(unit[1] if unit[3] is None or unit[3].span.end <= unit[1] else unit[3].span.end + 1 for unit in units)
        ]  # fmt: skip

    def __radd__(self, offset: int) -> int:
        # Behind the end of a unit stand its blanks, and then what is before the next unit.
        at = bisect_right(self._reach, offset) - 1
        end = self._ends[at] - self._shifts[at - 1] if at else 0
        return max(offset - self._shifts[at], end)
