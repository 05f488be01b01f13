"""The subset of regular expressions: what it reads, what it refuses, what its trees say."""

import random
import re

import pytest

from metalor_lang.editors import regex
from metalor_lang.editors.regex import Choice, Class, Literal, Repeat, Sequence
from metalor_lang.syntax.automaton.table import TERMINALS
from metalor_lang.syntax.characters import BAD_CLASS
from tests.support.highlighters.corpus import samples


@pytest.mark.parametrize(
    ("pattern", "tree"),
    [
        ("abc", Literal("abc")),
        (r"a\.\t\\\[", Literal("a.\t\\[")),
        (r"\x41\u65e5", Literal("A日")),
        ("[a-c_]", Class(((95, 95), (97, 99)))),
        (r"[^\]\-a]", Class(((45, 45), (93, 93), (97, 97)), negated=True)),
        ("[a-bcd-e]", Class(((97, 101),))),
        ("[a-]", Class(((45, 45), (97, 97)))),
        (".", Class(((10, 10),), negated=True)),
        ("ab*", Sequence((Literal("a"), Repeat(Literal("b"), 0, None)))),
        ("(ab)+|c?", Choice((Repeat(Literal("ab"), 1, None), Repeat(Literal("c"), 0, 1)))),
        ("a{2}b{2,}c{1,3}", Sequence((Repeat(Literal("a"), 2, 2), Repeat(Literal("b"), 2, None),
                                      Repeat(Literal("c"), 1, 3)))),
        ("(?:a|b)c", Sequence((Choice((Literal("a"), Literal("b"))), Literal("c")))),
        ("a|(b|c)", Choice((Literal("a"), Literal("b"), Literal("c")))),
        ("(a)(b)", Literal("ab")),
    ],
)  # fmt: skip
def test_trees(pattern: str, tree: regex.Node) -> None:
    assert regex.parse(pattern) == tree
    assert regex.parse(regex.python(tree)) == tree


@pytest.mark.parametrize(
    "pattern",
    ["", "a|", "(", "(a", "a)", "(?=a)", "(?!a)", "(?<=a)", "(?i)a", "(?P<n>a)", r"(a)\1", r"\d", r"\w", r"\b", r"\pL",
     "^a", "a$", "a*?", "a+?", "a*+", "a**", "*a", "{2}", "a{x}", "a{,2}", "a{2", "[", "[a", "[]", "[b-a]", "\\",
     r"\x4", r"[\d]", "(?>a)", r"\u12"],
)  # fmt: skip
def test_what_some_editor_lacks_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        regex.parse(pattern)


def test_every_terminal_is_in_the_subset() -> None:
    for _, pattern in TERMINALS:
        regex.parse(pattern)
    assert isinstance(regex.parse(BAD_CLASS), Class)


def test_the_printed_pattern_matches_the_same() -> None:
    draw = random.Random(3)
    for name, pattern in TERMINALS:
        tree = regex.parse(pattern)
        printed = re.compile(regex.python(tree))
        known = samples(tree)
        texts = [a + b for a in known for b in (*known, "x", "日", " ", '"', "\n")]
        texts += ["".join(draw.sample(text, len(text))) for text in texts]
        for text in texts:
            one, other = re.match(pattern, text), printed.match(text)
            assert (one and one.end()) == (other and other.end()), (name, text)
        assert all(re.fullmatch(pattern, text) for text in known), name


@pytest.mark.parametrize(
    ("pattern", "first", "characters", "nullable"),
    [
        ("ab", "a", "ab", False),
        ("a?b", "ab", "ab", False),
        ("a*", "a", "a", True),
        ("(a?|b)c{0,2}", "abc", "abc", True),
        ("[a-c]|x", "abcx", "abcx", False),
    ],
)
def test_what_trees_say(pattern: str, first: str, characters: str, nullable: bool) -> None:
    tree = regex.parse(pattern)
    for found, wanted in ((regex.first(tree), first), (regex.characters(tree), characters)):
        assert {chr(code) for low, high in found for code in range(low, high + 1)} == set(wanted)
    assert regex.nullable(tree) is nullable


def test_a_negated_class_holds_the_rest() -> None:
    assert regex.members(Class(((0, 96), (98, regex.LAST)), negated=True)) == ((97, 97),)
    assert regex.meet(((1, 3),), ((3, 4),)) and not regex.meet(((1, 3),), ((4, 9),))
