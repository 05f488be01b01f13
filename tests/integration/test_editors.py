"""The editors themselves, set up as their pages say: what a person types into them, and what their screens show."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.documents import ROOT, fences
from tests.support.screens import Screen
from tests.support.walkthrough import environment, walk

pytestmark = pytest.mark.integration

RECIPE = """\
FROM scratch AS tools
ENV GREETING 日😀 x
FROM scratch
ENV   B=1
"""
"""An error on a line whose columns differ in bytes, code points and UTF-16; and something to lay out."""

Opened = Callable[..., Screen]


def servers(folder: Path) -> list[int]:
    """The language servers that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"lsp" in words and Path(os.readlink(process / "cwd")) == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Does what a page says in a home of its own, and opens a recipe in the editor."""
    screens = []
    work = tmp_path / "shop"

    def open_recipe(page: str, *words: str, recipe: str = RECIPE) -> Screen:
        assert shutil.which(words[0]), f"{words[0]} is not installed"
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        monkeypatch.setenv("HOME", str(home))
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        document = ROOT / "docs" / "how-to" / page
        assert walk(document, tmp_path) >= 1
        for fence in fences(document):
            if fence.words and fence.words[0].startswith("."):
                (home / fence.words[0]).parent.mkdir(parents=True, exist_ok=True)
                (home / fence.words[0]).write_text(fence.body)
        work.mkdir()
        (work / "app.metalor").write_text(recipe)
        env = {name: value for name, value in environment(tmp_path).items() if not name.startswith("PYTHON")}
        env |= {"TERM": "linux", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        screens.append(Screen([*words, "app.metalor"], folder=work, env=env, columns=110, rows=30))
        return screens[-1]

    yield open_recipe
    for screen in screens:
        screen.close()
    until = time.monotonic() + 5
    while servers(work) and time.monotonic() < until:
        time.sleep(0.05)
    assert servers(work) == [], "an editor's end did not end its language server"


def gone(screen: Screen, text: str) -> str:
    """Wait until a text is not on the screen."""
    return screen.wait_for(lambda: text not in screen.text, f"no {text!r}")


def test_neovim(opened: Opened) -> None:
    screen = opened("editors-neovim.md", "nvim")
    screen.wait("ENV GREETING 日😀 x .*ENV takes key=value")
    screen.type("2GK")
    screen.wait("Sets variables for later steps")
    screen.type("\\a")
    screen.wait('1: replace `GREETING 日😀 x` by `GREETING="日😀 x"`')
    screen.type("1\r")
    screen.wait('ENV GREETING="日😀 x"$')
    gone(screen, "takes key=value")
    screen.type("\\f")
    screen.wait("^ *ENV B=1$")
    screen.type("GoCOPY --from=\x18\x0f")
    screen.wait("tools +Module +an earlier stage")
    screen.type("\x1b")
    screen.wait("the flag --from needs a value")
    screen.type("A\x7f=tools /a /b\x1b")
    gone(screen, "the flag --from needs a value")
    screen.type("1G$\\r")
    screen.wait("New Name: tools")
    screen.type("\x15parts\r")
    screen.wait("COPY --from=parts /a /b")
    screen.type("G0fpgd")
    screen.wait("1,17 +All")
    screen.type(":wq\r")
    assert screen.ended() == 0


def test_vim_with_ale(opened: Opened) -> None:
    recipe = RECIPE.replace("日😀 x", "12 x")  # the page says what ALE does to other lines
    screen = opened("editors-vim.md", "vim", recipe=f"{recipe}ENV C=日😀 D\n")
    screen.wait("ENV GREETING 12 x .*ENV takes key=value")
    screen.wait("ENV C=日😀 D .*D has no `=`")
    screen.type("2G\\a")
    screen.wait('1\\) replace `GREETING 12 x` by `GREETING="12 x"`')
    screen.type("1\r")
    screen.wait('ENV GREETING="12 x"$')
    gone(screen, "takes key=value")
    screen.type("GAA=1\x1b")
    gone(screen, "D has no `=`")
    screen.type("4G0cwenv\x1b")
    screen.wait("statement words are upper case")
    screen.type("\\f")
    screen.wait("^ *ENV B=1$")
    gone(screen, "statement words are upper case")
    screen.type("GoCOPY --from=\x18\x0f")
    screen.wait("tools +d? *an earlier stage")
    screen.type("\x1b")
    screen.wait("the flag --from needs a value")
    screen.type(":q!\r")
    assert screen.ended() == 0


def test_vim_alone(opened: Opened, tmp_path: Path) -> None:
    plain = tmp_path / "vimrc"
    plain.write_text("filetype plugin indent on\nsyntax on\n")
    screen = opened("editors-vim.md", "vim", "-u", str(plain))
    screen.wait("ENV GREETING")
    screen.type(":make | cwindow\r")
    screen.wait("ENTER")
    screen.type("\r")
    screen.wait(r"app.metalor\|2 col 13 error 233\| ENV takes key=value \(help: ")
    screen.type(":wincmd t\r:%foldclose!\r")
    screen.wait(r"^\+-- +2 lines: FROM scratch AS tools")
    screen.type(":qa!\r")
    assert screen.ended() == 0


def test_emacs_with_eglot(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "home" / ".emacs.d").mkdir(parents=True)
    # Else libraries of Debian's packages are compiled, and warned of, while the test waits.
    (tmp_path / "home" / ".emacs.d" / "early-init.el").write_text("(setq native-comp-deferred-compilation nil)")
    screen = opened("editors-emacs.md", "emacs", "-nw")
    screen.wait(r"Flymake\[1 0\]")
    screen.type("\x0e")
    screen.wait("Sets variables for later steps")
    screen.type("\x05\x03a")
    screen.wait('Pick an action .*replace `GREETING 日😀 x` by `GREETING="日😀 x"`')
    screen.type("\r")
    screen.wait(r'ENV GREETING="日😀 x"(.|\n)*Flymake\[0 0\]')
    screen.type("\x03f")
    screen.wait("^ENV B=1$")
    screen.type("\x1b>COPY --from=")
    screen.wait(r"Flymake\[1 0\]")
    screen.type("\x1b\t")
    screen.wait("tools +an earlier stage")
    screen.type("to\x1b\t")
    screen.wait("^COPY --from=tools$")
    screen.type(" /a /b")
    screen.settle(1)  # a rename in the half second before Eglot sends what was typed is one of an older text
    screen.wait(r"Flymake\[0 0\]")
    screen.type("\x1b<\x05\x03r")
    screen.wait("Rename `tools' to:")
    screen.type("parts\r")
    screen.wait("^COPY --from=parts /a /b")
    screen.type("\x18\x13\x18\x03")
    assert screen.ended() == 0
    assert (tmp_path / "shop" / "app.metalor").read_text() == (
        'FROM scratch AS parts\nENV GREETING="日😀 x"\nFROM scratch\nENV B=1\nCOPY --from=parts /a /b\n'
    )


def test_emacs_alone(opened: Opened, tmp_path: Path) -> None:
    """Flymake asks `metalor check`, and so does compile."""
    screen = opened(
        "editors-emacs.md", "emacs", "-nw", "-Q", "-l", str(tmp_path / "home/.emacs.d/metalor/metalor-mode.el")
    )
    screen.wait("Metalor")
    screen.type("\x1bxflymake-mode\r")
    screen.wait(r"Flymake\[1 0\]")
    screen.type("\x1bxcompile\r\x01\x0bmetalor check --format short *.metalor\r")
    screen.wait("app.metalor:2:13: error.E0233.: ENV takes key=value")
    screen.wait("Compilation exited")
    screen.type("\x1bgn=\x04")  # at the error's place: one character is put for another
    screen.wait("ENV GREETING=日😀 x")
    screen.type("\x05\x7f\x7f")
    screen.wait(r"Flymake\[0 0\]")
    screen.type("\x18\x13\x18\x03")
    assert screen.ended() == 0
