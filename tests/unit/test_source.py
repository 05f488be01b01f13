"""Lines, columns and offsets of a text."""

import pytest

from metalor_lang.source import Position, SourceFile, Span

TEXT = "ab\nü\r\n\n😀x"


@pytest.mark.parametrize(
    ("offset", "line", "column"),
    [(0, 1, 1), (2, 1, 3), (3, 2, 1), (4, 2, 2), (6, 3, 1), (7, 4, 1), (8, 4, 2), (9, 4, 3)],
)
def test_positions(offset: int, line: int, column: int) -> None:
    source = SourceFile("x", TEXT)
    assert source.position(offset) == Position(line, column)
    assert source.offset(Position(line, column)) == offset


@pytest.mark.parametrize(("number", "line"), [(0, ""), (1, "ab"), (2, "ü"), (3, ""), (4, "😀x"), (5, "")])
def test_lines(number: int, line: str) -> None:
    source = SourceFile("x", TEXT)
    assert source.line(number) == line
    if 1 <= number <= 4:
        assert source.slice(source.line_span(number)) == line


@pytest.mark.parametrize(("text", "count"), [("", 1), ("a", 1), ("a\n", 1), ("a\nb", 2), ("\n\n", 2)])
def test_line_count(text: str, count: int) -> None:
    assert SourceFile("x", text).line_count == count


def test_an_edited_text_knows_its_lines() -> None:
    pieces = ("", "\n", "a\n", "\n\nb", "x")
    for start in range(len(TEXT) + 1):
        for end in range(start, len(TEXT) + 1):
            for piece in pieces:
                source = SourceFile("x", TEXT)
                assert source.starts
                after, fresh = source.edited(start, end, piece), SourceFile("x", TEXT[:start] + piece + TEXT[end:])
                assert after == fresh and "starts" in vars(after)
                assert after.starts == fresh.starts


def test_spans() -> None:
    assert Span(1, 2).to(Span(4, 6)) == Span(1, 6)
    assert len(Span(2, 2)) == 0
    for start, end in ((3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="not a span"):
            Span(start, end)
