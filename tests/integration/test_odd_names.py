"""Recipes whose names are hard to say are built, remembered and exported like others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", [b"bad\xff", b"two words", "ü".encode(), b"new\nline"])
def test_a_recipe_of_any_name(name: bytes, tmp_path: Path) -> None:
    recipe = os.fsdecode(name) + ".metalor"
    (tmp_path / recipe).write_text("FROM scratch\nLABEL a=b\n")
    environment = {**os.environ, "METALOR_STORE": str(tmp_path / "store"), "PYTHONIOENCODING": "utf-8"}
    for words in (
        ["check", recipe],
        ["build", recipe],
        ["build", recipe],
        ["export", recipe, "oci:out:1"],
        ["cache", "ls"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "metalor_lang", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr)
    assert (tmp_path / "out" / "index.json").exists()
