"""Every code of blocks: its wrong example gives that code and no other, its right example none."""

import pytest

from metalor_lang.diagnostics.codes.blocks import BLOCKS
from metalor_lang.diagnostics.codes.model import Code
from tests.support.recipes import checked


@pytest.mark.parametrize("code", [code for code in BLOCKS if code.wrong], ids=lambda code: code.id)
def test_examples(code: Code) -> None:
    assert {each.code for each in checked(code.wrong)[1]} == {code.id}
    assert [each.code for each in checked(code.right)[1]] == []


def test_only_codes_that_need_more_than_a_recipe_have_no_example() -> None:
    assert [code.id for code in BLOCKS if not code.wrong] == ["E0825", "E0826", "E0831", "E0832"]
