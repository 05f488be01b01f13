"""`metalor fmt --check --diff`: what a reviewer, a terminal and `patch` are shown."""

import subprocess
from pathlib import Path

import pytest

from metalor_lang.cli.main import main

LOOSE = 'FROM   scratch\nENV A = 1\nCMD [ "/a" ,"b" ]'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "a.metalor").write_text(LOOSE.replace(" = ", "="))
    (tmp_path / "b.metalor").write_text("FROM scratch\n")
    (tmp_path / "c.metalor").write_bytes(b"FROM scratch\r\nUSER  a\n# \xe2\x80\xa8\n")
    return tmp_path


def test_a_diff_of_several_files_is_what_patch_takes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["a.metalor", "b.metalor", "c.metalor"]
    before = {name: (folder / name).read_bytes() for name in names}
    assert main(["fmt", "--check", "--diff", *names]) == 1
    diff = capsys.readouterr().out
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert [line for line in diff.splitlines() if line.startswith("+++")] == ["+++ a.metalor", "+++ c.metalor"]
    assert diff.count("\\ No newline at end of file\n") == 1
    done = subprocess.run(["patch", "-p0", "--binary"], input=diff.encode(), cwd=folder, capture_output=True)
    assert done.returncode == 0, done
    patched = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).write_bytes(before[name])
    assert main(["fmt", *names]) == 0
    assert {name: (folder / name).read_bytes() for name in names} == patched
    assert main(["fmt", "--check", "--diff", *names]) == 0


def test_check_alone_names_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", "a.metalor", "b.metalor"]) == 1
    assert capsys.readouterr().out == "a.metalor would change\n"


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main(["fmt", "--diff", "a.metalor"])
    plain = capsys.readouterr().out
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert main(["fmt", "--diff", "a.metalor"]) == 1
    shown = capsys.readouterr().out
    assert "\x1b[31m-FROM   scratch\x1b[0m\n\x1b[32m" in shown and "\x1b[36m@@" in shown and "\x1b[32m+FROM" in shown
    for escape in ("0m", "1m", "31m", "32m", "36m"):
        shown = shown.replace(f"\x1b[{escape}", "")
    assert shown == plain


def test_a_mark_is_kept(folder: Path) -> None:
    (folder / "m.metalor").write_bytes(b"\xef\xbb\xbfFROM  scratch\n")
    assert main(["fmt", "m.metalor"]) == 0
    assert (folder / "m.metalor").read_bytes() == b"\xef\xbb\xbfFROM scratch\n"
