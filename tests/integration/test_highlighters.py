"""Every highlighter against the parser, character by character, in the programs that people use.

Each engine colours texts that lead through every move of every state, all known recipes and some thousands of nearly
right ones by the file printed for it; not one character may differ from what Lark says.
"""

from collections.abc import Sequence
from functools import cache

import pytest

from metalor_lang.editors.model import Model, model
from tests.support.highlighters import Colours, Engine, by_lark, by_parser, corpus, differences
from tests.support.highlighters.broken import KINDS, broken
from tests.support.highlighters.editors import EMACS, NEOVIM, VIM
from tests.support.highlighters.pygments_engine import Pygments
from tests.support.highlighters.textmate_engine import TextMate
from tests.support.highlighters.texts import covering, known, nearly_right
from tests.support.highlighters.walker import Walker

ENGINES: list[Engine] = [Pygments(), TextMate(), VIM, NEOVIM, EMACS]
TEXTS = {"covering": covering, "known": known, "nearly right": nearly_right}


@cache
def expected(texts: str) -> Sequence[Colours]:
    return [by_lark(text) for text in TEXTS[texts]()]


def test_the_texts_go_everywhere() -> None:
    assert corpus.covered(model(), covering()) == corpus.wanted(model())
    size = {name: sum(map(len, texts())) for name, texts in TEXTS.items()}
    assert size["covering"] > 150_000 and size["known"] > 40_000 and size["nearly right"] > 250_000, size
    everything = "".join("".join(texts()) for texts in TEXTS.values())
    assert all(char in everything for char in "日é😀\u00a0\u2028\x00\x7f\u202e\r")


@pytest.mark.parametrize("texts", TEXTS)
def test_the_package_colours_as_lark(texts: str) -> None:
    mine = [by_parser(text) for text in TEXTS[texts]()]
    assert not [str(each) for each in differences(TEXTS[texts](), expected(texts), mine)][:5]


@pytest.mark.parametrize("texts", TEXTS)
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_an_engine_colours_as_lark(engine: Engine, texts: str) -> None:
    every = engine.every if texts == "nearly right" else 1
    known, right = TEXTS[texts]()[::every], expected(texts)[::every]
    wrong = [str(each) for each in differences(known, right, engine.roles(known, model()))]
    assert not wrong, (len(wrong), wrong[:5])
    print(f"{engine.versions()}: {sum(map(len, known))} characters of {texts} texts, none differs")


@cache
def _control(kind: str) -> tuple[Model, int]:
    """A model with a state of its middle broken, and the number of a covering text that shows it."""
    middle = len(model().states) // 2
    for state in (*range(middle, len(model().states)), *range(middle)):
        try:
            walker = Walker(broken(model(), state, kind))
        except ValueError:
            continue
        for number, text in enumerate(covering()):
            if any(differences([text], [expected("covering")[number]], [walker.paint(text)])):
                return walker.model, number
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_one_broken_state_is_noticed(engine: Engine, kind: str) -> None:
    wrong, number = _control(kind)
    texts, right = [covering()[number]], [expected("covering")[number]]
    assert not any(differences(texts, right, engine.roles(texts, model())))
    assert any(differences(texts, right, engine.roles(texts, wrong)))
