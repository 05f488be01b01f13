"""Values as a Dockerfile spells them are read back as what they are, by the reader that follows BuildKit."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.convert.back.model import Unsaid
from metalor_lang.convert.back.words import array, document, path, word
from metalor_lang.convert.reader import Instruction, read
from metalor_lang.convert.words import literal, pieces

LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)


def first(text: str) -> Instruction:
    (found,) = read(text).instructions
    return found


@given(LINE)
def test_a_word_is_read_back(text: str) -> None:
    found = first(f"ENV A={word(text)} B=1")
    key, _, value = found.rest.removesuffix(" B=1").partition("=")
    assert key == "A"
    assert literal(pieces(value)) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_an_array_is_read_back(text: str) -> None:
    assert first(f"CMD {array([text, 'x'])}").array == (text, "x")
    assert json.loads(array([text])) == [text]


@given(st.lists(st.one_of(LINE, st.sampled_from(["EOF", "EOF1", "\tEOF"])), max_size=5))
def test_a_document_is_read_back(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    opening, rest = document(text, " /x")
    found = read(f"COPY {opening}\n{rest}\nRUN true\n")
    copy, after = found.instructions
    assert copy.heredocs[0].text == text
    assert not copy.heredocs[0].expands
    assert after.word == "RUN"


@pytest.mark.parametrize("text", ["a\nb", "a\rb"])
def test_lines_have_no_word(text: str) -> None:
    with pytest.raises(Unsaid):
        word(text)


@pytest.mark.parametrize("text", ["a b", "[x", "--x", "<<x", "\t"])
def test_paths_that_would_be_something_else(text: str) -> None:
    with pytest.raises(Unsaid):
        path(text)
