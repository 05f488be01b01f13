"""`metalor convert`: what it prints, writes and returns."""

import json
from pathlib import Path

import pytest

from metalor_lang.cli.main import main

DOCKERFILE = "# a server\nFROM scratch\nCOPY src /srv/\nMAINTAINER me\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "src").mkdir(mode=0o755)
    (tmp_path / "src/page").write_text("hello\n")
    (tmp_path / "src/page").chmod(0o644)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METALOR_STORE", str(tmp_path / "none"))
    return tmp_path


def test_the_recipe_and_the_report_go_separate_ways(folder, capsys):
    assert main(["convert", "Dockerfile"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("# a server\nFROM scratch\n") and "COPY src/ /srv/\n" in shown.out
    assert "Dockerfile:4: MAINTAINER: note: " in shown.err
    assert shown.err.endswith("Dockerfile: 3 instructions: 1 exact, 2 with a note, 0 refused\n")
    assert not (folder / "none").exists()


def test_what_is_written_is_a_right_recipe(folder, capsys):
    (folder / ".dockerignore").write_text("*\n!src\n")
    assert main(["convert", "Dockerfile", "-o", "app.metalor"]) == 0
    assert capsys.readouterr().out == ""
    assert (folder / ".metalorignore").read_text() == "# from .dockerignore, in the rules of gitignore\n/*\n!/src\n"
    assert main(["check", "app.metalor"]) == 0


def test_nothing_is_replaced_without_a_word(folder, capsys):
    (folder / "app.metalor").write_text("FROM scratch\n")
    (folder / ".dockerignore").write_text("x\n")
    assert main(["convert", "Dockerfile", "-o", "app.metalor"]) == 2
    assert "app.metalor is there already" in capsys.readouterr().err
    assert (folder / "app.metalor").read_text() == "FROM scratch\n"
    assert not (folder / ".metalorignore").exists()
    assert main(["convert", "Dockerfile", "-o", "app.metalor", "--force"]) == 0
    assert main(["convert", "Dockerfile", "-o", "app.metalor"]) == 0  # it would be the same
    assert "COPY src/ /srv/" in (folder / "app.metalor").read_text()


def test_a_refusal_is_status_1_and_a_comment(folder, capsys):
    (folder / "Dockerfile").write_text("FROM scratch\nHEALTHCHECK NONE\nLABEL a=1\n")
    assert main(["convert", "Dockerfile", "--report", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False and [line["verdict"] for line in found["lines"]] == ["note", "refused", "exact"]
    first, last = found["lines"][1]["recipe"]
    assert found["recipe"].split("\n")[first - 1].startswith("# REFUSED, line 2 of the Dockerfile: ")
    assert found["recipe"].split("\n")[last - 1] == "#   HEALTHCHECK NONE"


def test_another_folder_and_a_recipe_elsewhere(folder, capsys):
    (folder / "docker").mkdir()
    (folder / "Dockerfile").rename(folder / "docker/Dockerfile")
    (folder / "docker/Dockerfile.dockerignore").write_text("src/page\n")
    assert main(["convert", "docker/Dockerfile", "--context", ".", "-o", "docker/app.metalor"]) == 0
    assert "metalor build docker/app.metalor --context .\n" in capsys.readouterr().err
    assert (folder / ".metalorignore").read_text().endswith("/src/page\n")
    assert "COPY src/ /srv/\n" in (folder / "docker/app.metalor").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "cannot read nowhere: No such file or directory"),
        (["Dockerfile", "--context", "nowhere"], "nowhere is no directory"),
        (["Dockerfile", "--platform", "windows/amd64"], "only images of linux"),
        (["Dockerfile", "--arg", "1=2"], "is no name"),
        (["bytes"], "bytes:2: this is no UTF-8"),
        (["Dockerfile", "--report", "xml"], "xml"),
    ],
)
def test_wrong_words(folder, capsys, words, said):
    (folder / "bytes").write_bytes(b"FROM scratch\nLABEL a=\xff\n")
    assert main(["convert", *words]) == 2
    assert said in capsys.readouterr().err


def test_values_for_what_must_be_worked_out(folder, capsys):
    (folder / "Dockerfile").write_text("FROM scratch\nARG V=v1\nLABEL v=${V#v}\n")
    assert main(["convert", "Dockerfile"]) == 1
    capsys.readouterr()
    assert main(["convert", "Dockerfile", "--arg", "V=v2.1"]) == 0
    shown = capsys.readouterr()
    assert "LABEL v=2.1\n" in shown.out and "worked out for V=v2.1" in shown.err


def test_shells_and_arguments_as_one_likes(folder, capsys):
    (folder / "Dockerfile").write_text("FROM scratch\nARG V=1\nRUN make\nRUN make $V\n")
    assert main(["convert", "Dockerfile", "--strict-shell", "--every-arg"]) == 0
    shown = capsys.readouterr()
    assert "SHELL" not in shown.out and "SH --arg=V make\nSH make $V\n" in shown.out


def test_a_recipe_is_no_dockerfile(folder, capsys):
    assert main(["convert", "app.metalor"]) == 2
    said = capsys.readouterr().err
    assert "is a recipe already" in said
    assert "metalor export --dockerfile app.metalor -o Dockerfile" in said
