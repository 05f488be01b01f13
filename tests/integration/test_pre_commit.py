"""The hooks for pre-commit: the real program installs this project from a repository and runs them, offline."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import wheels
from tests.support.documents import ROOT, fences

pytestmark = pytest.mark.integration
PAGE = ROOT / "docs" / "how-to" / "ci-annotations.md"
PARTS = ("metalor_lang", "grammar", "README.md", "LICENSE", "pyproject.toml", ".pre-commit-hooks.yaml")
Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    names = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    isolated = {"HOME": str(tmp_path / "home"), "GIT_CONFIG_NOSYSTEM": "1", "PRE_COMMIT_HOME": str(tmp_path / "cache")}
    environment = {**wheels.environment(), **names, **isolated}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"

    def run(folder: Path, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            words, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    return run


def test_hooks(tmp_path: Path, git: Git) -> None:
    project = tmp_path / "metalor"
    project.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, project / part)
    git(project, "git", "init", "-q")
    git(project, "git", "add", "-A")
    git(project, "git", "commit", "-qm", "all")
    (written,) = (fence.body for fence in fences(PAGE) if fence.words == (".pre-commit-config.yaml",))
    shop = tmp_path / "shop"
    shop.mkdir()
    commit = git(project, "git", "rev-parse", "HEAD").strip()
    config = written.replace("ADDRESS-OF-THIS-PROJECT", project.as_uri()).replace("v0.1.0", commit)
    (shop / ".pre-commit-config.yaml").write_text(config)
    (shop / "other.txt").write_text("FROM   nothing\n")
    recipe = shop / "app.metalor"
    recipe.write_text("FROM   scratch\nENV A b\n")
    git(shop, "git", "init", "-q")
    git(shop, "git", "add", "-A")

    shown = git(shop, "pre-commit", "run", "--all-files", status=1)
    assert "app.metalor:2:6: error[E0233]" in shown and "other.txt" not in shown

    recipe.write_text("from   scratch\nENV A=b\n")
    shown = git(shop, "pre-commit", "run", "--all-files", status=1)
    assert "files were modified by this hook" in shown and "fixed[E0202]" in shown
    assert recipe.read_text() == "FROM scratch\nENV A=b\n"

    git(shop, "git", "add", "-A")
    git(shop, "pre-commit", "install")
    assert "Passed" in git(shop, "git", "commit", "-m", "right")
    recipe.write_text("FROM scratch\nENV A b\n")
    git(shop, "git", "commit", "-am", "wrong", status=1)
    assert git(shop, "git", "log", "--format=%s").split() == ["right"]
