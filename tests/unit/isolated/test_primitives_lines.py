"""The requirement lines of the parser primitives, one test each, through the public names."""

import pytest

from metalor_lang import (
    PrimitiveError,
    SignificantLine,
    interpolate_braced_variables,
    parse_exec_array,
    significant_lines,
    valid_identifier,
)


def test_significant_lines_are_trimmed_and_numbered_from_one() -> None:
    source = "\n  FROM a \t\n# comment\n\t# indented comment\n   \nRUN b # kept\r\n"
    assert list(significant_lines(source)) == [SignificantLine(2, "FROM a"), SignificantLine(6, "RUN b # kept")]


def test_valid_identifier_takes_ascii_letters_digits_and_underscores() -> None:
    for name in ("_", "a", "Z9_", "_0", "TARGET"):
        assert valid_identifier(name), name
    for name in ("", "0a", "a-b", "a b", "é", "aé", "a\n", "٣", "a٣"):
        assert not valid_identifier(name), name


@pytest.mark.parametrize("raw", ["", "sh", '"sh"', '{"a": "b"}', "  x [", "null"])
def test_an_exec_array_must_start_with_a_bracket(raw: str) -> None:
    with pytest.raises(PrimitiveError, match=r"^exec-form arrays must use JSON array syntax$"):
        parse_exec_array(raw)


@pytest.mark.parametrize("raw", ["[", '["a",]', "['a']", "[1]", '["a", null]', '[["a"]]', '["a"] tail', "[NaN]"])
def test_an_exec_array_must_be_a_json_array_of_strings(raw: str) -> None:
    with pytest.raises(PrimitiveError, match=r"^invalid exec-form array$"):
        parse_exec_array(raw)
    assert parse_exec_array(' \t["a", "b c"]\n') == ["a", "b c"]


@pytest.mark.parametrize("raw", ["[]", " [ ] ", "[\n]"])
def test_an_exec_array_must_not_be_empty(raw: str) -> None:
    with pytest.raises(PrimitiveError, match=r"^exec-form arrays must not be empty$"):
        parse_exec_array(raw)


def test_braced_names_are_replaced_and_other_dollars_stay() -> None:
    values = {"A": "1", "B": "${A}"}
    assert interpolate_braced_variables("${A}$A$$ ${B}$", values, "variable") == "1$A$$ ${A}$"


@pytest.mark.parametrize("text", ["${", "${A", "x${A}${"])
def test_an_unterminated_expansion_is_refused(text: str) -> None:
    with pytest.raises(PrimitiveError) as caught:
        interpolate_braced_variables(text, {"A": "1"}, "variable")
    assert str(caught.value) == "unterminated ${NAME} expansion"


@pytest.mark.parametrize("name", ["", "a-b", "1", "a b", "ü", "A:-x"])
def test_an_invalid_reference_is_refused(name: str) -> None:
    with pytest.raises(PrimitiveError) as caught:
        interpolate_braced_variables(f"${{{name}}}", {"A": "1"}, "build argument")
    assert str(caught.value) == f"invalid build argument reference {name}"


def test_an_undefined_name_is_refused() -> None:
    with pytest.raises(PrimitiveError) as caught:
        interpolate_braced_variables("${A} ${MISSING}", {"A": "1"}, "build argument")
    assert str(caught.value) == "undefined build argument MISSING"


def test_a_key_that_is_no_identifier_is_allowed() -> None:
    assert interpolate_braced_variables("${a-b}${}${ü}", {"a-b": "1", "": "2", "ü": "3"}, "variable") == "123"


def test_text_that_is_not_ascii_survives() -> None:
    text = "größe ${Ω}… 日本 😀 ${A}"
    assert interpolate_braced_variables(text, {"Ω": "ω", "A": "ß"}, "variable") == "größe ω… 日本 😀 ß"
    assert parse_exec_array('["日本", "\\ud83d\\ude00"]') == ["日本", "😀"]
    assert list(significant_lines("\u3000日本\u00a0\n")) == [SignificantLine(1, "日本")]


def test_the_reference_s_example() -> None:
    source = '# first\n\nRUN ["sh", "-lc", "echo ${TARGET}"]\n'
    (line,) = significant_lines(source)
    assert line.number == 3
    members = parse_exec_array(line.text.removeprefix("RUN "))
    assert len(members) == 3
    assert interpolate_braced_variables(members[-1], {"TARGET": "world"}, "variable") == "echo world"
