"""The tokeniser of Visual Studio Code (vscode-textmate with Oniguruma, from npm) as an engine."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metalor_lang.editors import textmate
from metalor_lang.editors.model import Model
from tests.support.highlighters import Colours
from tests.support.node.packages import listed, modules

TOKENIZE = Path(__file__).parent / "tokenize.cjs"
ROLES = {textmate.scope(role): role.value for role in textmate.SCOPES}


class TextMate:
    name = "TextMate"
    every = 1

    def versions(self) -> str:
        ours = listed()
        node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
        packages = ("vscode-textmate", "vscode-oniguruma", "tm-grammars")
        return ", ".join(f"{name} {ours[name]}" for name in packages) + f", Node {node}"

    def roles(self, texts: Sequence[str], model: Model) -> Sequence[Colours]:
        return [
            [_role(scopes) for scopes in per_character(text, done.lines)]
            for text, done in zip(texts, tokens(texts, textmate.text(model)))
        ]


Line = list[tuple[int, int, str]]
"""The tokens of a line: start and end in UTF-16 units, and the scopes from the outermost."""


class Tokens(NamedTuple):
    """What the tokeniser says of a text: of each line, and how deep its regions are at the end of a line."""

    lines: list[Line]
    depth: int


def tokens(texts: Sequence[str], grammar: str, theme: str = "") -> list[Tokens]:
    """What the tokeniser says of some texts; with a theme (of tm-themes), colours and styles in place of scopes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "metalor.json")
        path.write_text(grammar, encoding="utf-8")
        command = ["node", str(TOKENIZE), str(modules().parent), str(path), theme]
        done = subprocess.run(command, input=json.dumps(list(texts)), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return [Tokens(each["lines"], each["depth"]) for each in json.loads(done.stdout)]


def per_character(text: str, lines: list[Line]) -> list[str]:
    """The scopes of each character of a text."""
    out: list[str] = []
    for line, found in zip(text.split("\n"), lines, strict=True):
        units = [""] * (len(line.encode("utf-16-le")) // 2 + 1)
        for start, end, scopes in found:
            units[start:end] = [scopes] * (min(end, len(units)) - start)
        at = 0
        for char in line:
            out.append(units[at])
            at += 1 + (ord(char) > 0xFFFF)
        out.append("")  # the line end
    return out[: len(text)]


def _role(scopes: str) -> str | None:
    """The innermost of our own scopes: what another grammar says inside counts for nothing."""
    return next((ROLES[each] for each in reversed(scopes.split()) if each in ROLES), None)
