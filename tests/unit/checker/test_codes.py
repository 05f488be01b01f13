"""Every code's wrong example gives that code and no other; its right example gives none."""

import pytest

from metalor_lang.diagnostics.codes.model import Code
from metalor_lang.diagnostics.codes.names import NAMES
from metalor_lang.diagnostics.codes.sources import SOURCES
from tests.support.recipes import checked

TABLE = (*NAMES, *SOURCES)


@pytest.mark.parametrize("code", [code for code in TABLE if code.wrong], ids=lambda code: code.id)
def test_examples(code: Code) -> None:
    assert [each.code for each in checked(code.wrong)[1]] == [code.id]
    assert [each.code for each in checked(code.right)[1]] == []


def test_ids_are_unique_and_in_order() -> None:
    ids = [code.id for code in TABLE]
    assert ids == sorted(set(ids))


def test_only_codes_that_need_more_than_a_recipe_have_no_example() -> None:
    assert [code.id for code in TABLE if not code.wrong] == ["E0306", "E0319", "E0322", "E0391", "E0392", "E0409"]
