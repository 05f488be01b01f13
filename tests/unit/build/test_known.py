"""What `check` learns from bases that are on the machine already."""

import os
from pathlib import Path

import pytest

from metalor_lang.cli.main import main
from tests.support import images


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METALOR_STORE", str(tmp_path / "store"))
    config = {"Env": ["PATH=/bin", "LANG=C"], "Labels": {"a": "b"}}
    images.make_layout(tmp_path / "base", [{"etc/": "", "etc/a": "1\n"}], config, "v1")
    (tmp_path / "tree").mkdir()
    return tmp_path


def check(text: str, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    Path("r.metalor").write_text(text)
    status = main(["check", "r.metalor", *words])
    captured = capsys.readouterr()
    assert not Path("store").exists(), "check wrote a store"
    return status, captured.out + captured.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM oci:base:v2\n", "r.metalor:1:6: error[E0502]"),
        ("FROM --platform=linux/s390x oci:base:v1\n", "r.metalor:1:29: error[E0502]"),
        ("FROM oci:tree:v1\n", "r.metalor:1:6: error[E0501]"),
        ("FROM oci:base:v1\nENV A=${LONG}\n", "r.metalor:2:7: error[E0301]"),
        ("FROM oci:base:v1\nENV A=${LAN}\n", "did you mean ${LANG}?"),
        ("FROM oci:base:v1 AS a\nFROM a\nENV A=${NONE}\n", "r.metalor:3:7: error[E0301]"),
        ("FROM rootfs:tree\nENV A=${NONE}\n", "r.metalor:2:7: error[E0301]"),
        ("FROM oci:base:v1\nUNSET LABEL b\n", "r.metalor:2:13: error[E0362]"),
        ("FROM oci:base:v1\nWORKDIR ${LANG}\n", "r.metalor:2:9: error[E0340]: `C` is not an absolute path"),
    ],
)
def test_what_a_local_base_refutes(folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    status, shown = check(text, capsys)
    assert status == 1
    assert said in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM oci:base:v1\nENV A=${LANG}\nUNSET LABEL a\n", "r.metalor: right\n"),
        ("FROM oci:base:v1 AS a\nFROM a\nENV A=${LANG}\n", "r.metalor: right\n"),
        (
            "FROM debian:12\nENV A=${LANG}\n",
            "right; 1 name waits for the base's environment, which `metalor lock` looks up: LANG\n",
        ),
        ("ARG VERSION=1\nFROM debian:12\nENV A=${VERSON}\n", "VERSON (or did you mean VERSION?)\n"),
        # The first stage is not needed, so nobody looks its base up.
        (
            "FROM oci:base:v1\nENV A=${LANG}\nFROM scratch\n",
            "right; 1 name waits for the base's environment, which `metalor lock` looks up: LANG\n",
        ),
    ],
)
def test_what_it_settles_and_what_waits(folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    status, shown = check(text, capsys)
    assert status == 0, shown
    assert shown.endswith(said)


def test_contents_are_not_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("big").mkdir()
    Path("big/file").touch()
    os.truncate("big/file", 1 << 40)  # to hash it would take hours
    status, shown = check("FROM oci:base:v1\nCOPY big /big\nSH --bind=big:/mnt ls /mnt\n", capsys)
    assert (status, shown) == (0, "r.metalor: right\n")


def test_the_time_can_be_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "ARG A=${SOURCE_DATE_EPOCH}\nFROM scratch\nLABEL a=${A}\n"
    assert check(text, capsys)[0] == 1
    assert check(text, capsys, "--epoch", "5") == (0, "r.metalor: right\n")
