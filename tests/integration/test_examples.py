"""Every folder of examples/ is built from its folder, and gives what its expected.json says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.documents import ROOT

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/*.metalor"))
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def _metalor(*words: str, cwd: Path, store: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metalor_lang", *words],
        cwd=cwd,
        env=dict(os.environ, METALOR_STORE=str(store)),
        text=True,
        capture_output=True,
    )


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_example(folder: Path, store: Path, tmp_path: Path) -> None:
    recipe = f"{folder.name}.metalor"
    for name in re.findall(r"\.cache/bases/([a-z-]+)", (folder / recipe).read_text()):
        bases.where_examples_look(name)
    expected = json.loads((folder / "expected.json").read_text())
    image = f"oci:{tmp_path / 'image'}:latest"

    assert _metalor("fmt", "--check", recipe, cwd=folder, store=store).returncode == 0
    built = _metalor("build", recipe, "--progress", "json", "-o", image, cwd=folder, store=store)
    assert built.returncode == 0, built.stdout + built.stderr

    events = [json.loads(line) for line in built.stdout.splitlines()]
    ran = sorted(f"{event['title']}: {event['kind']}" for event in events if event["event"] == "step-started")
    assert ran == sorted(expected["steps"])

    config = json.loads(subprocess.check_output(["skopeo", "inspect", "--config", image]))
    shown = {key: config["config"].get(key) for key in expected["config"]}
    assert shown == expected["config"]

    printed = _metalor("run", image, *expected["arguments"], cwd=folder, store=store)
    assert (printed.returncode, printed.stdout) == (0, expected["prints"]), printed.stderr

    again = _metalor("build", recipe, "--expect-cached", cwd=folder, store=store)
    assert again.returncode == 0, again.stdout + again.stderr


def test_all_examples_are_listed() -> None:
    readme = (ROOT / "examples" / "README.md").read_text()
    assert len(EXAMPLES) >= 5
    assert all(f"`{folder.name}`" in readme for folder in EXAMPLES)
