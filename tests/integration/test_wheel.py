"""The wheel, installed into an empty environment, carries the grammar and parses every example."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from metalor_lang.editors.model import model
from metalor_lang.editors.write import outputs
from tests.support.documents import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.network]


def test_the_wheel_parses_every_example(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", str(wheel)], check=True)

    recipes = sorted(str(path) for path in (ROOT / "examples").glob("*/*.metalor"))
    assert len(recipes) >= 5
    command = [str(tmp_path / "venv" / "bin" / "metalor"), "fmt", "--check", *recipes]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr

    command = [command[0], "editors", "vim", "--path", "vim"]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "vim" / "syntax" / "metalor.vim").is_file()

    # Pygments finds the lexer by name, and every editor's files are in the package.
    command = [str(tmp_path / "venv" / "bin" / "pygmentize"), "-l", "metalor", "-f", "raw", recipes[0]]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, env={"HOME": str(tmp_path)})
    assert "Token.Keyword\t'FROM'" in done.stdout, done.stdout + done.stderr
    (package,) = (tmp_path / "venv").glob("lib/python3.*/site-packages/metalor_lang")
    for path in outputs(model()):
        installed = package / path if path.startswith("grammar/") else package.parent / path
        assert installed.read_bytes() == (ROOT / path).read_bytes(), path
