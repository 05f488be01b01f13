"""Snippets of every form of every statement, from the table of statements."""

import json
import re
from collections.abc import Iterator
from typing import Final

from metalor_lang.editors.model import Model
from metalor_lang.syntax.statements import STATEMENTS

PATH: Final = "grammar/editors/vscode/snippets/metalor.json"

_KEYWORDS: Final = frozenset({*(spec.word for spec in STATEMENTS), "AS", "IN", "NOT"})
OPENERS: Final = frozenset({"IF", "FOR", "DEFINE"})
"""Statements that an END closes."""
_NAMED: Final = re.compile(r" \[(AS [^\]]*)\]")
_OPTIONAL: Final = re.compile(r" ?\[(?!\")[^\]]*\]")
_WORD: Final = re.compile(r"--[a-z0-9-]+|[A-Za-z]+(?:-[A-Za-z]+)*(?: text\b)?")
_BLOCK: Final = re.compile(r"('''|\"\"\") block \1")


def files(model: Model) -> dict[str, str]:
    """The snippets of Visual Studio Code by their path; they are the language's, whatever the model."""
    made = {
        form: {"prefix": _prefix(form), "body": snippet(form).split("\n"), "description": f"{spec.summary}."}
        for spec in STATEMENTS
        for form in map(plain, spec.forms)
    }
    return {PATH: json.dumps(made, indent=2, ensure_ascii=False) + "\n"}


def plain(form: str) -> str:
    """A form of a statement without what may be left out, but with the name of a stage."""
    return _OPTIONAL.sub("", _NAMED.sub(r" \1", form)).replace(", …", "").replace(" …", "").replace("…", "")


def _prefix(form: str) -> list[str]:
    """What is typed for it: the words of the language that it starts with."""
    words = " ".join(word for word in form.split() if word in _KEYWORDS and word not in ("AS", "IN", "NOT"))
    return [words, words.lower()]


def snippet(form: str) -> str:
    """A form in the spelling of snippets: its names as places to be filled; an opener with its END."""
    end = "\n    $0\nEND" if form.split()[0] in OPENERS else ""
    return "".join(_pieces(_BLOCK.sub(r"\1\n    text\n    \1", form))) + end


def _pieces(form: str) -> Iterator[str]:
    number, at = 0, 0
    for found in _WORD.finditer(form):
        yield form[at : found.start()]
        at = found.end()
        word = found.group()
        if word in _KEYWORDS or word.startswith("--"):
            yield word
        else:
            number += 1
            yield f"${{{number}:{word}}}"
    yield form[at:]
