"""What each construct of a Dockerfile becomes, line by line."""

from pathlib import Path

import pytest

from metalor_lang.convert import Converted, Verdict, convert
from metalor_lang.convert.report import human
from metalor_lang.convert.verify import problems
from tests.support.converting import cases, workshop
from tests.support.goldens import GOLDENS, check_golden

TOPICS = sorted((GOLDENS / "convert").glob("*.dockerfiles"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return workshop(tmp_path_factory.mktemp("context"))


@pytest.mark.parametrize("path", TOPICS, ids=lambda path: path.stem)
def test_what_each_construct_becomes(path: Path, world, update_goldens) -> None:
    out = []
    for name, text in cases(path):
        converted = convert(text, name="Dockerfile", world=world)
        every_line_is_there(text, converted)
        assert problems(converted.recipe) == [] or not text.lower().lstrip().startswith(("from", "arg", "#")), name
        out.append(f"=== {name}\n{converted.recipe}---\n{human(converted, 'Dockerfile')}")
    check_golden("\n".join(out), path.with_suffix(".expected"), update=update_goldens)


def every_line_is_there(text: str, converted: Converted) -> None:
    """Each line that is no comment and not blank is in one report, and what stands for it is in the recipe."""
    lines = text.removesuffix("\n").split("\n")
    told = [number for line in converted.lines for number in range(line.first, line.last + 1)]
    assert len(told) == len(set(told))
    silent = [lines[number - 1] for number in range(1, len(lines) + 1) if number not in told]
    assert all(not line.strip() or line.lstrip().startswith("#") for line in silent), silent
    recipe = converted.recipe.split("\n")
    for line in converted.lines:
        if line.verdict is Verdict.REFUSED and not line.word.startswith("#"):
            assert recipe[line.recipe_first - 1].startswith("# REFUSED")
            assert line.notes
        if line.recipe_first:
            assert any(each.strip() for each in recipe[line.recipe_first - 1 : line.recipe_last])
