"""Where editors look for a language's files, and what else their user has to do.

Invariant: data and paths; nothing is read or written.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from metalor_lang.record import dataclass

_EMACS_LINES: Final = """\
  (add-to-list 'load-path "{place}")
  (require 'metalor-mode)
  (add-hook 'metalor-mode-hook #'eglot-ensure)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """An editor that has files of its own for the language.

    Args:
        name: how it is called on the command line.
        folder: its files, below `grammar/editors`.
        places: where it looks, the first that can be told; `~` is the user's home, `$NAME` a variable that must be set.
        then: what is left to do; `{place}` is the folder that was written.

    """

    name: str
    folder: str
    places: tuple[str, ...] = ()
    then: str = ""

    def place(self, home: Path, variables: Mapping[str, str]) -> Path | None:
        """The folder for its files; None when there is none that it looks into."""
        for place in self.places:
            first, _, rest = place.partition("/")
            if first == "~":
                return home / rest
            if value := variables.get(first.removeprefix("$")):
                return Path(value) / rest
        return None


EDITORS: Final = (
    Editor(
        name="vim",
        folder="vim",
        places=("~/.vim/pack/metalor/start/metalor",),
        then="open a recipe: nothing is left to do (with `filetype plugin indent on` and `syntax on` in ~/.vimrc)",
    ),
    Editor(
        name="neovim",
        folder="vim",
        places=(
            "$XDG_DATA_HOME/nvim/site/pack/metalor/start/metalor",
            "~/.local/share/nvim/site/pack/metalor/start/metalor",
        ),
        then="open a recipe: nothing is left to do",
    ),
    Editor(
        name="emacs",
        folder="emacs",
        places=("~/.emacs.d/metalor",),
        then=f"put this into your init file (the last line where Eglot and metalor-lang[lsp] are):\n{_EMACS_LINES}",
    ),
    Editor(
        name="vscode",
        folder="vscode",
        then="make an extension of it and install that:\n"
        "  cd {place} && npm ci && npx @vscode/vsce package && code --install-extension metalor-*.vsix",
    ),
)

BY_NAME: Final = {editor.name: editor for editor in EDITORS}
