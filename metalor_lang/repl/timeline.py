"""Versions of a recipe, and where one stands among them.

Invariant: nothing here changes but the pointer and the list behind it; a version shares all it can with the one it was
made from, so that it costs one cell, and going to another one costs nothing.
"""

from collections.abc import Iterator, Mapping

from metalor_lang.build.lookup import Chain
from metalor_lang.hints import Generic, TypeVar
from metalor_lang.record import dataclass, field
from metalor_lang.repl.outcome import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The last entry of a line of entries, and the line before it."""

    entry: Entry
    before: "Cell | None"
    count: int
    __eq__ = object.__eq__  # which one it is counts, not what is in it
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The first of the statements that wait.

    Args:
        serial: of the statement, as in its entry.
        text: as typed.
        cell: what it was when it was carried out last, or None; good as long as the same line is before it.
        rest: those behind it.

    """

    serial: int
    text: str
    cell: Cell | None
    rest: "Waiting | None"
    count: int
    __eq__ = object.__eq__
    __hash__ = object.__hash__


Line = Cell | None
Queue = Waiting | None


def after(line: Line, entry: Entry) -> Cell:
    """A line with one more entry."""
    return Cell(entry=entry, before=line, count=length(line) + 1)


def length(stack: Cell | Waiting | None) -> int:
    """How many entries or statements there are."""
    return 0 if stack is None else stack.count


def cells(line: Line) -> tuple[Cell, ...]:
    """The cells of a line, first to last."""
    found = []
    while line is not None:
        found.append(line)
        line = line.before
    return tuple(reversed(found))


def entries(line: Line) -> tuple[Entry, ...]:
    """The entries of a line, first to last."""
    return tuple(cell.entry for cell in cells(line))


def chains(line: Line) -> dict[int, Chain]:
    """The files of every stage, at the end of each."""
    found: dict[int, Chain] = {}
    while line is not None:
        for part in reversed(line.entry.flat):
            found.setdefault(part.stage, part.chain)
        line = line.before
    return found


def waiting(queue: Queue) -> Iterator[Waiting]:
    """The statements that wait, first to last."""
    while queue is not None:
        yield queue
        queue = queue.rest


def first_of(queue: Queue, count: int) -> tuple[Waiting, ...]:
    """The first statements that wait, `count` at the most."""
    found: list[Waiting] = []
    while queue is not None and len(found) < count:
        found.append(queue)
        queue = queue.rest
    return tuple(found)


def queued(serial: int, text: str, rest: Queue, cell: Cell | None = None) -> Waiting:
    """A statement put before others that wait."""
    return Waiting(serial=serial, text=text, cell=cell, rest=rest, count=length(rest) + 1)


Place = TypeVar("Place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Generic[Place]):
    """One state of a session.

    Args:
        line: what was carried out.
        queue: what waits behind it.
        args: values for ARGs, declared yet or not.
        place: where contexts and bases are looked up.

    """

    line: Line = None
    queue: Queue = None
    args: Mapping[str, str] = field(default_factory=dict)
    place: Place
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def standing(self, count: int) -> "tuple[Line, Queue]":
        """The line and queue when one stands behind `count` statements, as far as they are known to be carried out."""
        line, queue = self.line, self.queue
        while line is not None and line.count > count:
            queue = queued(line.entry.serial, line.entry.text, queue, line)
            line = line.before
        while queue is not None and length(line) < count and queue.cell is not None and queue.cell.before is line:
            line, queue = queue.cell, queue.rest
        return line, queue


def last_serial(version: Version[Place]) -> int:
    """The highest number of a statement in a version, carried out or waiting; 0 when there is none."""
    numbers = [entry.serial for entry in entries(version.line)]
    return max([*numbers, *(item.serial for item in waiting(version.queue))], default=0)


class Timeline(Generic[Place]):
    """Versions in the order they were made, and the one that counts."""

    def __init__(self, first: Version[Place]) -> None:
        self._versions = [first]
        self._at = 0

    @property
    def now(self) -> Version[Place]:
        """The version one stands in."""
        return self._versions[self._at]

    @property
    def versions(self) -> "tuple[Version[Place], ...]":
        """All of them, in the order they were made."""
        return tuple(self._versions)

    @property
    def undos(self) -> int:
        """How many versions lie before."""
        return self._at

    @property
    def redos(self) -> int:
        """How many versions lie behind."""
        return len(self._versions) - 1 - self._at

    def push(self, version: Version[Place]) -> None:
        """A new version; those that were taken back are forgotten."""
        del self._versions[self._at + 1 :]
        self._versions.append(version)
        self._at += 1

    def move(self, by: int) -> None:
        """Go back (negative) or forward.

        Raises:
            IndexError: there are not so many versions.

        """
        if not 0 <= self._at + by < len(self._versions):
            raise IndexError(by)
        self._at += by
