"""`metalor doctor` is as wide as the terminal; a program that reads it gets one finding a line."""

import pytest

from metalor_lang.cli.commands.doctor import _folded

LINE = "ok        ids of steps: 0 to 2147483645 in a step are 2147483648 to 4294967293 on this machine"


def test_a_terminal_gets_lines_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    lines = _folded(LINE).splitlines()
    assert len(lines) == 2 and all(len(line) <= 60 for line in lines)
    assert lines[1].startswith(" " * 10)


def test_a_program_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    monkeypatch.setenv("COLUMNS", "60")
    assert _folded(LINE) == LINE
