"""Blocks: which END belongs to which line, and what stands where it cannot."""

import pytest

from metalor_lang.diagnostics.codes.blocks import BLOCKS
from metalor_lang.diagnostics.codes.model import Code
from metalor_lang.source import SourceFile
from metalor_lang.syntax.blocks import CODES, Block, Item, matched
from metalor_lang.syntax.parser import parse


def tree(text: str) -> list[object]:
    """The tree as lists: words of statements, and [word, branch, branch …] for blocks."""
    source = SourceFile("x", text)
    recipe, found = parse(source)

    def shown(items: tuple[Item, ...]) -> list[object]:
        return [
            [each.word, *(shown(branch.body) for branch in each.branches)] if isinstance(each, Block) else each.word
            for each in items
        ]

    return shown(matched(source, recipe.statements, found)[0])


def codes(text: str) -> list[tuple[str, int]]:
    source = SourceFile("x", text)
    return [(each.code, source.position(each.span.start).line) for each in parse(source)[1]]


def test_tree() -> None:
    text = "IF a == b\nEXPOSE 1\nELSE IF a == c\nFOR V IN 1 2\nUSER a\nEND\nELSE\nEND\n"
    text += "DEFINE g X\n  VOLUME /a\n END\nUSE g X=1"
    assert tree(text) == [["IF", ["EXPOSE"], [["FOR", ["USER"]]], []], ["DEFINE", ["VOLUME"]], "USE"]


@pytest.mark.parametrize(
    "text,expected",
    [
        ("IF ${A} = b\nEXPOSE 1\nEND\n", 1),
        ("if ${A} == b\nEXPOSE 1\nELSE\nEND\n", 1),
        ("IF a == b\nEXPOSE 1\nelse\nEXPOSE 2\nEND\n", 1),
        ("IF a == b\nEXPOSE 1\nENDIF\n", 1),
        ("IF a == b\nEXPOSE 1\nFI\nEXPOSE 2", 1),
        ("IF a == b\nEXPOSE 1\nELIF a == c\nEXPOSE 2\nEND\n", 1),
        ("FOR V in a b\nIF a == b\nEND\nDONE\n", 2),
        ("DEFINE Install X\nEXPOSE 1\nEND\n", 1),
        ("SH '''\nIF a == b\n", 1),
    ],
)
def test_a_refused_line_gives_one_error(text: str, expected: int) -> None:
    found = codes(text)
    assert len(found) == expected
    assert not {code for code, _ in found} & CODES


@pytest.mark.parametrize("code", [code for code in BLOCKS if code.id in CODES], ids=lambda code: code.id)
def test_examples(code: Code) -> None:
    assert [each for each, _ in codes(code.wrong)] == [code.id]
    assert codes(code.right) == []


def test_what_is_never_closed_names_the_end_that_went_elsewhere() -> None:
    text = "IF a == b\n    FOR V IN 1 2\n        EXPOSE ${V}\nEND\n"
    _, (wrong,) = parse(SourceFile("x", text))
    assert wrong.code == "E0801"
    assert wrong.span.start == 0
    assert [label.text for label in wrong.labels] == ["this END closes the FOR in line 2"]


def test_all_places() -> None:
    text = (
        "FROM a:1\nIMPORT x AS x\nIF a == b\nDEFINE g\nARG A\nFROM b:1\nEND\nELSE\nELSE\nEND\nFOR V IN 1\nARG B\n"
        "ELSE\nEND\nEND\n"
    )
    assert codes(text) == [
        ("E0806", 2), ("E0806", 4), ("E0806", 5), ("E0806", 6), ("E0804", 9), ("E0806", 12), ("E0803", 13),
        ("E0802", 15),
    ]  # fmt: skip
