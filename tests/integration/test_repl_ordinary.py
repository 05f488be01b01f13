"""A session of an ordinary user: the same images, and files that are his."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.bases import reference
from tests.support.ordinary import run_as_user

pytestmark = pytest.mark.integration


def test_an_ordinary_user_talks_to_a_build(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    text = f"FROM {reference('busybox')}\nSH id -u > /who; touch /a\nUSER user\nSH id -un\n:shell id -u\n:undo\n"
    text += ":cat /who\n:save mine.metalor\n:export oci:out:1\n"
    (home / "typed").write_text(text)
    metalor = f"{sys.executable} -m metalor_lang"
    command = f"{metalor} repl < typed 2>&1 && {metalor} build mine.metalor --expect-cached -o oci:again:1 2>&1"
    done = run_as_user(["bash", "-c", command], home)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert lines[0] == "user" and "1000" in lines and "0" in lines
    assert [line for line in lines if line.startswith("sha256:")] == [lines[-1]] * 2
    owner = home.stat().st_uid
    for name in ("mine.metalor", "out/index.json"):
        assert (home / name).stat().st_uid == owner != os.geteuid()
