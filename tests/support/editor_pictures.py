"""Pictures of a recipe in Vim and Emacs, as they show it in a terminal.

`python -m tests.support.editor_pictures` writes them into docs/images/editors.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metalor_lang.editors import emacs, vim
from tests.support.documents import ROOT
from tests.support.recording import svg
from tests.support.screens import Screen

FOLDER = ROOT / "docs" / "images" / "editors"
COLUMNS, ROWS = 112, 40
RECIPE = """\
# Pages are built in one stage and served from another.
ARG BASE=docker.io/library/debian:12
ARG TITLE="A small site"

FROM ${BASE} AS pages
WORKDIR /src
COPY --exclude=drafts site/ ./
ENV LANG=C.UTF-8 \\
    # what the pages say at their end
    FOOTER="made with \\"metalor\\", ${TITLE}"
SH '''
    mkdir -p /out
    for page in pages/*.txt; do
        name=$(basename "$page" .txt)
        if grep -q '^# ' "$page"; then
            printf '<title>%s – %s</title>\\n' "$TITLE" "$name"
        fi > "/out/$name.html"
    done
    '''

FROM scratch AS web
COPY --from=pages /out /www
FILE --chmod=644 /etc/site.conf \"\"\"
    title = ${TITLE}
    port  = 8080
    \"\"\"
USER 1000:1000
EXPOSE 8080/tcp
COPPY index.html /www
LABEL org.opencontainers.image.title=${TITLE}
TEST SH wget -q -O - http://127.0.0.1:8080/ | grep -q "$TITLE"
CMD [
    "/bin/busybox", "httpd",  # in the foreground
    "-f", "-p", "8080",
    "-h" "/www"
]
"""
_VIM = (
    "set rtp^={files} laststatus=0 noruler",
    "filetype plugin indent on",
    "syntax on",
    "set termguicolors background=dark",
    "colorscheme habamax",
    "highlight Normal guibg=NONE",
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
            screen.wait(r"^\]")
            screen.settle(0.5)
            yield screen
        finally:
            screen.close()


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for program in programs().values():
        target = FOLDER / f"{program.name.lower()}.svg"
        with shown(program) as screen:
            screen.screen.cursor.hidden = True
            target.write_text(svg(screen.screen, f"A recipe in {program.name}"), encoding="utf-8")
        print(target.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
