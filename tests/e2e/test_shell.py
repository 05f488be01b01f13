"""`metalor shell` and a build in a real terminal: tmux types, and shows what a person sees."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.screen import Screen

pytestmark = pytest.mark.integration
METALOR = f"{sys.executable} -m metalor_lang"


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    screen = Screen(tmp_path)
    try:
        screen.wait("host>")
        yield screen
    finally:
        screen.close()


def test_a_shell_in_a_debian_image(screen: Screen) -> None:
    screen.type(f"clear; {METALOR} shell {bases.reference('debian')}; echo status=$?", "Enter")
    screen.wait(r"root@metalor:/#$")
    screen.type("stty size; echo $TERM; tty", "Enter")
    screen.wait(r"^24 80\n(screen|tmux).*\n/dev/pts/0$")
    screen.resize(100, 30)
    screen.type("clear; stty size", "Enter")
    screen.wait(r"^30 100$")
    # Line editing: a typed line is corrected in its middle, and the last one comes back.
    screen.type("echo onethree")
    screen.press(*["Left"] * 5)
    screen.type("-two-", "Enter")
    screen.wait(r"^one-two-three$")
    screen.press("Up")
    screen.wait(r"#.*echo one-two-three\Z")
    screen.press("C-u")
    # Job control: suspended, listed, in front again, interrupted; Ctrl-C ends the program and not the shell.
    screen.type("clear; sleep 1000", "Enter")
    time.sleep(0.5)
    screen.press("C-z")
    screen.wait(r"Stopped\s+sleep 1000")
    screen.type("bg; jobs", "Enter")
    screen.wait(r"Running\s+sleep 1000 &")
    screen.type("fg", "Enter")
    screen.wait(r"^sleep 1000$")
    screen.press("C-c")
    screen.type("clear; jobs; echo none-left; exit 7", "Enter")
    shown = screen.wait(r"^status=7$")
    assert "Running" not in shown and "none-left" in shown
    screen.type("clear; stty -a | grep -o ' -*icanon'; stty size", "Enter")
    screen.wait(r"icanon\n30 100$")
    assert "-icanon" not in screen.show()


def test_a_build_is_suspended_and_goes_on(screen: Screen, tmp_path: Path) -> None:
    text = f"FROM {bases.reference('busybox')}\nSH for i in 1 2 3 4 5 6; do echo tick $i; sleep 0.5; done\n"
    (tmp_path / "slow.metalor").write_text(text)
    screen.type(f"clear; {METALOR} build slow.metalor --progress plain", "Enter")
    screen.wait("tick 2")
    screen.press("C-z")
    screen.wait(r"Stopped\s+")
    ticked = screen.show().count("tick")
    time.sleep(2)
    assert screen.show().count("tick") == ticked
    screen.type("fg; echo status=$?", "Enter")
    screen.wait(r"^status=0$")
    assert all(f"tick {number}" in screen.show() for number in (3, 4, 5, 6))


def test_ctrl_c_ends_a_build_and_gives_the_prompt_back(screen: Screen, tmp_path: Path) -> None:
    (tmp_path / "slow.metalor").write_text(f"FROM {bases.reference('busybox')}\nSH echo started; sleep 1000\n")
    screen.type(f"clear; {METALOR} build slow.metalor; echo status=$?", "Enter")
    screen.wait("started")
    screen.press("C-c")
    screen.wait(r"^status=130$", 10)
    screen.type("echo typed", "Enter")
    screen.wait(r"^typed$")
