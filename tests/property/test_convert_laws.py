"""Conversion of any text: it ends, no line is lost, and what it gives is a right recipe."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metalor_lang.convert import Verdict, convert
from metalor_lang.convert.reader import Comment, Directive, Instruction, read
from metalor_lang.convert.verify import problems
from tests.support.converting import cases, workshop
from tests.support.goldens import GOLDENS

TEXTS = [text for path in sorted((GOLDENS / "convert").glob("*.dockerfiles")) for _, text in cases(path)]
LINES = sorted({line for text in TEXTS for line in text.split("\n") if line})
ODD = (
    "\\", "'", '"', "$", "${", "}", "<<EOF", "EOF", "#", "[", "]", "--", "=", ":", "*", "'''", '"""', " ", "\t",
    "\x07", "\r", "\ufeff", "\u202e", "\\\n", "\n", "..", "/", "é", "FROM", "ARG", "`",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return workshop(tmp_path_factory.mktemp("context"))


def mutated(draw: st.DrawFn) -> str:
    """A Dockerfile of the goldens with some accidents."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 6)))
        text = text[:at] + draw(st.sampled_from(ODD)) + text[end:]
    return text


MUTATED = st.composite(mutated)()
MIXED = st.lists(st.sampled_from(LINES), max_size=12).map(lambda lines: "FROM debian:12\n" + "\n".join(lines))
ANY = st.text(alphabet=st.sampled_from([*"FROMARGUNCPYaz0 \n\t\\$'\"{}[]<>#=-:/*,`"]), max_size=60)


@settings(max_examples=500, deadline=None)
@given(st.one_of(MUTATED, MIXED, ANY), st.booleans())
@example("FROM debian:12\nRUN [" + "[" * 5000, False)
@example("FROM debian:12\nENV A=" + "${A:-" * 3000 + "}" * 3000, False)
@example("FROM debian:12\nX\n syntax=docker/dockerfile:1\n", False)
@example("FROM debian:12\nEXPOSE $A\\\nE\n\n", False)
@example("FROM debian:12\nRUN echo \\", False)
@example("FROM debian:12\nCOPY <<EOF", False)
@example("FROM debian:12\nCOPY a\0b /x\nCOPY " + "n" * 300 + " /y", False)
@example("ARG A=$A\nARG A=${A}\nFROM $A\nENV A=$A", True)
def test_no_line_is_lost_and_the_recipe_is_right(world, text, other):
    converted = convert(text, name="Dockerfile", world=world, strict_shell=other, every_arg=other)
    items = read(text).items
    told = [item for item in items if isinstance(item, Instruction | Directive)]
    assert [(line.first, line.word.lstrip("#")) for line in converted.lines] == [
        (item.first, item.word) if isinstance(item, Instruction) else (item.line, item.name) for item in told
    ]
    recipe = converted.recipe.split("\n")
    for item in items:
        if isinstance(item, Comment):
            assert any(line.startswith("#") for line in recipe)
    for line in converted.lines:
        assert bool(line.notes) == (line.verdict is not Verdict.EXACT)
        if line.verdict is Verdict.REFUSED and not line.word.startswith("#"):
            assert re.match(r"# REFUSED, lines? \d", recipe[line.recipe_first - 1])
    if any(isinstance(item, Instruction) and item.word == "FROM" for item in items):
        assert problems(converted.recipe) == []


@settings(max_examples=300, deadline=None)
@given(st.one_of(MUTATED, ANY))
def test_every_line_of_a_file_is_in_one_item(text):
    covered: list[int] = []
    for item in read(text).items:
        covered += range(item.first, item.last + 1) if isinstance(item, Instruction) else [item.line]
    lines = text.removeprefix("\ufeff").split("\n")
    assert covered == list(range(1, len(lines) + (1 if lines[-1] else 0)))


@settings(max_examples=200, deadline=None)
@given(MUTATED)
def test_the_same_text_gives_the_same_recipe(world, text):
    first, second = (convert(text, name="Dockerfile", world=world) for _ in range(2))
    assert first == second
