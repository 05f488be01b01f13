"""Pictures of a recipe in Vim and Emacs, as they show it in a terminal, and in the colours of Visual Studio Code.

`python -m tests.support.editor_pictures` writes them into docs/images/editors.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyte

from metalor_lang.editors import emacs, textmate, vim
from metalor_lang.editors.model import model
from tests.support.documents import ROOT
from tests.support.highlighters.textmate_engine import per_character, tokens
from tests.support.node.packages import modules
from tests.support.recording import svg
from tests.support.screens import Screen

FOLDER = ROOT / "docs" / "images" / "editors"
COLUMNS, ROWS = 88, 41
RECIPE = (ROOT / "docs" / "images" / "highlighting.metalor").read_text(encoding="utf-8")
THEME = "dark-plus"
"""The theme that Visual Studio Code has where nobody chose another."""
_VIM = (
    "set rtp^={files} laststatus=0 noruler fillchars+=eob:\\ ",
    "filetype plugin indent on",
    "syntax on",
    "set termguicolors background=dark",
    "colorscheme habamax",
    "highlight Normal guibg=NONE",
    # The scheme's own greys are hard to read in a small picture.
    "highlight Comment guifg=#949494 | highlight Special guifg=#6f9f9f | highlight Delimiter guifg=#6f9f9f",
)
_EMACS = """
(progn (add-to-list 'load-path "{files}") (require 'metalor-mode)
       (setq native-comp-deferred-compilation nil inhibit-startup-screen t
             inhibit-startup-echo-area-message "root")
       (menu-bar-mode -1) (load-theme 'modus-vivendi t))
"""


@dataclass(frozen=True, kw_only=True)
class Program:
    """An editor on a screen.

    Args:
        name: what it is called; the picture's file has the name in small letters.
        argv: the command, without the recipe.

    """

    name: str
    argv: tuple[str, ...]


def programs() -> dict[str, Program]:
    """The editors, with our files and nobody's settings."""
    settings = [word for line in _VIM for word in ("--cmd", line.format(files=ROOT / vim.FOLDER))]
    bare = ("-u", "NONE", "-i", "NONE", "-n", "--cmd", "set nocompatible", *settings)
    files = ROOT / emacs.FOLDER
    both = (
        Program(name="Vim", argv=("vim", *bare)),
        Program(name="Emacs", argv=("emacs", "-nw", "-Q", "--eval", _EMACS.format(files=files))),
    )
    return {each.name: each for each in both}


@contextmanager
def shown(program: Program, recipe: str = RECIPE) -> Iterator[Screen]:
    """The editor's screen with a recipe."""
    path = shutil.which(program.argv[0])
    assert path, f"{program.argv[0]} is not installed; `.ci/setup test` installs it"
    with tempfile.TemporaryDirectory(prefix="metalor-picture-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "site.metalor"
        file.write_text(recipe, encoding="utf-8")
        env = {"PATH": os.environ["PATH"], "HOME": folder, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        env["LC_ALL"] = "C.UTF-8"
        argv = [path, *program.argv[1:], file.name]
        screen = Screen(argv, folder=Path(folder), env=env, columns=COLUMNS, rows=ROWS)
        try:
            screen.wait(r"^CMD \[")
            screen.settle(0.5)
            yield screen
        finally:
            screen.close()


def in_theme(theme: str = THEME, recipe: str = RECIPE) -> pyte.Screen:
    """A screen with a recipe in the colours that a theme of Visual Studio Code gives the grammar's scopes."""
    (done,) = tokens([recipe], textmate.text(model()), theme)
    lines = recipe.splitlines()
    screen = pyte.Screen(COLUMNS, len(lines))
    screen.set_mode(pyte.modes.LNM)
    stream, now = pyte.Stream(screen), ""
    for char, look in zip(recipe.rstrip("\n"), per_character(recipe, done.lines)):
        if look and look != now:
            ink, style = look.split()
            red, green, blue = (int(ink[at : at + 2], 16) for at in (1, 3, 5))
            codes = [code for bit, code in ((1, 3), (2, 1), (4, 4)) if int(style) & bit]
            stream.feed(f"\x1b[{';'.join(map(str, [0, *codes, 38, 2, red, green, blue]))}m")
            now = look
        stream.feed(char)
    screen.cursor.hidden = True
    return screen


def paper(theme: str = THEME) -> str:
    """The background of a theme."""
    colours = json.loads((modules() / "tm-themes" / "themes" / f"{theme}.json").read_text(encoding="utf-8"))["colors"]
    return str(colours["editor.background"]).lower()


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for program in programs().values():
        target = FOLDER / f"{program.name.lower()}.svg"
        with shown(program) as screen:
            screen.screen.cursor.hidden = True
            target.write_text(svg(screen.screen, f"A recipe in {program.name}"), encoding="utf-8")
        print(target.relative_to(ROOT))
    target = FOLDER / "vscode.svg"
    target.write_text(svg(in_theme(), "A recipe in Visual Studio Code", paper()), encoding="utf-8")
    print(target.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
