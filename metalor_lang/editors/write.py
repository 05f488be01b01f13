"""Writes every highlighter: `make grammar`.

Invariant: a pure function of the grammar; a test compares what it gives with the committed files byte for byte.
"""

from pathlib import Path

from metalor_lang.editors import emacs, pygments_print, snippets, textmate, vim
from metalor_lang.editors.model import Model, model

_PACKAGE = Path(__file__).parents[1]
_ROOT = _PACKAGE.parent

PRINTERS = (pygments_print.files, textmate.files, snippets.files, vim.files, emacs.files)
"""What prints a model: path from the checkout's root → text."""


def outputs(printed: Model) -> dict[str, str]:
    """Every generated file: its path from the checkout's root, and its text."""
    return {path: text for files in PRINTERS for path, text in files(printed).items()}


if __name__ == "__main__":
    for path, text in outputs(model()).items():
        target = _ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
