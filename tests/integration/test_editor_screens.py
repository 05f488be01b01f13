"""Vim and Emacs on a screen: colours as a person sees them, also of lines far below the one that is edited; and the
pictures of them, of Visual Studio Code and of the package's own colours."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from metalor_lang.editors import textmate
from metalor_lang.editors.model import model
from metalor_lang.tooling.highlight import highlight
from metalor_lang.tooling.roles import Role
from tests.support.editor_pictures import FOLDER, RECIPE, programs, shown
from tests.support.highlighters.textmate_engine import per_character, tokens
from tests.support.screens import KEYS, Screen

DELETE_FENCE = {"Vim": ":19delete\r", "Emacs": "\x1bg\x1bg19\r\x1b1\x0b"}
UNDO = {"Vim": "u", "Emacs": "\x1f"}


@pytest.fixture(params=programs())
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[str, Screen]]:
    with shown(programs()[request.param]) as screen:
        yield request.param, screen


def test_colours_follow_an_edit_above(opened: tuple[str, Screen]) -> None:
    name, screen = opened
    keyword, string = screen.style("WORKDIR"), screen.style('"A small site"')
    block, error = screen.style("<title>"), screen.style("COPPY")
    assert len({frozenset(style) for style in (keyword, string, error)}) == 3 and block == string
    inside = screen.style("for")
    assert inside != error and screen.style("<h1>") == string
    # Without its opening fence the block is no block, down to the closing one.
    screen.type(DELETE_FENCE[name])
    screen.wait_for(lambda: screen.style("for") == error and screen.style("'''") == error, "the block is wrong", 10)
    assert screen.style("FROM scratch"[:4], last=True) == keyword
    screen.type(KEYS["escape"] * (name == "Vim") + UNDO[name])
    screen.wait_for(lambda: screen.style("for") == inside, "the block is right again", 10)
    assert screen.style("COPPY") == error


PICTURES = (*(FOLDER / f"{name}.svg" for name in ("vim", "emacs", "vscode")), FOLDER.parent / "highlighting.svg")
SVG = "{http://www.w3.org/2000/svg}"


def runs(picture: Path) -> list[tuple[str, str]]:
    """The text of each run of one look, and its colour."""
    return [
        ("".join(each.itertext()).strip(), each.get("fill", ""))
        for each in ElementTree.parse(picture).iter(f"{SVG}text")
    ]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_the_pictures_are_of_this_recipe(picture: Path) -> None:
    shown = "".join("".join(text.split()) for text, _ in runs(picture))
    assert "".join(RECIPE.split()) in shown, "taken anew by: make pictures, make docs"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_what_differs_for_the_parser_differs_in_the_pictures(picture: Path) -> None:
    colours = dict(reversed(runs(picture)))
    words = {word: colours[word] for word in ("IF", "END", "FOR", "DEFINE", "IMPORT", "FROM", "SH")}
    assert len(set(words.values())) == 1, words
    apart = [
        colours["FROM"],
        colours["web"],
        colours['"A small site"'],
        colours["# A small site; two lines are wrong on purpose."],
    ]
    apart += [next(colour for text, colour in runs(picture) if text.startswith("COPPY"))]
    assert len({*apart, colours["debian:12"]}) == 6
    assert colours["<title>"] == colours['"A small site"']
    assert any(
        "MODE" in text and colour not in (colours["debian:12"], colours["FROM"]) for text, colour in runs(picture)[20:]
    )


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_everything_in_the_pictures_can_be_read(picture: Path) -> None:
    """Contrast as WCAG 2 counts it: 4.5 is asked of small text."""
    paper, ends = "", (0.0, 0.0, 0.0)
    whole = ""
    for each in ElementTree.parse(picture).iter():
        ink = each.get("fill", "")
        if each.tag == f"{SVG}rect" and each.get("width") == "100%":
            whole = ink
        elif each.tag == f"{SVG}rect":
            left = float(each.get("x", "0"))
            paper, ends = ink, (left, left + float(each.get("width", "0")), float(each.get("y", "0")))
        elif each.tag == f"{SVG}text":
            x, y = float(each.get("x", "0")), float(each.get("y", "0"))
            below = paper if ends[0] <= x < ends[1] and 0 < y - ends[2] < 20 else whole
            assert contrast(ink, below) >= 4.5, ("".join(each.itertext()), ink, below)


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


THEMES = ("dark-plus", "light-plus", "github-dark", "one-dark-pro", "solarized-light", "monokai", "dracula", "nord")


@pytest.mark.parametrize("theme", THEMES)
def test_themes_of_visual_studio_code_know_the_scopes(theme: str) -> None:
    """The real themes: what every one has a colour for has one of its own; the default themes tell nearly all apart."""
    (done,) = tokens([RECIPE], textmate.text(model()), theme)
    looks = per_character(RECIPE, done.lines)
    of_role: dict[Role, str] = {}
    for piece in highlight(RECIPE):
        of_role.setdefault(piece.role, looks[piece.start])
    apart = [Role.KEYWORD, Role.COMMENT, Role.STRING, Role.WORD, Role.NUMBER]
    if theme in ("dark-plus", "light-plus"):
        apart += [Role.NAME, Role.VARIABLE, Role.EXPANSION, Role.ESCAPE, Role.ERROR]
    assert len({of_role[role] for role in apart}) == len(apart), of_role
    assert of_role[Role.STRING] == of_role[Role.FENCE] == of_role[Role.BLOCK]
