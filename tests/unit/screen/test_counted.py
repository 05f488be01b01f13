import pytest

from metalor_lang.screen.text import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
def test_one_is_singular(number, text):
    assert counted(number, "step") == text
