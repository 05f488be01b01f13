"""The four primitives, against the behaviour that callers of the Rust crate know."""

import pytest

from metalor_lang.errors import MetalorError
from metalor_lang.primitives import (
    PrimitiveError,
    SignificantLine,
    interpolate_braced_variables,
    parse_exec_array,
    significant_lines,
    valid_identifier,
)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", []),
        ("\n\n", []),
        ("a", [(1, "a")]),
        ("a\nb\n", [(1, "a"), (2, "b")]),
        ("  a \t\n\n# c\n  # d\nb # kept\n", [(1, "a"), (5, "b # kept")]),
        ("a\r\n\r\nb\r\n", [(1, "a"), (3, "b")]),
        ("\u00a0größe\u2003\n日本\n", [(1, "größe"), (2, "日本")]),
        ("a\x0bb\x0cc\x85d\u2028e\n", [(1, "a\x0bb\x0cc\x85d\u2028e")]),
        ("\x1ca\x1f\n", [(1, "\x1ca\x1f")]),
        ("a\\\nb", [(1, "a\\"), (2, "b")]),
    ],
)
def test_significant_lines(source: str, lines: list[tuple[int, str]]) -> None:
    assert list(significant_lines(source)) == [SignificantLine(number, text) for number, text in lines]


def test_significant_lines_is_lazy() -> None:
    lines = significant_lines("a\nb\n")
    assert next(lines) == SignificantLine(1, "a")
    assert next(lines).number == 2


@pytest.mark.parametrize("name", ["a", "_", "A9_", "__x", "z" * 500])
def test_identifiers(name: str) -> None:
    assert valid_identifier(name)


@pytest.mark.parametrize("name", ["", "9a", "a-b", "a b", "ä", "a\n", "é1", "a.b", "١"])
def test_no_identifiers(name: str) -> None:
    assert not valid_identifier(name)


@pytest.mark.parametrize(
    ("raw", "members"),
    [
        ('["a"]', ["a"]),
        ('  ["sh", "-lc", "echo ${TARGET}"]\t', ["sh", "-lc", "echo ${TARGET}"]),
        ('["", "\\u00e9", "ü", "日本", "\\ud83d\\ude00", "\\n"]', ["", "é", "ü", "日本", "😀", "\n"]),
        ('[\n"a",\r\n"b"\n]', ["a", "b"]),
    ],
)
def test_exec_arrays(raw: str, members: list[str]) -> None:
    assert parse_exec_array(raw) == members


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("", "exec-form arrays must use JSON array syntax"),
        ("sh -c x", "exec-form arrays must use JSON array syntax"),
        ('{"a": 1}', "exec-form arrays must use JSON array syntax"),
        ('"a"', "exec-form arrays must use JSON array syntax"),
        ("[]", "exec-form arrays must not be empty"),
        ("[ ]", "exec-form arrays must not be empty"),
        *((raw, "invalid exec-form array") for raw in (
            "[", '["a"', '["a",]', "['a']", '["a" "b"]', "[1]", "[null]", '[["a"]]', '["a"] x', '["a\tb"]', '["a\nb"]',
            '["\\ud83d"]', '["\ud83d"]', "[NaN]", "[Infinity]", '["\\x"]', "[" * 100_000, "[" + "1" * 5000 + "]",
            '["a"]\x1f',
        )),
    ],
)  # fmt: skip
def test_wrong_exec_arrays(raw: str, message: str) -> None:
    with pytest.raises(PrimitiveError) as caught:
        parse_exec_array(raw)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, MetalorError)


VARIABLES = {"A": "1", "TARGET": "world", "a-b": "odd", "": "empty", "U": "grün ${A}"}


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("", ""),
        ("plain", "plain"),
        ("echo ${TARGET}", "echo world"),
        ("${A}${A}", "11"),
        ("$A $ $$ $(x) {A}", "$A $ $$ $(x) {A}"),
        ("$${A}", "$1"),
        ("größe ${A} 日本 😀", "größe 1 日本 😀"),
        ("${U}", "grün ${A}"),
        ("${a-b}", "odd"),
        ("${}", "empty"),
        ("}${A}{", "}1{"),
    ],
)
def test_interpolation(value: str, result: str) -> None:
    assert interpolate_braced_variables(value, VARIABLES, "variable") == result


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("${A", "unterminated ${NAME} expansion"),
        ("x ${", "unterminated ${NAME} expansion"),
        ("${B}", "undefined build argument B"),
        ("${B-C}", "invalid build argument reference B-C"),
        ("${ü}", "invalid build argument reference ü"),
        ("${A:-x}", "invalid build argument reference A:-x"),
    ],
)
def test_wrong_interpolation(value: str, message: str) -> None:
    with pytest.raises(PrimitiveError) as caught:
        interpolate_braced_variables(value, VARIABLES, "build argument")
    assert str(caught.value) == message


def test_the_three_together() -> None:
    source = '# a recipe\n\nRUN ["sh", "-lc", "echo ${TARGET}"]\n'
    (line,) = significant_lines(source)
    assert line.number == 3
    members = parse_exec_array(line.text.removeprefix("RUN"))
    assert len(members) == 3
    assert interpolate_braced_variables(members[2], {"TARGET": "world"}, "variable") == "echo world"
