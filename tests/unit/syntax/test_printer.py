"""Formatting and printing: goldens for whole files, tables for statements."""

from pathlib import Path

import pytest

from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.formatter import format_recipe
from metalor_lang.syntax.parser import parse
from metalor_lang.syntax.printer import print_statement
from tests.support.goldens import check_golden, golden_inputs


@pytest.mark.parametrize("path", golden_inputs("syntax"), ids=lambda path: path.stem)
def test_format(path: Path, update_goldens: bool) -> None:
    source, _ = decode(path.name, path.read_bytes())
    recipe, diagnostics = parse(source)
    assert diagnostics == ()
    formatted = format_recipe(source)
    check_golden(formatted, path.with_suffix(".formatted"), update=update_goldens)
    again = SourceFile(path.name, formatted)
    assert format_recipe(again) == formatted
    assert parse(again)[0] == recipe


def test_there_are_examples() -> None:
    assert len(golden_inputs("syntax")) >= 8


def test_a_recipe_with_errors_is_left_alone() -> None:
    text = "FROM   a:1\n\n\nRUN x\n"
    assert format_recipe(SourceFile("x", text)) == text


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("RECIPE  1 # c", "RECIPE 1"),
        ("ARG --public A", "ARG --public A"),
        ("ARG A=", "ARG A="),
        ('ARG A="b"', "ARG A=b"),
        ("FROM --platform='linux/arm64' a:1 \\\n AS b", "FROM --platform=linux/arm64 a:1 AS b"),
        ('ENV A="b c" B=${C}', 'ENV A="b c" B=${C}'),
        ("ENV A='x $y'", "ENV A='x $y'"),
        ("ENV A='it costs ${5}'", "ENV A='it costs ${5}'"),
        ("ENV A=$${B}", "ENV A=$${B}"),
        ('ENV A="\\u0024${B}"', 'ENV A="\\u0024${B}"'),
        ("COPY *.txt  /x/", "COPY *.txt /x/"),
        ('COPY "*.txt" /x/', 'COPY "*.txt" /x/'),
        ('COPY "--x" /x/', 'COPY "--x" /x/'),
        ('CMD [\n"a",\n"$b ${C} $${D}"]', 'CMD ["a", "$b ${C} $${D}"]'),
        ("UNSET ENV A", "UNSET ENV A"),
        ("SH --network=none a \\\n  b", "SH --network=none a b"),
        ("TEST SH a", "TEST SH a"),
        ('TEST RUN --user=a ["b"]', 'TEST RUN --user=a ["b"]'),
        ("FILE --chmod=755 '/a b' '''\n  x\n  '''", 'FILE --chmod=755 "/a b"'),
        ("SH '''\n  a\n  b\n  '''", "SH a\nb"),
        ("EXPOSE 80  443", "EXPOSE 80 443"),
        ('LAYER "a b"', 'LAYER "a b"'),
        ('USER "\\u001b"', 'USER "\\u001b"'),
        ("FETCH --unpinned u /x", "FETCH --unpinned u /x"),
        ("VOLUME ''", 'VOLUME ""'),
    ],
)
def test_print_statement(written: str, printed: str) -> None:
    recipe, diagnostics = parse(SourceFile("x", written))
    assert diagnostics == ()
    (statement,) = recipe.statements
    assert print_statement(statement) == printed
    if not isinstance(statement, ast.File) and "\n" not in printed:
        assert parse(SourceFile("x", printed))[0].statements == (statement,)
