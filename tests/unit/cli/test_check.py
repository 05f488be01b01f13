"""`metalor check`: formats, several files, standard input, safe edits."""

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.cli.main import main

RIGHT = "FROM scratch\nENV A=1\n"
SLIPS = 'from scratch\narg A=1\nCMD ["/a",]\n'
FIXED = 'FROM scratch\nARG A=1\nCMD ["/a"]\n'
DIFF = """\
--- slips.metalor
+++ slips.metalor
@@ -1,3 +1,3 @@
-from scratch
-arg A=1
-CMD ["/a",]
+FROM scratch
+ARG A=1
+CMD ["/a"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METALOR_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "right.metalor").write_text(RIGHT)
    (tmp_path / "slips.metalor").write_text(SLIPS)
    (tmp_path / "wrong.metalor").write_text("FROM scratch\nuser x\nENV A b\n")
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8"))


def test_one_document_for_all_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--format", "json", "right.metalor", "wrong.metalor"]) == 1
    shown = capsys.readouterr()
    assert shown.err == ""
    files = json.loads(shown.out)["files"]
    assert [(file["path"], [each["code"] for each in file["diagnostics"]]) for file in files] == [
        ("right.metalor", []),
        ("wrong.metalor", ["E0202", "E0233"]),
    ]


def test_people_are_told_of_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "wrong.metalor", "right.metalor"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "right.metalor: right\n"
    assert "2 errors; `metalor explain E0202` says more\n" in shown.err


def test_names_that_wait_are_in_the_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "waits.metalor").write_text("FROM debian:12\nENV A=${LANG}\n")
    assert main(["check", "--format", "json", "waits.metalor"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["waiting"] == ["LANG"]


@pytest.mark.parametrize("words", [("check",), ("fmt", "--check", "--diff")])
def test_a_buffer_has_the_name_and_the_folder_of_its_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "there").touch()
    typed(monkeypatch, "FROM scratch\nCOPY there /there\nCOPY absent /absent\nENV  A b\n")
    more = ["--format", "short"] if words == ("check",) else []
    assert main([*words, *more, "--stdin-filename", "sub/new.metalor", "-"]) == 1
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert "sub/new.metalor:4:7: error[E0233]" in text
    if more:
        assert "sub/new.metalor:3:6: error" in text and "sub/new.metalor:2" not in text


def test_fix_writes_what_it_can_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = folder / "slips.metalor"
    recipe.chmod(0o640)
    os.symlink("slips.metalor", "link.metalor")
    assert main(["check", "--fix", "link.metalor", "wrong.metalor"]) == 1
    assert recipe.read_text() == FIXED
    assert stat.S_IMODE(recipe.stat().st_mode) == 0o640 and Path("link.metalor").is_symlink()
    assert (folder / "wrong.metalor").read_text() == "FROM scratch\nUSER x\nENV A b\n"
    shown = capsys.readouterr()
    assert shown.err.splitlines()[:2] == [
        "link.metalor:1:1: fixed[E0202]: statement words are upper case: FROM (write FROM)",
        "link.metalor:2:1: fixed[E0202]: statement words are upper case: ARG (write ARG)",
    ]
    assert shown.out == "link.metalor: right\n" and "error[E0233]" in shown.err and "error[E0202]" not in shown.err
    assert sorted(path.name for path in folder.iterdir()) == [
        "link.metalor", "right.metalor", "slips.metalor", "wrong.metalor",
    ]  # fmt: skip


def test_fix_makes_edits_of_names_too(folder: Path) -> None:
    recipe = folder / "ports.metalor"
    recipe.write_text("from scratch\nARG TARGETARCH\nARG TARGETOS\nENV A=${TARGETARCH}\n")
    assert main(["check", "--fix", "ports.metalor"]) == 0
    assert recipe.read_text() == "FROM scratch\nENV A=${TARGETARCH}\n"
    recipe.write_text("FROM scratch\nARG TARGETARCH # a word of the user's\n")
    assert main(["check", "--fix", "ports.metalor"]) == 1
    assert recipe.read_text() == "FROM scratch\nARG TARGETARCH # a word of the user's\n"


def test_fix_leaves_a_right_file_alone(folder: Path) -> None:
    before = (folder / "right.metalor").stat()
    assert main(["check", "--fix", "right.metalor"]) == 0
    assert (folder / "right.metalor").stat() == before


def test_fix_keeps_line_ends_and_the_mark(folder: Path) -> None:
    recipe = folder / "dos.metalor"
    recipe.write_bytes(b"\xef\xbb\xbffrom scratch\r\nARG A=1\r\n")
    assert main(["check", "--fix", "dos.metalor"]) == 0
    assert recipe.read_bytes() == b"\xef\xbb\xbfFROM scratch\r\nARG A=1\r\n"


def test_fix_does_not_write_what_is_no_text(folder: Path) -> None:
    recipe = folder / "bytes.metalor"
    recipe.write_bytes(b"from scratch\nARG A=\xff\n")
    assert main(["check", "--fix", "bytes.metalor"]) == 1
    assert recipe.read_bytes() == b"from scratch\nARG A=\xff\n"


@pytest.mark.parametrize("form", ["human", "json", "short"])
def test_fix_shows_only(folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert main(["check", "--fix", "--diff", "--format", form, "slips.metalor", "right.metalor"]) == 1
    shown = capsys.readouterr()
    assert shown.out == DIFF
    assert (folder / "slips.metalor").read_text() == SLIPS
    assert "error" not in shown.err
    assert main(["check", "--fix", "--diff", "right.metalor"]) == 0
    patched = subprocess.run(["patch", "-p0"], input=DIFF, text=True, cwd=folder, capture_output=True)
    assert patched.returncode == 0, patched
    assert (folder / "slips.metalor").read_text() == FIXED


def test_fix_of_a_buffer_prints_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed(monkeypatch, f"{SLIPS}ENV A b\n")
    assert main(["check", "--fix", "--format", "short", "-"]) == 1
    shown = capsys.readouterr()
    assert shown.out == f"{FIXED}ENV A b\n"
    assert shown.err.splitlines()[-1].startswith("<stdin>:4:6: error[E0233]")


def test_fix_of_a_folder_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert main(["check", "--fix", "slips.metalor"]) == 3
    assert (folder / "slips.metalor").read_text() == SLIPS
    assert len(list(folder.iterdir())) == 3
    assert "cannot write slips.metalor: No space left on device" in capsys.readouterr().err


def test_a_diff_without_fix_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--diff", "right.metalor"]) == 2
    assert "write --fix --diff" in capsys.readouterr().err


def test_a_name_for_no_standard_input_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--stdin-filename", "a.metalor", "right.metalor"]) == 2
    assert "add `-`" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["check"], ["fmt", "--diff"]])
def test_output_and_errors_in_one_file_stand_in_order(tmp_path: Path, words: list[str]) -> None:
    """As in the log of a CI server: what is said of a file stands before what is said of the next."""
    (tmp_path / "a.metalor").write_text("FROM   scratch\n")
    (tmp_path / "b.metalor").write_text("COPPY a b\n")
    done = subprocess.run(
        [sys.executable, "-m", "metalor_lang", *words, "a.metalor", "b.metalor"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 0 <= done.stdout.index("a.metalor") < done.stdout.index("b.metalor")


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("RECIPE 1\nIMPORT x.metalor AS x\nDEFINE a PORT\n    EXPOSE ${PORT}\nEND\n", 0, "right"),
        ("DEFINE a PORT\n    EXPOSE many\nEND\n", 1, "E0352"),
        ("ARG A=1\nDEFINE a\nEND\n", 1, "E0313"),
        ("RECIPE 1\n", 1, "E0313"),
    ],
)
def test_a_file_of_groups_needs_no_stage(tmp_path, capsys, text, status, said):
    (tmp_path / "x.metalor").write_text("DEFINE b\nEND\n")
    (tmp_path / "lib.metalor").write_text(text)
    assert main(["check", str(tmp_path / "lib.metalor")]) == status
    shown = capsys.readouterr()
    assert said in shown.out + shown.err
