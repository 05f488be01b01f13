"""The tokeniser of Visual Studio Code (vscode-textmate with Oniguruma, from npm) as an engine.

`.ci/setup test` installs its packages by `python -m tests.support.highlighters.textmate_engine`.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from metalor_lang.editors import textmate
from metalor_lang.editors.model import Model
from tests.support.documents import ROOT
from tests.support.highlighters import Colours

HERE = Path(__file__).parent / "textmate"
FOLDER = ROOT / ".cache" / "textmate"
ROLES = {textmate.scope(role): role.value for role in textmate.SCOPES}


class TextMate:
    name = "TextMate"

    def versions(self) -> str:
        listed = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
        node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
        return (
            f"vscode-textmate {listed['vscode-textmate']}, vscode-oniguruma {listed['vscode-oniguruma']}, Node {node}"
        )

    def roles(self, texts: Sequence[str], model: Model) -> Sequence[Colours]:
        return [
            [_role(scopes) for scopes in per_character(text, lines)]
            for text, lines in zip(texts, tokens(texts, textmate.text(model)))
        ]


Line = list[tuple[int, int, str]]
"""The tokens of a line: start and end in UTF-16 units, and the scopes from the outermost."""


def tokens(texts: Sequence[str], grammar: str) -> list[list[Line]]:
    """What the tokeniser says of each line of some texts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "metalor.json")
        path.write_text(grammar, encoding="utf-8")
        command = ["node", str(HERE / "tokenize.cjs"), str(FOLDER), str(path)]
        done = subprocess.run(command, input=json.dumps(list(texts)), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    answer: list[list[Line]] = json.loads(done.stdout)
    return answer


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


def install() -> None:
    """The packages of the lock file, in the cache folder; nothing to do when they are there."""
    names = ("package.json", "package-lock.json")
    stamp = FOLDER / "node_modules" / ".metalor"
    wanted = "".join((HERE / name).read_text(encoding="utf-8") for name in names)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(HERE / name, FOLDER / name)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent", "--ignore-scripts"], cwd=FOLDER, check=True)
    stamp.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    install()
