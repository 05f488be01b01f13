"""A recipe's context as a Dockerfile would find it."""

from pathlib import Path

from metalor_lang.build.recipefolder import RecipeFolder
from metalor_lang.convert.model import Kind
from tests.support.copytrees import plant

TREE = {
    "app.metalor": "FROM scratch\n", "app.lock": "{}", ".metalorignore": "*.o\n!keep.o\n/tmp/\n", "a.o": "",
    "keep.o": "", "s/b.o": "", "s/c.c": "", "tmp/x": "", "s/tmp/y": "", "[k]*": "", "#x": "", "!y": "", "f": "755|",
}  # fmt: skip


def folder(tmp_path: Path, tree: dict[str, str]) -> RecipeFolder:
    plant(tmp_path / "c", tree)
    return RecipeFolder(tmp_path / "c", tmp_path / "c" / "app.metalor", tmp_path / "no-store")


def test_what_no_copy_of_a_directory_takes(tmp_path: Path) -> None:
    found = folder(tmp_path, TREE).dockerignore()
    assert found.splitlines() == [".metalorignore", "a.o", "app.lock", "app.metalor", "s/b.o", "tmp"]


def test_names_that_would_be_patterns(tmp_path: Path) -> None:
    found = folder(tmp_path, {**TREE, ".metalorignore": "\\[k\\]\\*\n\\#x\n\\!y\n"}).dockerignore()
    assert set(found.splitlines()) == {"\\!y", "\\#x", ".metalorignore", "\\[k\\]\\*", "app.lock", "app.metalor"}


def test_a_recipe_elsewhere_hides_nothing(tmp_path: Path) -> None:
    plant(tmp_path / "c", {"app.metalor": "", "f": ""})
    assert RecipeFolder(tmp_path / "c", tmp_path / "app.metalor", tmp_path / "s").dockerignore() == ""


def test_its_own_rules_hold(tmp_path: Path) -> None:
    found = folder(tmp_path, {**TREE, ".dockerignore": "f\n"})
    assert found.kind("f") is Kind.FILE
    assert found.kind("a.o") is None
    assert found.glob("*.o") == ("keep.o",)
    assert found.modes("f") == frozenset()
