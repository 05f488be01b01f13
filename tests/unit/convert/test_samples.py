"""The Dockerfiles of tests/dockerfiles are what docs and issue say of them."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.dockerfiles import CONSTRUCTS, FOLDER, SAMPLES, table

DOCUMENT = Path(__file__).parents[2] / "dockerfiles.md"


def test_there_are_enough() -> None:
    assert len(SAMPLES) >= 60
    assert sum(not sample.refused for sample in SAMPLES.values()) >= 60
    assert len(CONSTRUCTS) == 19


def test_each_construct_is_covered_twice() -> None:
    counts = Counter(letter for sample in SAMPLES.values() for letter in sample.covers)
    assert {letter: counts[letter] for letter in CONSTRUCTS if counts[letter] < 2} == {}
    assert set(counts) <= set(CONSTRUCTS)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_refusal_names_a_line_that_is_there(name: str) -> None:
    sample = SAMPLES[name]
    lines = sample.text.splitlines()
    assert all(1 <= each.line <= len(lines) for each in sample.refused)
    assert sample.about
    assert sample.covers


def test_the_table_is_up_to_date(update_goldens: bool) -> None:
    if update_goldens:
        DOCUMENT.write_text(table(), encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == table()


def test_no_file_was_forgotten() -> None:
    assert all((FOLDER / name / "Dockerfile").is_file() for name in SAMPLES)
