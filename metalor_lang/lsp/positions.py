"""Offsets in a recipe and the positions of the protocol: the only arithmetic of lines and code units here.

Invariant: a position that lies nowhere means the nearest place before it: the end of its line, the end of the text,
the start of the character that it stands in.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import Final

from lsprotocol import types

from metalor_lang.source import SourceFile, Span

BOM: Final = "\ufeff"
_LINE_END: Final = re.compile(r"\r\n|\n|\r")


class Encoding(StrEnum):
    """What a character of a position counts."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


def units(text: str, encoding: Encoding) -> int:
    """How many code units a text has."""
    if encoding is Encoding.UTF32 or text.isascii():
        return len(text)
    if encoding is Encoding.UTF16:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text.encode("utf-8", "surrogatepass"))


def _units_of(char: str, encoding: Encoding) -> int:
    number = ord(char)
    if encoding is Encoding.UTF16:
        return 2 if number > 0xFFFF else 1
    return 1 if number < 0x80 else 2 if number < 0x800 else 3 if number < 0x10000 else 4


class Lines:
    """The lines of a text as the protocol counts them: from 0, ended by LF, CRLF or a lone CR.

    Args:
        source: the recipe.
        encoding: what positions count.
        mark: whether the client's text has a byte order mark in front, which a recipe's text has not.

    """

    def __init__(self, source: SourceFile, encoding: Encoding = Encoding.UTF16, *, mark: bool = False) -> None:
        self._source = source
        self.text = source.text
        self.encoding = encoding
        self._mark = units(BOM, encoding) if mark else 0

    @cached_property
    def _starts(self) -> Sequence[int]:
        if self.text.count("\r") != self.text.count("\r\n"):
            return [0, *(found.end() for found in _LINE_END.finditer(self.text))]
        return self._source.starts  # which the checker needs as well

    @property
    def count(self) -> int:
        """How many lines there are; one more than there are line ends."""
        return len(self._starts)

    def start(self, line: int) -> int:
        """The offset of a line's first character; the end of the text for lines behind the last."""
        return self._starts[line] if line < len(self._starts) else len(self.text)

    def end(self, line: int) -> int:
        """The offset of a line's end, before what ends it."""
        if line + 1 >= len(self._starts):
            return len(self.text)
        start, end = self._starts[line], self._starts[line + 1]
        if self.text[end - 1] == "\n" and end - 2 >= start and self.text[end - 2] == "\r":
            return end - 2
        return end - 1

    def line_of(self, offset: int) -> int:
        """The line that an offset is in."""
        return bisect_right(self._starts, offset) - 1

    def offset(self, position: types.Position) -> int:
        """The offset of a position."""
        if position.line >= len(self._starts):
            return len(self.text)
        left = position.character - (self._mark if position.line == 0 else 0)
        at, end = self._starts[position.line], self.end(position.line)
        if left <= 0:
            return at
        line = self.text[at:end]
        if self.encoding is Encoding.UTF32 or line.isascii():
            return min(at + left, end)
        for char in line:
            left -= _units_of(char, self.encoding)
            if left < 0:
                break
            at += 1
            if left == 0:
                break
        return at

    def position(self, offset: int) -> types.Position:
        """The position of an offset."""
        line = self.line_of(offset)
        character = units(self.text[self._starts[line] : offset], self.encoding)
        return types.Position(line=line, character=character + (self._mark if line == 0 else 0))

    def span(self, given: types.Range) -> Span:
        """The span of a range; an inverted one is empty."""
        start = self.offset(given.start)
        return Span(start, max(start, self.offset(given.end)))

    def range(self, span: Span) -> types.Range:
        """The range of a span."""
        return types.Range(start=self.position(span.start), end=self.position(span.end))

    def pieces(self, span: Span) -> list[tuple[int, int, int]]:
        """Line, first code unit and length of each piece that a span has on a line; empty ones are left out."""
        out = []
        for line in range(self.line_of(span.start), self.line_of(span.end) + 1):
            begin, end = max(span.start, self.start(line)), min(span.end, self.end(line))
            if begin < end:
                first = self.position(begin).character
                out.append((line, first, units(self.text[begin:end], self.encoding)))
        return out
