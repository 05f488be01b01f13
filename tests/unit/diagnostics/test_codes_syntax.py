"""Every code of the syntax phase: its wrong example gives it alone, its right one parses."""

import re
from pathlib import Path

import pytest

import metalor_lang.syntax
from metalor_lang.diagnostics.codes.syntax import SYNTAX
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse


@pytest.mark.parametrize("code", SYNTAX, ids=lambda code: code.id)
def test_examples(code) -> None:  # type: ignore[no-untyped-def]
    assert re.fullmatch(r"E0[12]\d\d", code.id)
    assert code.title and code.why.endswith(".")
    assert parse(SourceFile("right.metalor", code.right))[1] == ()
    if code.wrong:
        assert [each.code for each in parse(SourceFile("wrong.metalor", code.wrong))[1]] == [code.id]


def test_codes_are_unique_and_every_code_in_the_source_has_a_row() -> None:
    listed = [code.id for code in SYNTAX]
    assert len(set(listed)) == len(listed) and listed == sorted(listed)
    folder = Path(metalor_lang.syntax.__file__).parent
    used = {code for path in folder.rglob("*.py") for code in re.findall(r'"(E0[12]\d\d)"', path.read_text("utf-8"))}
    assert used == set(listed)
