"""What the library's documents and its example say is what happens."""

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.documents import ROOT, fences
from tests.support.walkthrough import walk

pytestmark = pytest.mark.integration
EXAMPLE = ROOT / "examples" / "line-builder"


def test_every_block_of_the_reference_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "reference" / "python-api.md"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASES", str(bases.base("busybox").parent))
    names: dict[str, object] = {}
    examples = 0
    for fence in fences(page):
        assert fence.language == "pycon", f"{fence}: nobody runs a block of {fence.language!r}"
        test = doctest.DocTestParser().get_doctest(fence.body, names, str(fence), str(page), fence.line)
        said: list[str] = []
        failed, tried = doctest.DocTestRunner(verbose=False).run(test, out=said.append, clear_globs=False)
        assert failed == 0, "".join(said)
        names = test.globs
        examples += tried
    assert examples >= 30


def test_the_how_to_is_run_from_top_to_bottom(tmp_path: Path) -> None:
    bases.base("busybox")
    assert walk(ROOT / "docs" / "how-to" / "private-subcommand.md", tmp_path) >= 8


def _builder(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, EXAMPLE / "line_builder.py", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )


def test_the_example_build_tool_builds(tmp_path: Path) -> None:
    image = f"IMAGE={bases.reference('busybox')}"
    recipe = str(EXAMPLE / "greeting.lines")
    done = _builder(tmp_path, recipe, "roots", image, "WHO=wörld")
    assert (done.returncode, done.stderr) == (0, "")
    root = tmp_path / "roots" / "greeting" / "oci" / "bundle" / "rootfs"
    assert done.stdout.splitlines() == ["grüß Gott, wörld", str(root)]
    assert (root / "greeting").read_text(encoding="utf-8") == "grüß Gott, wörld\n"
    assert not (root / "words").exists()
    again = _builder(tmp_path, recipe, "roots", image)
    assert again.stdout.splitlines()[0] == "grüß Gott, world"


def test_the_example_build_tool_says_what_is_wrong(tmp_path: Path) -> None:
    image = bases.reference("busybox")
    cases = {
        'RUN ["true"]': "1: RUN is unknown, or stands before FROM",
        "FROM ${X}": "1: undefined variable X",
        "# c\n\nSET 1=2": "3: '1' is no name",
        f"FROM {image}\nRUN true": "2: exec-form arrays must use JSON array syntax",
        f"FROM {image}\nMOUNT absent/../.. /x\nRUN [\"true\"]": "3: bind mount source must not contain '..'",
    }  # fmt: skip
    for text, message in cases.items():
        (tmp_path / "wrong.lines").write_text(text + "\n")
        done = _builder(tmp_path, "wrong.lines", "roots")
        assert done.returncode == 1
        assert done.stderr.startswith(f"wrong.lines:{message}"), done.stderr
    (tmp_path / "wrong.lines").write_text(f'FROM {image}\nRUN ["sh", "-c", "exit 3"]\n')
    assert _builder(tmp_path, "wrong.lines", "roots").stderr.startswith("the command ended with status 3")


def test_the_example_is_as_short_as_it_says() -> None:
    assert len((EXAMPLE / "line_builder.py").read_text().splitlines()) <= 66
    assert "`line-builder`" in (ROOT / "examples" / "README.md").read_text()
