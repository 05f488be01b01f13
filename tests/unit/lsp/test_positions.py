"""Offsets and positions in all three encodings, against the plainest way to count."""

import re

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from metalor_lang.lsp.positions import Encoding, Lines, units
from metalor_lang.source import SourceFile, Span

TEXTS = st.text(st.sampled_from("ab é語😀\u0301\n\r\t\u2028\x0b"), max_size=40)
ENCODINGS = st.sampled_from(list(Encoding))
CODECS = {Encoding.UTF8: ("utf-8", 1), Encoding.UTF16: ("utf-16-le", 2), Encoding.UTF32: ("utf-32-le", 4)}


def counted(text: str, encoding: Encoding) -> int:
    codec, size = CODECS[encoding]
    return len(text.encode(codec)) // size


@given(TEXTS, ENCODINGS)
def test_units_are_those_of_the_codec(text: str, encoding: Encoding) -> None:
    assert units(text, encoding) == counted(text, encoding)


@given(TEXTS, ENCODINGS, st.booleans())
def test_a_position_is_the_line_and_the_units_before_an_offset(text: str, encoding: Encoding, mark: bool) -> None:
    lines = Lines(SourceFile("", text), encoding, mark=mark)
    for offset in range(len(text) + 1):
        before = re.split(r"\r\n|\n|\r", text[:offset])
        if offset and text[offset - 1] == "\r" and text[offset : offset + 1] == "\n":
            continue  # between CR and LF is no place
        column = counted(before[-1], encoding)
        if mark and len(before) == 1:
            column += counted("\ufeff", encoding)
        place = lines.position(offset)
        assert (place.line, place.character) == (len(before) - 1, column)
        assert lines.offset(place) == offset


@given(TEXTS, ENCODINGS, st.integers(0, 8), st.integers(0, 50))
def test_every_position_means_a_place(text: str, encoding: Encoding, line: int, character: int) -> None:
    lines = Lines(SourceFile("", text), encoding)
    offset = lines.offset(types.Position(line=line, character=character))
    assert 0 <= offset <= len(text)
    place = lines.position(offset)
    if line < lines.count:
        assert place.line == line and place.character <= character
    else:
        assert offset == len(text)


@given(TEXTS, ENCODINGS, st.data())
def test_the_pieces_of_a_span_are_its_text(text: str, encoding: Encoding, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    lines = Lines(SourceFile("", text), encoding)
    found = []
    for line, first, length in lines.pieces(Span(start, end)):
        begin = lines.offset(types.Position(line=line, character=first))
        stop = lines.offset(types.Position(line=line, character=first + length))
        assert length > 0 and stop <= lines.end(line)
        found.append(text[begin:stop])
    assert "".join(found) == re.sub(r"[\r\n]", "", text[start:end])


def test_a_place_inside_a_character_is_its_start() -> None:
    assert Lines(SourceFile("", "a😀b")).offset(types.Position(line=0, character=2)) == 1
    assert Lines(SourceFile("", "é"), Encoding.UTF8).offset(types.Position(line=0, character=1)) == 0
