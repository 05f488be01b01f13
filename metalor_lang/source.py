"""Source text and places in it: the only line and column arithmetic of the package.

Invariant: offsets count code points of `SourceFile.text` (after a leading BOM is dropped);
lines and columns are 1-based; a column counts code points, a tab is one (UTF-16: `utf16_position`).
"""

from bisect import bisect_right
from functools import cached_property

from metalor_lang.record import dataclass, field


@dataclass(frozen=True, slots=True)
class Position:
    """A 1-based line and column (in code points)."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of offsets in one source text; empty spans point between characters."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: {self.start}..{self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def to(self, other: "Span") -> "Span":
        """The span from the start of this one to the end of `other`."""
        return Span(self.start, other.end)


@dataclass(frozen=True)
class SourceFile:
    """A recipe's text under the name it is shown by.

    Args:
        path: the name shown in messages, as the user wrote it.
        text: the decoded text, without a leading BOM.

    """

    path: str
    text: str = field(repr=False)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The offsets at which lines start; behind a final newline one starts too."""
        starts = [0]
        find, at = self.text.find, 0
        while (at := find("\n", at) + 1) > 0:
            starts.append(at)
        return tuple(starts)

    def edited(self, start: int, end: int, text: str) -> "SourceFile":
        """The file with a text in place of the characters from `start` to `end`.

        Where lines start is known of it when it was known before: only what the edit touches is looked through.
        """
        after = SourceFile(self.path, self.text[:start] + text + self.text[end:])
        known: tuple[int, ...] | None = self.__dict__.get("starts")
        if known is not None:
            grown = len(text) - (end - start)
            behind = known[bisect_right(known, end) :]
            after.__dict__["starts"] = (
                *known[: bisect_right(known, start)],
                *(start + at for at in SourceFile("", text).starts[1:]),
                *((at + grown for at in behind) if grown else behind),
            )
        return after

    @property
    def line_count(self) -> int:
        """How many lines the text has; a final newline does not start another one."""
        return len(self.starts) - (self.starts[-1] == len(self.text) and len(self.starts) > 1)

    def position(self, offset: int) -> Position:
        """The line and column of an offset (0 … len(text))."""
        line = bisect_right(self.starts, offset)
        return Position(line, offset - self.starts[line - 1] + 1)

    def utf16_position(self, offset: int) -> Position:
        """The line and column of an offset where columns count UTF-16 code units, as SARIF and LSP do."""
        place = self.position(offset)
        before = self.text[self.starts[place.line - 1] : offset]
        return Position(place.line, place.column + sum(char > "\uffff" for char in before))

    def offset(self, position: Position) -> int:
        """The offset of a line and column; the inverse of `position`."""
        return self.starts[position.line - 1] + position.column - 1

    def line(self, number: int) -> str:
        """The text of a 1-based line without its line end ("" after the last one)."""
        if not 1 <= number <= len(self.starts):
            return ""
        start = self.starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].removesuffix("\r")

    def line_span(self, number: int) -> Span:
        """The span of a 1-based line without its line end."""
        start = self.starts[number - 1]
        return Span(start, start + len(self.line(number)))

    def slice(self, span: Span) -> str:
        """The text under a span."""
        return self.text[span.start : span.end]
