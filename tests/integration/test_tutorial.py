"""The tutorial is run from top to bottom: files are written, commands typed, what they print compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.documents import ROOT, fences

pytestmark = pytest.mark.integration


def _pattern(expected: str) -> re.Pattern[str]:
    """`…` stands for anything, over lines where it stands alone."""
    pieces = [".*".join(re.escape(part) for part in line.split("…")) for line in expected.splitlines()]
    text = "\n".join(piece for piece in pieces)
    return re.compile(text.replace("\n.*\n", "\n(?:.*\n)*?") + r"\n?", re.DOTALL)


def _commands(body: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            command, expected = found[-1]
            found[-1] = (command, expected + line + "\n")
    return found


@pytest.mark.parametrize("document", sorted((ROOT / "docs" / "tutorial").glob("*.md")), ids=lambda path: path.stem)
def test_every_block_does_what_it_says(document: Path, tmp_path: Path) -> None:
    env = dict(
        os.environ,
        BASES=str(bases.directory()),
        METALOR_STORE=str(tmp_path / "store"),
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    )
    work = tmp_path / "work"
    work.mkdir()
    ran = 0
    for fence in fences(document):
        if fence.language in ("metalor", "text") and fence.words:
            target = work / fence.words[0]
            target.parent.mkdir(exist_ok=True)
            target.write_text(fence.body, encoding="utf-8")
        if fence.language != "console":
            continue
        for command, expected in _commands(fence.body):
            status = 0
            if match := re.search(r"\[(\d+)\]\n$", expected):
                status, expected = int(match[1]), expected[: match.start()]
            done = subprocess.run(
                ["bash", "-c", command], cwd=work, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            shown = f"{fence}: $ {command}\n{done.stdout}"
            assert done.returncode == status, shown
            assert _pattern(expected).fullmatch(done.stdout) or expected.strip() == "…", (
                f"{shown}\nexpected:\n{expected}"
            )
            ran += 1
    assert ran >= 10
