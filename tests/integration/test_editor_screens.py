"""Vim and Emacs on a screen: colours as a person sees them, also of lines far below the one that is edited."""

from collections.abc import Iterator

import pytest

from tests.support.documents import ROOT
from tests.support.editor_pictures import FOLDER, RECIPE, programs, shown
from tests.support.screens import KEYS, Screen

DELETE_FENCE = {"Vim": ":11delete\r", "Emacs": "\x1bg\x1bg11\r\x1b1\x0b"}
UNDO = {"Vim": "u", "Emacs": "\x1f"}


@pytest.fixture(params=programs())
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[str, Screen]]:
    with shown(programs()[request.param]) as screen:
        yield request.param, screen


def test_colours_follow_an_edit_above(opened: tuple[str, Screen]) -> None:
    name, screen = opened
    keyword, string = screen.style("WORKDIR"), screen.style('"A small site"')
    block, error = screen.style("port  ="), screen.style("COPPY")
    assert len({frozenset(style) for style in (keyword, string, error)}) == 3 and block == string
    inside = screen.style("for")
    assert inside != error and screen.style("<title>") == string
    # Without its opening fence the block is no block, down to the closing one.
    screen.type(DELETE_FENCE[name])
    screen.wait_for(lambda: screen.style("for") == error and screen.style("'''") == error, "the block is wrong", 10)
    assert screen.style("FROM scratch"[:4], last=True) == keyword
    screen.type(KEYS["escape"] * (name == "Vim") + UNDO[name])
    screen.wait_for(lambda: screen.style("for") == inside, "the block is right again", 10)
    assert screen.style("COPPY") == error


def test_the_pictures_are_of_this_recipe() -> None:
    for name in programs():
        picture = (FOLDER / f"{name.lower()}.svg").read_text(encoding="utf-8")
        shown = "".join(picture.split())
        for word in ("Pagesarebuilt", "WORKDIR", "COPPYindex.html/www", "docker.io/library/debian:12"):
            assert word in shown, (name, word)
    assert RECIPE.count("\n") == 36 and FOLDER.is_relative_to(ROOT)
