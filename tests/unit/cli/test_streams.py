"""What the command writes is never the reason of a failure, in any locale and for any name of a file."""

import codecs
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.cli.commands.build import in_store
from metalor_lang.screen.streams import HANDLER, in_ascii

RECIPE = 'FROM scratch\nLABEL a="ü…"\n'


def metalor(folder: Path, *words: str, encoding: str = "ascii", **more: object) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "METALOR_STORE": str(folder / "store")}
    command = [sys.executable, "-m", "metalor_lang", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, **more)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("words", ["fmt -", "check --fix -", "highlight -"])
def test_a_recipe_stays_utf_8(words: str, encoding: str, tmp_path: Path) -> None:
    done = metalor(tmp_path, *words.split(), encoding=encoding, input=RECIPE.encode())
    assert (done.returncode, done.stdout.decode()) == (0, RECIPE), done.stderr


@pytest.mark.parametrize("words", ["--help", "build --help", "explain E0210", "plan app.metalor"])
def test_no_command_fails_for_a_sign(words: str, tmp_path: Path) -> None:
    (tmp_path / "app.metalor").write_text(RECIPE, encoding="utf-8")
    done = metalor(tmp_path, *words.split())
    assert done.returncode == 0, done.stderr
    done.stdout.decode("utf-8")


def test_a_terminal_gets_what_it_can_show(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "metalor_lang", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    assert done.returncode == 0
    assert b"[options] ..." in os.read(ours, 65536)
    os.close(ours)


def test_signs_in_ascii() -> None:
    codecs.register_error(HANDLER, in_ascii)
    assert "└─ a → b… ü \udcff".encode("ascii", HANDLER) == b"`- a -> b... \\xfc \\udcff"
    assert "└ ü".encode("latin-1", HANDLER) == b"` \xfc"


@pytest.mark.parametrize(
    ("name", "recipe", "run", "export"),
    [
        ("app", "app.metalor", "app.metalor", "app oci:app-image:latest"),
        ("my app", "my app.metalor", "'my app.metalor'", "'my app' 'oci:my app-image:latest'"),
        ("-x", "./-x.metalor", "./-x.metalor", "./-x.metalor oci:-x-image:latest"),
        ("stdin", "-", "stdin", "stdin oci:stdin-image:latest"),
    ],
)
def test_what_can_be_done_next_can_be_pasted(name: str, recipe: str, run: str, export: str) -> None:
    first, second = in_store(name, recipe).split("\n")
    assert first == f"{name} is in the store; run it: metalor run {run}"
    assert second == f"write it as an image: metalor export {export}"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_failure(closed: str, tmp_path: Path) -> None:
    (tmp_path / "app.metalor").write_text("FROM scratch\nRUN x\n")
    for words, status in (("--help", 0), ("check app.metalor", 1), ("fmt --check app.metalor", 1)):
        done = subprocess.run(
            ["bash", "-c", f'"$0" -m metalor_lang {words} {closed}', sys.executable],
            cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["app.metalor"]
        assert b"Traceback" not in done.stderr and b"bug" not in done.stderr
