"""What the read-me claims is what the pages behind it say."""

import re

import pytest

from tests.support.documents import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CASES = {
    "50 steps, no cache": "50 steps, no cache, whole process",
    "50 steps, all cached": "50 steps, all cached, whole process",
    "FROM a base of 170 MB, the first time": "cold FROM of Debian (170 MB, 8,700 entries)",
    "COPY of 20,000 files, cold": "COPY of 20000 files (118 MB), cold",
    "the same, one file changed": "the same, one file changed",
}
"""Rows of the read-me, and what they are called in the table of performance.md."""


def rows(text: str) -> dict[str, list[str]]:
    """The first row of each name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| "):
            name, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found.setdefault(name, cells)
    return found


def two_digits(cell: str) -> float:
    """Seconds of a cell such as `65.22ms` or `0.543s`, to two digits."""
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s)", cell).groups()  # type: ignore[union-attr]
    return float(f"{float(number) / (1000 if unit == 'ms' else 1):.2g}")


@pytest.mark.parametrize("name", CASES)
def test_each_number_is_that_of_the_bench(name: str) -> None:
    measured = rows((ROOT / "docs" / "explanation" / "performance.md").read_text(encoding="utf-8"))[CASES[name]]
    seconds = [two_digits(measured[column]) for column in (0, 3, 4)]
    shown = rows(README)[name]
    assert [float(cell) for cell in shown] == seconds, (
        f"write | {name} | {' | '.join(f'{each:.2g}' for each in seconds)} |"
    )
    assert seconds[0] < min(seconds[1:])


def test_there_is_a_row_for_each_case() -> None:
    assert set(CASES) <= set(rows(README))


def test_complaints_are_counted() -> None:
    page = (ROOT / "docs" / "explanation" / "complaints.md").read_text(encoding="utf-8")
    assert f"[{len(re.findall(r'^## [0-9]+ ', page, re.MULTILINE))} answers]" in README


def test_why_one_would_switch_is_on_the_first_screen() -> None:
    before, _, after = README.partition("## Why switch")
    assert before.count("\n") + after.partition("\n## ")[0].count("\n") <= 50
