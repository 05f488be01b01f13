"""The history's file: whole entries, several lines each, from several sessions at once."""

import multiprocessing
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.history import FileHistory

from metalor_lang.repl.history import HistoryFile, default_path, parse


def test_entries_of_several_lines_come_back_whole(tmp_path):
    path = tmp_path / "deep" / "history"
    file = HistoryFile.open(path)
    file.append("FROM a:1")
    file.append("SH '''\n  a\n\n  b\n  '''")
    file.append("日本 \u00e9")
    file.close()
    assert HistoryFile.open(path).entries() == ["FROM a:1", "SH '''\n  a\n\n  b\n  '''", "日本 \u00e9"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)))
def test_what_is_written_is_read_by_prompt_toolkit_too(texts):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "history")
        file = HistoryFile.open(Path(path))
        kept = []
        for text in texts:
            file.append(text)
            if kept[-1:] != [text]:
                kept.append(text)
        assert file.entries() == kept
        assert list(FileHistory(path).load_history_strings()) == kept[::-1]
        file.close()


def test_the_same_twice_in_a_row_is_kept_once(tmp_path):
    file = HistoryFile.open(tmp_path / "history")
    for text in ("a", "a", "b", "a"):
        file.append(text)
    assert file.entries() == ["a", "b", "a"]


def test_a_session_sees_what_another_typed(tmp_path):
    one, other = (HistoryFile.open(tmp_path / "history") for _ in range(2))
    one.append("first")
    other.append("second")
    assert one.entries() == other.entries() == ["first", "second"]


def _type(path, name):
    file = HistoryFile.open(path)
    for number in range(200):
        file.append(f"{name} {number}\n" + "x" * 3000 + f"\nend of {name} {number}")
    file.close()


def test_sessions_that_type_at_once_lose_and_mix_nothing(tmp_path):
    path = tmp_path / "history"
    context = multiprocessing.get_context("spawn")
    typists = [context.Process(target=_type, args=(path, name)) for name in ("one", "two", "three")]
    for each in typists:
        each.start()
    for each in typists:
        each.join(60)
        assert each.exitcode == 0
    entries = list(parse(path.read_text()))
    assert len(entries) == 600
    for entry in entries:
        first, middle, last = entry.split("\n")
        assert middle == "x" * 3000 and last == f"end of {first}"


@pytest.mark.parametrize("make", ["folder", "link", "fifo", "under-a-file"])
def test_where_no_file_can_be_the_session_remembers(tmp_path, make):
    path = tmp_path / "history"
    if make == "folder":
        path.mkdir()
    elif make == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif make == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("")
        path = path / "history"
    file = HistoryFile.open(path)
    file.append("a")
    assert file.entries() == ["a"]
    assert not (tmp_path / "elsewhere").exists()


def test_the_place_is_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "metalor" / "history"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local" / "state" / "metalor" / "history"
