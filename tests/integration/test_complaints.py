"""Every complaint that the page says is answered is answered: its section is done, as a reader would do it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import bases, emulators
from tests.support.documents import ROOT, Fence, fences
from tests.support.walkthrough import walk_fences

pytestmark = pytest.mark.integration

PAGE = ROOT / "docs" / "explanation" / "complaints.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## (\d+) (.*)$", TEXT, re.MULTILINE)
ROWS = re.findall(r"^\| \[(\d+)\]\(#([^)]*)\) \| ([^|]*) \|", TEXT, re.MULTILINE)


def section(number: str) -> list[Fence]:
    """The fences of a section, in which the base of the tests stands for `debian:12`."""
    starts = {found: TEXT.count("\n", 0, TEXT.index(f"\n## {found} ")) + 2 for found, _ in HEADINGS}
    after = [line for line in starts.values() if line > starts[number]]
    return [
        replace(fence, body=fence.body.replace("FROM debian:12", f"FROM {bases.reference('busybox')}"))
        for fence in fences(PAGE)
        if starts[number] < fence.line < min(after, default=10**9)
    ]


@pytest.mark.parametrize("number", [number for number, _ in HEADINGS])
def test_answered(number: str, tmp_path: Path) -> None:
    assert walk_fences(section(number), tmp_path, path=emulators.path()) >= 1


def test_every_row_has_its_section_and_every_section_its_row() -> None:
    assert len(ROWS) >= 25
    assert [(number, text) for number, _, text in ROWS] == HEADINGS
    for number, anchor, text in ROWS:
        assert anchor == f"{number}-" + re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")
