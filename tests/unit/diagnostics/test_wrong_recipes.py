"""Every wrong recipe of tests/goldens/wrong gives exactly the diagnostics that stand beside it."""

from pathlib import Path

import pytest

from metalor_lang.build.importing import read_recipe
from metalor_lang.checker.checker import check
from metalor_lang.checker.program import SourceMiss, SourceProblem
from metalor_lang.diagnostics.codes import CODES
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.source import SourceFile
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.parser import parse
from tests.support.goldens import GOLDENS, check_golden, describe, golden_inputs


class Folders:
    """Contexts in which everything is there but paths that begin with "absent"."""

    def names(self) -> frozenset[str]:
        return frozenset({"", "assets"})

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        if source.startswith("absent"):
            return SourceMiss(problem=SourceProblem.ABSENT, detail="no such file or folder", nearest="")
        return None

    def exists(self, path: str) -> bool:
        return not path.startswith("absent")

    def recipe(self, path: str) -> bytes:
        return read_recipe(GOLDENS / "wrong", path)


def every_diagnostic(path: Path) -> tuple[SourceFile, tuple[Diagnostic, ...]]:
    source, bytes_found = decode(path.name, path.read_bytes())
    recipe, found = parse(source)
    found = (*bytes_found, *found)
    _, checked = check(recipe, contexts=Folders(), given_args_strict=False, syntax=found)
    return source, tuple(sorted((*found, *checked), key=lambda each: each.span))


@pytest.mark.parametrize("path", golden_inputs("wrong"), ids=lambda path: path.stem)
def test_wrong_recipe(path: Path, update_goldens: bool) -> None:
    source, found = every_diagnostic(path)
    assert found, "this recipe is right"
    for each in found:
        assert each.code in CODES
        assert each.span.end <= len(source.text)
        assert not each.message.endswith(".")
    check_golden(describe(found, source), path.with_suffix(".expected"), update=update_goldens)


def test_there_are_many() -> None:
    assert len(golden_inputs("wrong")) >= 130
