"""`metalor editors`: where files go, and that nothing of the user's is lost."""

from pathlib import Path

import pytest

from metalor_lang.cli.main import main
from metalor_lang.cli.table import BY_NAME as COMMANDS
from metalor_lang.editors.places import BY_NAME, EDITORS
from tests.support.documents import ROOT

SHIPPED = ROOT / "grammar" / "editors"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_command_line_offers_them_all() -> None:
    assert COMMANDS["editors"].operands[0].choices == tuple(BY_NAME)


def test_all_have_files() -> None:
    assert {editor.folder for editor in EDITORS} == {path.name for path in SHIPPED.iterdir()}


@pytest.mark.parametrize(
    ("editor", "place"),
    [
        ("vim", ".vim/pack/metalor/start/metalor"),
        ("neovim", ".local/share/nvim/site/pack/metalor/start/metalor"),
        ("emacs", ".emacs.d/metalor"),
    ],
)
def test_install(home: Path, capsys: pytest.CaptureFixture[str], editor: str, place: str) -> None:
    assert main(["editors", editor]) == 0
    shown = capsys.readouterr().out
    assert str(home / place) in shown and list(home.iterdir()) == []
    mine = home / place / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("kept")
    for _ in range(2):  # the second time over the first
        assert main(["editors", editor, "--install"]) == 0
    wanted = names(SHIPPED / BY_NAME[editor].folder)
    assert names(home / place) == sorted([*wanted, "mine.txt"]) and mine.read_text() == "kept"
    for name in wanted:
        assert (home / place / name).read_bytes() == (SHIPPED / BY_NAME[editor].folder / name).read_bytes()
    assert f" in {home / place}\n" in capsys.readouterr().out


def test_a_data_folder_of_ones_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    assert main(["editors", "neovim", "--install"]) == 0
    assert (home / "data/nvim/site/pack/metalor/start/metalor/syntax/metalor.vim").is_file()


def test_a_folder_of_ones_own(home: Path) -> None:
    assert main(["editors", "vscode", "--path", str(home / "x")]) == 0
    assert names(home / "x") == names(SHIPPED / "vscode")


def test_the_list(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["editors"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BY_NAME)
    assert lines[0] == f"vim      {home}/.vim/pack/metalor/start/metalor"


@pytest.mark.parametrize("words", [("--install",), ("vscode", "--install"), ("vscode",), ("ed",)])
def test_what_cannot_be(home: Path, words: tuple[str, ...]) -> None:
    assert main(["editors", *words]) == 2
    assert list(home.iterdir()) == []


def test_a_place_that_cannot_be_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".vim").write_text("a file")
    assert main(["editors", "vim", "--install"]) == 3
    assert "cannot write" in capsys.readouterr().err
