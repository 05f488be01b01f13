"""A recipe as a page, as a picture and for a terminal."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.cli.main import main
from metalor_lang.editors import render
from metalor_lang.editors.pygments_lexer import TOKENS
from metalor_lang.repl.styles import STYLE
from metalor_lang.tooling.highlight import highlight
from metalor_lang.tooling.roles import Role
from tests.support.documents import ROOT

TEXT = '# é\nFROM a:${B} AS st\nSH if a; then echo "$X"; fi\nRUN ["a", "\\n"]\n\nUSER\tx < & >\nCOPPY\x01日本\n'
SGR = re.compile("\x1b\\[([0-9;]*)m")


def test_every_token_has_a_look() -> None:
    assert all(render.look(kind) for kind in TOKENS.values())


_NAMES = {
    "bold": "1", "underline": "4", "ansired": "31", "ansigreen": "32", "ansiyellow": "33", "ansiblue": "34",
    "ansimagenta": "35", "ansicyan": "36", "ansibrightblack": "90",
}  # fmt: skip


@pytest.mark.parametrize("role", Role)
def test_the_prompt_has_the_same_colours(role: Role) -> None:
    codes = sorted(_NAMES[name] for name in STYLE[role.value].split())
    assert sorted(filter(None, render.look(TOKENS[role.value]).code.split(";"))) == codes


def test_on_a_terminal() -> None:
    shown = render.terminal(TEXT)
    assert SGR.sub("", shown) == TEXT.replace("\t", "    ").replace("\x01", "␁")
    assert "\x1b[1;34mFROM\x1b[0m" in shown and "\x1b[4;31mCOPPY␁日本\x1b[0m" in shown
    assert render.terminal(TEXT, colours=False) == SGR.sub("", shown)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
def test_nothing_on_a_terminal_is_obeyed(text: str) -> None:
    shown = render.terminal(f"SH {text}")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", SGR.sub("", shown))


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.classes = set[str]()

    def handle_data(self, data: str) -> None:
        if self.get_starttag_text() != "<style>":
            self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.classes |= {value or "" for name, value in attrs if name == "class"}


def test_a_page() -> None:
    page = render.html(TEXT, "a < b")
    reader = _Text()
    reader.feed(page)
    assert "<title>a &lt; b</title>" in page
    assert TEXT.replace("\t", "    ").replace("\x01", "␁") in reader.text
    assert reader.classes == set(re.findall(r"^ +\.(\w+) \{", page, re.M))


def test_a_picture() -> None:
    tree = ElementTree.fromstring(render.svg(TEXT, "a < b"))
    texts = [each for each in tree.iter() if each.tag.endswith("}text")]
    assert next(each for each in tree.iter() if each.tag.endswith("title")).text == "a < b"
    rows = {each.get("y") for each in texts}
    assert len(rows) == len([line for line in TEXT.split("\n") if line])
    wide = next(each for each in texts if each.text == "COPPY␁日本")
    assert float(wide.get("textLength", "")) == pytest.approx(10 * 8.4)
    assert float(tree.get("width", "")) > 27 * 8.4


def test_nothing_is_a_picture_too() -> None:
    assert ElementTree.fromstring(render.svg("", "nothing")).get("height") == "32"
    assert render.terminal("") == "" and "<pre></pre>" in render.html("", "x")


EXAMPLE = str(ROOT / "examples" / "hello" / "hello.metalor")


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with open(EXAMPLE, encoding="utf-8") as file:
        text = file.read()
    monkeypatch.delenv("CLICOLOR_FORCE", raising=False)
    assert main(["highlight", EXAMPLE]) == 0
    assert capsys.readouterr().out == text
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert main(["highlight", EXAMPLE]) == 0
    assert capsys.readouterr().out == render.terminal(text)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["highlight", EXAMPLE]) == 0
    assert capsys.readouterr().out == text
    assert main(["highlight", "--format", "html", "--title", "Hello", EXAMPLE]) == 0
    assert capsys.readouterr().out == render.html(text, "Hello")
    assert main(["highlight", "--format=svg", EXAMPLE]) == 0
    assert capsys.readouterr().out == render.svg(text, EXAMPLE)
    assert main(["highlight", "nowhere.metalor"]) == 2
    assert "cannot read the recipe" in capsys.readouterr().err


def test_the_recipe_of_the_picture_in_the_documents_is_wrong_in_two_lines() -> None:
    text = (ROOT / "docs" / "images" / "highlighting.metalor").read_text(encoding="utf-8")
    wrong = [piece for piece in highlight(text) if piece.role is Role.ERROR]
    assert [text[piece.start : piece.end] for piece in wrong] == ["COPPY style.css /www/", '"-p", "8080"]']
