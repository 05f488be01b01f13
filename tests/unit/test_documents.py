"""Every fenced recipe in the documents parses and checks, and those marked `refused` do not."""

import re
from pathlib import Path

import pytest

from metalor_lang.checker.checker import check
from metalor_lang.checker.program import SourceMiss
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from tests.support.documents import ROOT, Fence, documents, fences

RECIPES = [fence for path in documents() for fence in fences(path) if fence.language == "metalor"]


class Anything:
    """Contexts in which every source exists: a document's recipes copy files that are not there."""

    def names(self) -> frozenset[str]:
        return frozenset({""})

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        return None

    def exists(self, path: str) -> bool:
        return True

    def recipe(self, path: str) -> bytes:
        """A recipe of the documents that begins with a comment of that name."""
        return next(fence.body for fence in RECIPES if fence.body.startswith(f"# {path}\n")).encode()


def _refused(fence: Fence) -> bool:
    return "refused" in fence.words or any(word.startswith("wrong") for word in fence.words)


@pytest.mark.parametrize("fence", RECIPES, ids=str)
def test_recipes_in_documents(fence: Fence) -> None:
    recipe, found = parse(SourceFile(str(fence), fence.body))
    if "imported" in fence.words:
        assert not found  # whoever imports it checks the rest
        return
    if not found:
        args = {"BASE": "debian:12"} if re.search(r"^ARG BASE$", fence.body, re.MULTILINE) else {}
        _, found = check(recipe, args=args, contexts=Anything(), secrets=frozenset({"npm"}))
    if _refused(fence):
        assert found, f"{fence}: marked as refused, and accepted"
    else:
        assert not found, f"{fence}: {found}"


def test_there_are_recipes_to_check() -> None:
    assert len(RECIPES) >= 15
    assert any(_refused(fence) for fence in RECIPES)


def _links() -> list[tuple[Path, str]]:
    pattern = re.compile(r"\]\(([^)#:]+)\)")
    return [(path, target) for path in documents() for target in pattern.findall(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path,target", _links(), ids=lambda value: value if isinstance(value, str) else value.stem)
def test_links_between_documents_lead_somewhere(path: Path, target: str) -> None:
    assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}"
