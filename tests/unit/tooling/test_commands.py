"""Completion of commands from a table."""

from dataclasses import dataclass

import pytest

from metalor_lang.tooling.commands import command_signature, complete_command, is_command
from metalor_lang.tooling.items import ItemKind
from metalor_lang.tooling.paths import Candidate


@dataclass(frozen=True)
class Row:
    name: str
    arguments: str
    help: str
    takes: str


TABLE = (
    Row(":undo", "[N]", "go back", "count"),
    Row(":cat", "PATH", "print a file", "path"),
    Row(":quit", "", "leave", "nothing"),
)
ANSWERS = {
    "path": lambda word: (
        Candidate(text=name, kind=ItemKind.FILE, cut=word.rfind("/") + 1) for name in ("passwd", "profile", "group")
    )
}


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        (":", [":undo ", ":cat ", ":quit"]),
        ("  :u", ["  :undo "]),
        (":x", []),
        (":cat ", [":cat passwd", ":cat profile", ":cat group"]),
        (":cat /etc/p", [":cat /etc/passwd", ":cat /etc/profile"]),
        (":undo ", []),
        (":nothing ", []),
    ],
)
def test_table(typed: str, lines: list[str]) -> None:
    items = complete_command(typed, len(typed), TABLE, ANSWERS)
    assert [typed[: item.span.start] + item.insert for item in items] == lines


def test_signature() -> None:
    found = command_signature(":cat /e", TABLE)
    assert found is not None
    assert (found.form, found.form[found.active.start : found.active.end], found.help) == (
        ":cat PATH", "PATH", "print a file",
    )  # fmt: skip
    assert command_signature(":ca", TABLE) is None


def test_what_is_a_command() -> None:
    assert is_command(" :undo") and not is_command("RUN :") and not is_command("")
