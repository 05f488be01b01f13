"""The prompt as a person sees it: real terminals of 80 and of 40 columns."""

import os
import re
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from tests.support import bases, ordinary
from tests.support.documents import ROOT
from tests.support.screens import Screen

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all: each test's statements differ, and the bases are unpacked once."""
    return tmp_path_factory.mktemp("store") / "store"


class Desk:
    """A folder to work in, with terminals in which sessions run."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder = folder
        self.screens: list[Screen] = []
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm-256color", "LANG": "C.UTF-8",
            "METALOR_STORE": str(store), "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        }  # fmt: skip

    def open(self, *words: str, columns: int = 80, rows: int = 24, **env: str) -> Screen:
        argv = [sys.executable, "-m", "metalor_lang", "repl", *words]
        screen = Screen(argv, folder=self.folder, env={**self.env, **env}, columns=columns, rows=rows)
        self.screens.append(screen)
        return screen

    def started(self, *words: str, base: str = "busybox", columns: int = 80, rows: int = 24, **env: str) -> Screen:
        """A session with a stage on a base."""
        screen = self.open(*words, columns=columns, rows=rows, **env)
        screen.wait(r"^metalor 1> *$")
        enter(screen, f"FROM {bases.reference(base)} AS build")
        screen.wait(r"^build 2> *$")
        screen.settle()
        return screen


@pytest.fixture
def desk(tmp_path, store):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.c").write_text("int main;\n")
    (tmp_path / "my notes.txt").write_text("x\n")
    made = Desk(tmp_path, store)
    try:
        yield made
    finally:
        for screen in made.screens:
            screen.close()


def enter(screen: Screen, text: str) -> None:
    screen.type(text)
    screen.settle()
    screen.press("enter")


def below(screen: Screen) -> tuple[str, str]:
    """The two lines below the prompt."""
    lines = screen.text.split("\n")
    return lines[-2], lines[-1]


widths = pytest.mark.parametrize("columns", [80, 40])


# ---- what is shown while typing ----------------------------------------------------------------------------------


@widths
def test_colours_are_the_parsers(desk, columns):
    screen = desk.open(columns=columns)
    screen.wait(r"^metalor 1> *$")
    screen.type("ARG A='x' # c")
    screen.wait("ARG A='x' # c")
    screen.settle()
    assert {"blue", "bold"} <= screen.style("ARG")
    assert screen.style("'x'") == {"green"}
    assert screen.style("# c") == {"brightblack"}
    assert screen.style("A=") == {"brown", "default"}


@widths
def test_menus_hold_words_with_a_line_of_help(desk, columns):
    screen = desk.started(columns=columns)
    screen.type("WO")
    shown = screen.wait(r"^ +WORKDIR *( Creates a folder.*)?$")
    assert columns == 40 or "Creates a folder" in shown
    screen.press("tab")
    screen.wait(r"^build 2> WORKDIR $|^build 2> WORKDIR$")


@widths
def test_paths_of_the_image_and_of_the_context(desk, columns):
    screen = desk.started(columns=columns)
    screen.type("COPY sr")
    screen.wait(r"^ +src/ *$")
    screen.press("tab")
    screen.type("ma")
    screen.wait(r"^ +main\.c *$")
    screen.press("tab")
    screen.type(" /etc/pas")
    screen.wait(r"^ +passwd *$")
    screen.press("tab")
    screen.wait(r"COPY src/main\.c /etc/passwd$")
    screen.press("c-c")
    screen.type("COPY my")
    screen.settle()
    screen.press("tab")
    screen.wait('COPY "my notes.txt"')


def test_stages_names_images_and_commands(desk):
    screen = desk.started()
    enter(screen, "ARG VERSION=1.4")
    screen.wait(r"^build 3> *$")
    enter(screen, f"FROM {bases.reference('busybox')} AS web")
    screen.wait(r"^web 4> *$")
    screen.type("COPY --from=b")
    screen.wait(r"^ +build +an earlier stage *$")
    screen.press("c-c")
    screen.type("ENV X=${VER")
    screen.wait(r"^ +VERSION +1\.4 *$")
    screen.press("c-c")
    screen.type(":und")
    screen.wait(r"^ +:undo +take back")
    screen.press("c-c")
    screen.type("FROM bui")
    screen.wait(r"^ +build +an earlier stage *$")


@widths
def test_a_suggestion_from_history_is_taken_with_the_right_arrow(desk, columns):
    screen = desk.started(columns=columns)
    enter(screen, "LABEL greeting=hello")
    screen.wait(r"^build 3> *$")
    screen.type("LABEL g")
    screen.wait("^build 3> LABEL greeting=hello")
    assert screen.style("reeting=hello", last=True) == {"brightblack"}
    screen.press("right")
    screen.settle()
    assert "brightblack" not in screen.style("reeting=hello", last=True)
    screen.press("enter")
    screen.wait(r"^build 4> *$")


@widths
def test_the_hint_says_how_the_statement_is_written(desk, columns):
    screen = desk.started(columns=columns)
    screen.type("COPY src ")
    screen.wait(r"^COPY \[flags\] source… destination")
    assert "underscore" in screen.style("destination")
    assert "underscore" not in screen.style("[flags] source")


@widths
def test_errors_are_underlined_and_explained_while_typing_and_nothing_runs(desk, columns):
    screen = desk.started(columns=columns)
    screen.type("COPY nothing /srv")
    screen.wait(r"^E0401 `nothing` cannot be copied")
    assert {"red", "underscore"} <= screen.style("nothing /s"[:7])
    screen.press("enter")
    screen.settle()
    assert screen.text.count("build 2>") == 1, "a text that is known to be wrong is not sent"
    # Who insists gets the whole story.
    screen.press("enter")
    shown = screen.wait(r"^build 2> *$")
    assert "error[E0401]" in shown and "help" in shown


@widths
def test_a_word_that_is_not_over_is_not_called_wrong(desk, columns):
    screen = desk.started(columns=columns)
    for char in "WORKDIR":
        screen.type(char)
        screen.settle(0.05)
        assert not re.search(r"^E0\d\d\d", screen.text, re.M)
    screen.type("X /a")
    screen.wait(r"^E0201")


def test_the_status_line(desk):
    screen = desk.started(columns=120)
    for text in ("WORKDIR /srv/www", "USER user", "SH --network=none --user=root sleep 0.3"):
        enter(screen, text)
        screen.settle(0.6)
    status = below(screen)[1]
    assert re.fullmatch(
        r" build · .*busybox:\S+ · linux/\w+ · user · /srv/www · \d\.\d MB · 0\.[3-9]s · net none", status
    ), status


def test_the_status_line_of_forty_columns(desk):
    screen = desk.started(columns=40)
    assert re.match(r" build · busybox:\S+ · root · / · \d\.\d MB$", below(screen)[1])
    assert all(len(line) <= 40 for line in screen.lines)


def test_without_colours(desk):
    screen = desk.started(NO_COLOR="1")
    screen.type("COPY nothing /srv")
    screen.wait(r"^E0401")
    found = {char.fg for row in screen.screen.buffer.values() for char in row.values()}
    found |= {char.bg for row in screen.screen.buffer.values() for char in row.values()}
    assert found == {"default"}
    assert "underscore" in screen.style("nothing"), "what is wrong stands out without colours too"


# ---- several lines -----------------------------------------------------------------------------------------------


@widths
def test_a_statement_goes_on_while_more_is_needed(desk, columns):
    screen = desk.started(columns=columns)
    enter(screen, "SH '''")
    enter(screen, "echo one")
    enter(screen, "echo two")
    screen.wait(r"^ +… echo two\n +… *$")
    enter(screen, "'''")
    screen.wait(r"^one\ntwo\n")
    screen.wait(r"^build 3> *$")  # a key that comes before the prompt is the terminal's, not ours
    screen.press("up")
    screen.wait(r"^build 3> SH '''\n +… echo one\n +… echo two\n +… '''$")


def test_a_paste_of_several_statements_runs_in_order(desk):
    screen = desk.started()
    screen.paste('ENV A=1\nSH echo "first $A"\n\nRUN [\n    "echo",\n    "second"\n]')
    screen.settle()
    assert "first 1" not in screen.text, "a paste waits for Enter"
    screen.press("enter")
    screen.wait(r"^build 5> *$")
    assert re.search(r"^first 1\n(.*\n)*second$", screen.text, re.M)


def test_a_paste_stops_at_the_first_failure_and_the_rest_is_offered(desk):
    screen = desk.started()
    screen.paste("SH echo good\nSH exit 3\nSH echo never")
    screen.settle()
    screen.press("enter")
    shown = screen.wait(r"^build 3> SH echo never")
    assert re.search(r"^good$", shown, re.M) and "E0601" in shown and not re.search(r"^never$", shown, re.M)


# ---- history -----------------------------------------------------------------------------------------------------


def test_two_sessions_share_a_history(desk):
    one, other = desk.started(), desk.started()
    enter(one, "LABEL from=one")
    one.wait(r"^build 3> *$")
    enter(other, "SH '''\necho several\n'''")
    other.wait(r"^build 3> *$")
    one.press("enter")  # a new prompt
    one.settle()
    one.press("up")
    one.wait(r"^build 3> SH '''\n +… echo several\n +… '''$")
    one.press("c-c")
    other.press("enter")
    other.settle()
    other.press("up", "up", "up", "up")
    other.wait(r"^build 3> LABEL from=one$")
    file = desk.folder / "state" / "metalor" / "history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


# ---- Ctrl-C, Ctrl-D ----------------------------------------------------------------------------------------------


@widths
def test_ctrl_c_at_the_prompt_clears_the_line(desk, columns):
    screen = desk.started(columns=columns)
    screen.type("COPY abc")
    screen.wait("COPY abc")
    screen.press("c-c")
    screen.wait(r"^build 2> *$")
    assert "COPY abc" not in screen.text
    screen.type("COPY def")
    screen.wait("COPY def")
    screen.kill(signal.SIGINT)  # from another terminal
    screen.wait(r"^build 2> *$")


@widths
def test_ctrl_c_stops_the_step_and_keeps_the_prompt(desk, columns):
    screen = desk.started(columns=columns)
    enter(screen, "SH echo begun; sleep 100")
    screen.wait(r"^begun$")
    screen.press("c-c")
    screen.wait(r"^interrupted", 10)
    screen.wait(r"^build 2> *$")
    enter(screen, "SH echo alive")
    screen.wait(r"^alive$")
    screen.wait(r"^build 3> *$")


def test_a_second_ctrl_c_kills(desk):
    screen = desk.started()
    enter(screen, "SH trap '' INT TERM; echo deaf; while :; do sleep 1; done")
    screen.wait(r"^deaf$")
    screen.press("c-c")
    began = time.monotonic()
    screen.wait_for(lambda: time.monotonic() > began + 0.6, "some time")
    assert not re.search(r"^build 2> *$", screen.text, re.M), "once asked, it has a time to end"
    screen.press("c-c")
    screen.wait(r"^build 2> *$", 5)
    assert time.monotonic() - began < 3
    assert "interrupted" in screen.text


def test_what_is_typed_while_a_step_runs_waits_for_the_prompt(desk):
    screen = desk.started()
    enter(screen, "SH echo begun; sleep 1; echo over")
    screen.wait(r"^begun$")
    screen.type("LABEL typed=ahead")
    screen.wait(r"^build 3> LABEL typed=ahead$")
    assert screen.text.count("LABEL typed") == 1, "it is not echoed into the output"


def test_ctrl_d_leaves_and_asks_when_something_would_be_lost(desk):
    screen = desk.open()
    screen.wait(r"^metalor 1> *$")
    screen.press("c-d")
    assert screen.ended() == 0
    screen = desk.started()
    enter(screen, "LABEL a=b")
    screen.wait(r"^build 3> *$")
    screen.press("c-d")
    screen.wait(r"^2 statements are not saved\. Leave\?\n(.*\n)*LEAVE/save/stay> *$")
    screen.type("stay\r")
    screen.wait(r"^build 3> *$")
    screen.press("c-d")
    screen.wait(r"LEAVE/save/stay> *$")
    screen.press("enter")
    assert screen.ended() == 0


def test_what_a_step_wrote_is_shown_again_when_its_result_was_there(desk):
    screen = desk.started()
    enter(screen, f"SH echo said in {desk.folder.name}")
    screen.wait(rf"^said in {desk.folder.name}\n✓ 2 ")
    enter(screen, ":undo")
    screen.wait(r"^build 2> *$")
    enter(screen, f"SH echo said in {desk.folder.name}")
    screen.wait(rf"^said in {desk.folder.name}\n= 2  cached")


def test_the_terminal_is_left_as_it_was_found(desk):
    argv = ["bash", "--norc", "--noprofile", "-c",
            f"stty -g; {sys.executable} -m metalor_lang repl; echo status=$?; stty -g"]  # fmt: skip
    screen = Screen(argv, folder=desk.folder, env=desk.env)
    desk.screens.append(screen)
    screen.wait(r"^metalor 1> *$")
    enter(screen, f"FROM {bases.reference('busybox')}")
    screen.wait(r"^stage-1 2> *$")
    enter(screen, "SH echo begun; sleep 100")
    screen.wait(r"^begun$")
    screen.press("c-c")
    screen.wait(r"^stage-1 2> *$")
    enter(screen, ":quit")
    screen.settle(0.5)
    enter(screen, "leave")
    screen.wait(r"^status=0$")
    screen.settle()
    settings = re.findall(r"^[0-9a-f]+(?::[0-9a-f]+){10,}(?:\n[0-9a-f:]+)*$", screen.whole, re.M)
    assert len(settings) == 2 and settings[0] == settings[1]


# ---- who else has the terminal -----------------------------------------------------------------------------------


@widths
def test_a_shell_has_the_terminal_for_a_while(desk, columns):
    screen = desk.started(base="debian", columns=columns)
    enter(screen, ":shell")
    screen.wait(r"^root@metalor:/# *$")
    screen.type("stty size; tty\r")
    screen.wait(rf"^24 {columns}\n/dev/pts/\d+$")
    screen.resize(100, 30)
    screen.type("clear; stty size\r")
    screen.wait(r"^30 100$")
    screen.type("clear\r")
    screen.type("sleep 100\r")
    screen.settle()
    screen.press("c-c")
    screen.type("echo status=$?\r")
    screen.wait(r"^status=130$")
    screen.type("sleep 200\r")
    screen.settle()
    screen.press("c-z")
    screen.wait(r"^\[1\]\+ +Stopped +sleep 200$")
    screen.type("clear; fg\r")
    screen.wait(r"^sleep 200$")
    screen.settle()
    screen.press("c-c")
    screen.type("clear; echo done > /srv/made; jobs\r")
    screen.type("exit\r")
    screen.wait(r"/srv/made\n(.*\n)*THROW/keep> *$")
    screen.type("throw\r")
    screen.wait(r"^build 2> *$")
    # The line editor is whole again, at the new width.
    screen.type("LABEL onethree=1")
    screen.press(*["left"] * 7)
    screen.type("two")
    screen.wait(r"^build 2> LABEL onetwothree=1$")
    assert len(screen.screen.display[0]) == 100


def test_shell_work_is_kept_as_a_step_that_ran(desk):
    editor = desk.folder / "editor"
    editor.write_text("#!/bin/sh\n[ -t 0 ] && [ -t 1 ] || exit 9\ncat \"$1\" >seen\n"
                      "printf \"SH printf kept > /srv/kept\\n\" >\"$1\"\n")  # fmt: skip
    editor.chmod(0o755)
    screen = desk.started(base="debian", EDITOR=str(editor))
    enter(screen, ":shell")
    screen.wait(r"^root@metalor:/# *$")
    screen.type("printf kept > /srv/kept\r")
    screen.type("exit\r")
    screen.wait(r"/srv/kept\n(.*\n)*THROW/keep> *$")
    screen.type("keep\r")
    screen.wait(r"^build 3> *$")
    assert "/srv/kept" in (desk.folder / "seen").read_text()
    enter(screen, ":cat /srv/kept")
    screen.wait(r"^kept")


def test_an_editor_changes_a_statement(desk):
    editor = desk.folder / "my editor"
    editor.write_text('#!/bin/sh\nsed -i s/one/two/ "$1"\n')
    editor.chmod(0o755)
    screen = desk.started(EDITOR=f"'{editor}'")
    enter(screen, "SH echo says one > /said")
    screen.wait(r"^build 3> *$")
    enter(screen, ":edit 2")
    screen.wait(r"^build 3> *$")
    screen.settle(0.5)
    enter(screen, ":cat /said")
    screen.wait(r"^says two$")


def test_an_editor_that_fails_changes_nothing(desk):
    screen = desk.started(EDITOR="false")
    enter(screen, "SH echo says one > /said")
    screen.wait(r"^build 3> *$")
    enter(screen, ":edit 2")
    screen.wait(r"false ended with status 1")
    enter(screen, ":cat /said")
    screen.wait(r"^says one$")


@widths
def test_saving_over_a_file_shows_the_difference_and_asks(desk, columns):
    (desk.folder / "app.metalor").write_text("FROM scratch\n")
    screen = desk.started(columns=columns)
    enter(screen, ":save app.metalor")
    shown = screen.wait(r"yes/NO> *$")
    assert "-FROM scratch" in shown and "+FROM oci:" in shown
    assert "red" in screen.style("-FROM scratch") and "green" in screen.style("+FROM oci:")
    screen.press("enter")  # the default keeps the file
    screen.wait(r"^build 2> *$")
    assert (desk.folder / "app.metalor").read_text() == "FROM scratch\n"
    enter(screen, ":save app.metalor")
    screen.wait(r"yes/NO> *$(.*\n)*.*yes/NO> *$")
    screen.type("maybe\r")
    screen.wait(r"^answer one of: yes, no$")
    screen.type("y\r")
    screen.wait(r"^build 2> *$")
    assert (desk.folder / "app.metalor").read_text().startswith("FROM oci:")


def test_the_window_may_change_at_the_prompt(desk):
    screen = desk.started()
    screen.type("COPY src ")
    screen.wait(r"^COPY \[flags\]")
    screen.resize(40, 20)
    screen.settle(0.4)
    assert all(len(line) <= 40 for line in screen.lines)
    screen.wait(r"^ build · busybox:\S+ · root · / ")
    screen.type("/srv/")
    screen.wait(r"COPY src /srv/$")
    screen.press("enter")
    screen.wait(r"^build 3> *$")


def test_a_session_that_is_stopped_comes_back(desk):
    argv = ["bash", "--norc", "--noprofile", "-i"]
    screen = Screen(argv, folder=desk.folder, env={**desk.env, "PS1": "host> "})
    desk.screens.append(screen)
    screen.wait(r"^host> *$")
    screen.type(f"{sys.executable} -m metalor_lang repl\r")
    screen.wait(r"^metalor 1> *$")
    screen.type("ARG A")
    screen.settle()
    screen.press("c-z")
    screen.wait(r"Stopped(.*\n)*host> *$")
    screen.type("fg\r")
    screen.wait(r"^metalor 1> ARG A$")
    screen.type("=1\r")
    screen.wait(r"^metalor 2> *$")


# ---- beginnings and ends -----------------------------------------------------------------------------------------


def test_what_is_typed_before_the_prompt_is_there_is_not_lost(desk):
    screen = desk.open()
    screen.type(f"FROM {bases.reference('busybox')} AS build\r")
    screen.wait(r"^build 2> *$")


def test_a_store_that_cannot_be_opened_ends_it_with_the_reason(desk):
    (desk.folder / "file").write_text("")
    screen = desk.open(METALOR_STORE=str(desk.folder / "file" / "store"))
    assert screen.ended() == 3
    assert re.search(r"^error: ", screen.text, re.M), screen.text
    assert "Traceback" not in screen.text and "bug" not in screen.text


def test_a_recipe_is_carried_out_before_the_first_prompt(desk):
    recipe = f"FROM {bases.reference('busybox')} AS app\nSH echo from the file {desk.folder.name}\n"
    (desk.folder / "app.metalor").write_text(recipe + "SH exit 7\nLABEL a=b\n")
    screen = desk.open("app.metalor")
    shown = screen.wait(r"^app 3> *$")
    assert f"from the file {desk.folder.name}" in shown and "E0601" in shown


def test_a_killed_session_comes_back(desk):
    screen = desk.started()
    enter(screen, "LABEL kept=yes")
    screen.wait(r"^build 3> *$")
    screen.kill()
    assert screen.ended() == 128 + 9
    screen = desk.open("--resume")
    screen.wait(r"^build 3> *$")
    enter(screen, ":list")
    screen.wait(r"LABEL kept=yes")


def test_an_ordinary_users_history_is_his_own(desk):
    home = desk.folder / "home"
    home.mkdir()
    desk.folder.chmod(0o755)
    os.chown(home, ordinary.UID, ordinary.UID)
    argv = [sys.executable, "-m", "tests.support.ordinary", ordinary.SUBIDS, str(home),
            sys.executable, "-m", "metalor_lang", "repl"]  # fmt: skip
    env = {**desk.env, "HOME": str(home), "USER": ordinary.NAME, "METALOR_STORE": str(home / "store")}
    env |= {"XDG_STATE_HOME": str(home / "state"), "EDITOR": "sh -c 'id -u >~/editor; echo ENV A=2 >$0'"}
    env["METALOR_BASES"] = os.environ.get("METALOR_BASES", "")
    screen = Screen(argv, folder=ROOT, env=env)
    desk.screens.append(screen)
    screen.wait(r"^metalor 1> *$")
    enter(screen, f"FROM {bases.reference('busybox')} AS build")
    screen.wait(r"^build 2> *$")
    enter(screen, "SH id -u")
    screen.wait(r"^0$")
    enter(screen, ":edit 2")
    screen.wait(r"^build 3> *$")
    enter(screen, ":quit")
    screen.wait(r"> *$")
    screen.type("leave\r")
    assert screen.ended() == 0
    history = home / "state" / "metalor" / "history"
    assert history.stat().st_uid == ordinary.UID and "SH id -u" in history.read_text()
    assert (home / "editor").stat().st_uid == ordinary.UID


def test_a_failed_build_is_talked_to(desk):
    recipe = (
        f"FROM {bases.reference('busybox')} AS app\nSH echo half > /half; echo {desk.folder.name}; exit 5\nENV A=1\n"
    )
    (desk.folder / "app.metalor").write_text(recipe)
    argv = [sys.executable, "-m", "metalor_lang", "build", "app.metalor", "--on-failure=repl"]
    screen = Screen(argv, folder=desk.folder, env=desk.env)
    desk.screens.append(screen)
    screen.wait(r"^app 2> *$")
    assert "E0601" in screen.whole
    enter(screen, ":shell --failed cat /half")
    screen.wait(r"^half$")
    screen.wait(r"^app 2> *$")
    screen.press("c-d")
    screen.settle(0.5)
    if screen.child.isalive():
        screen.type("leave\r")
    assert screen.ended() == 1


BLOCK = ("FOR V IN a b", "SH echo $V >> /fast", "IF ${V} == b", "TEST SH grep b /fast", "ELSE", "SH true", "END", "END")


@pytest.mark.parametrize("how", ["keys", "lines", "at once", "pasted"])
def test_a_block_however_fast_it_is_typed(desk, how):
    screen = desk.started()
    match how:
        case "keys":
            for key in "\r".join(BLOCK):
                screen.type(key)
            screen.press("enter")
        case "lines":
            for line in BLOCK:
                screen.type(f"{line}\r")
                screen.settle()
        case "at once":
            screen.type("".join(f"{line}\r" for line in BLOCK))
        case _:
            screen.paste("\n".join(BLOCK))
            screen.settle()
            screen.press("enter")
    screen.wait(r"^build 3> *$")
    shown = screen.settle()
    assert "passed" in shown
    enter(screen, ":list")
    screen.wait(r"FOR V IN a b …")
    enter(screen, ":undo")
    screen.wait(r"^build 2> *$")
    enter(screen, ":cat /fast")
    screen.wait(r"no .*/fast|/fast.*not|There is no")


def test_lines_of_a_block_are_put_where_fmt_puts_them(desk):
    screen = desk.started()
    for line in BLOCK:
        screen.type(line)
        screen.settle()
        screen.press("enter")
        screen.settle()
    text = screen.wait(r"^build 3> *$")
    typed = [line.split("… ", 1)[-1] for line in text.split("\n") if "… " in line]
    assert typed == [
        "    SH echo $V >> /fast", "    IF ${V} == b", "        TEST SH grep b /fast", "    ELSE", "        SH true",
        "    END", "END",
    ]  # fmt: skip
