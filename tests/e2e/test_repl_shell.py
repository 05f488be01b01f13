"""`:shell` in a real terminal: typed commands become a step, or nothing does."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.screen import Screen

pytestmark = pytest.mark.integration


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    screen = Screen(tmp_path)
    try:
        screen.wait("host>")
        screen.type(f"clear; {sys.executable} -m tests.support.talker; echo status=$?", "Enter")
        screen.wait("talk>")
        yield screen
    finally:
        screen.close()


def say(screen: Screen, text: str, wait: str) -> str:
    screen.type(text, "Enter")
    return screen.wait(wait)


def test_what_was_typed_in_a_shell_becomes_a_step(screen: Screen) -> None:
    say(screen, f"FROM {bases.reference('debian')}", "done 1")
    say(screen, "WORKDIR /srv", "done 2")
    say(screen, ":shell", r"root@metalor:/srv#$")
    say(screen, "echo one > made; rm /etc/motd", r"#$")
    # The shell's own Ctrl-C ends its program and not the shell.
    screen.type("clear; sleep 1000", "Enter")
    time.sleep(0.5)
    screen.press("C-c")
    say(screen, "clear; echo two >> made", r"#$")
    shown = say(screen, "exit", "answer>")
    assert "/srv/made" in shown and "deleted" in shown and "/etc/motd" in shown and ".metalor-shell" not in shown
    shown = say(screen, "keep", "edited:")
    assert "SH '''" in shown and "    echo one > made; rm /etc/motd" in shown
    assert "exit" not in shown.partition("SH")[2]
    # What is kept is the step as it was edited, carried out from the state before the shell.
    say(screen, "SH echo edited > made", "done 3")
    assert "the shell changed this too, and the step does not: /etc/motd" in screen.wait("talk>")
    screen.type("clear", "Enter")
    screen.wait("error")
    say(screen, ":cat made", r"^edited$")
    say(screen, ":files /", "srv/")
    assert "metalor-shell" not in screen.show()
    say(screen, ":undo", "2: WORKDIR /srv")
    say(screen, ":shell", r"root@metalor:/srv#$")
    assert "No such file" in say(screen, "cat made; echo > lost; exit", "answer>")
    say(screen, "throw", "thrown away")
    say(screen, ":quit", "answer>")
    say(screen, "leave", "status=0")


def test_a_busybox_shell_and_the_failed_state(screen: Screen) -> None:
    say(screen, f"FROM {bases.reference('busybox')}", "done 1")
    say(screen, "SH echo half > /made; mkdir /not/there", "the whole output")
    say(screen, ":shell --failed", r"/ # $|/ #$")
    say(screen, "clear; cat /made; echo x > /y; exit", "thrown away")
    assert "half" in screen.show()
    say(screen, ":shell", r"/ # $|/ #$")
    say(screen, "clear; ls /made", "No such file")
    say(screen, "echo one > /made", "#")
    screen.type("exit", "Enter")
    screen.wait("answer>")
    assert "SH echo one > /made" in say(screen, "keep", "edited:") or "echo one > /made" in screen.show()
    say(screen, "SH echo one > /made", "done 2")
    say(screen, ":quit", "answer>")
    say(screen, "leave", "status=0")


def test_ctrl_c_ends_the_step_and_keeps_the_session(screen: Screen) -> None:
    say(screen, f"FROM {bases.reference('busybox')}", "done 1")
    screen.type('RUN ["sleep", "100"]', "Enter")
    time.sleep(1)
    screen.press("C-c")
    screen.wait("interrupted", 10)
    # One that does not listen is killed by the second.
    say(screen, "SH trap '' INT TERM; echo deaf; while true; do sleep 1; done", "^deaf")
    screen.press("C-c")
    time.sleep(0.3)
    before = time.monotonic()
    screen.press("C-c")
    screen.wait(r"interrupted[^\x00]*interrupted", 10)
    assert time.monotonic() - before < 4
    say(screen, "SH echo alive", "done 2")
    say(screen, ":quit", "answer>")
    say(screen, "leave", "status=0")
