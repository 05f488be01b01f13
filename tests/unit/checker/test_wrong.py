"""Wrong recipes: code, line, column, width, message and help of every error, as goldens.

Cases are recipes behind `=== name`; `#arg NAME=value`, `#context NAME`, `#target NAME` and `#epoch N` in front of
a recipe are what it is checked with. The golden beside a file has the same names.
"""

from pathlib import Path

import pytest

from metalor_lang.syntax.statements import BY_WORD
from tests.support.recipes import FakeContexts, checked, shown

GOLDENS = Path(__file__).parents[2] / "goldens" / "names"


def cases(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for block in path.read_text().split("=== ")[1:]:
        name, _, text = block.partition("\n")
        found[name] = text.removesuffix("\n") if text.endswith("\n\n") else text
    return found


def verdict(text: str) -> str:
    options: dict[str, object] = {}
    args: dict[str, str] = {}
    named: set[str] = set()
    while text.startswith("#"):
        line, _, text = text.partition("\n")
        word, _, value = line[1:].partition(" ")
        match word:
            case "arg":
                name, _, args[name] = value.partition("=")
            case "context":
                named.add(value)
            case "epoch":
                options["source_date_epoch"] = int(value)
            case _:
                options[word] = value
    program, found = checked(text, args=args, contexts=FakeContexts(named=frozenset(named)), **options)
    assert (program is None) is bool(found)
    lines = []
    for line, each in zip(shown(text, found), found, strict=True):
        lines.append(line + "\n")
        source = text.splitlines()
        at = text.count("\n", 0, each.span.start)
        lines += [f"    {source[at]}\n"] if at < len(source) else []
        for label in each.labels:
            row = text.count("\n", 0, label.span.start) + 1
            lines.append(f"    line {row}: {label.text}\n")
    return "".join(lines)


FILES = sorted(GOLDENS.glob("*.recipes"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_wrong_recipes(path: Path, update_goldens: bool) -> None:
    found = {name: verdict(text) for name, text in cases(path).items()}
    golden = path.with_suffix(".expected")
    if update_goldens:
        golden.write_text("\n".join(f"=== {name}\n{text}" for name, text in found.items()))
    assert found == cases(golden)


def test_there_are_many_and_each_is_refused() -> None:
    texts = [text for path in FILES for text in cases(path).values()]
    assert len(texts) >= 90
    assert all(verdict(text) for text in texts)


ALONE = cases(GOLDENS / "alone.recipes")


@pytest.mark.parametrize("text", ALONE.values(), ids=list(ALONE))
def test_one_mistake_gives_one_error(text: str) -> None:
    said = [line for line in verdict(text).splitlines() if line[0] != " "]
    assert len(said) == 1
    assert not said[0].endswith("| ")  # each says what to do


def test_every_statement_is_among_those_with_one_mistake() -> None:
    met = {line.split()[0] for text in ALONE.values() for line in text.splitlines() if line.strip()}
    assert set(BY_WORD) <= met
