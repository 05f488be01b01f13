"""The how-to pages do what they say: one as an ordinary user, one with emulators in PATH."""

import subprocess
from pathlib import Path

import pytest

from tests.support import emulators
from tests.support.documents import ROOT
from tests.support.ordinary import run_as_user
from tests.support.walkthrough import walk

pytestmark = pytest.mark.integration
HOW_TO = ROOT / "docs" / "how-to"


def test_without_root(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    def type_it(command: str, work: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        shown = {name: env[name] for name in ("BASES", "METALOR_STORE", "PATH")}
        return run_as_user(["bash", "-c", f"({command}) 2>&1"], home, env=shown, cwd=work)

    assert walk(HOW_TO / "without-root.md", home, type_it=type_it) >= 6


def test_other_architectures(tmp_path: Path) -> None:
    assert walk(HOW_TO / "other-architectures.md", tmp_path, path=emulators.path()) >= 7


def test_notebook(tmp_path: Path) -> None:
    assert walk(HOW_TO / "notebook.md", tmp_path) >= 3


def test_every_page_is_tried() -> None:
    tried = Path(__file__).read_text() + Path(__file__).with_name("test_library_documents.py").read_text()
    assert all(page.name in tried for page in HOW_TO.glob("*.md"))
