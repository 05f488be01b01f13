"""Sessions on real images, by the command itself, without a terminal: transcripts, digests, files."""

import re
from pathlib import Path

import pytest

from metalor_lang.oci.layout import Layout
from tests.support.goldens import GOLDENS, check_golden
from tests.support.workshop import Workshop

pytestmark = pytest.mark.integration
TRANSCRIPTS = sorted((GOLDENS / "repl").glob("*.in"))


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


def plain(text, workshop):
    """What does not depend on the machine or the day."""
    text = text.replace(workshop.base, "BASE").replace(str(workshop.path), "HERE")
    text = re.sub(r"\b\d+\.\ds\b", "TIME", text)
    text = re.sub(r"sha256:[0-9a-f]{64}", "sha256:HEX", text)
    text = re.sub(r"logs/[0-9a-f]{64}", "logs/HEX", text)
    return re.sub(r"\b2\.\d MB\b", "2 MB", text)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcripts(path: Path, workshop, update_goldens):
    (workshop.path / "hello.txt").write_text("hello\n")
    text = path.read_text().replace("BASE", workshop.base)
    status = {"wrong": 1, "usage": 2}.get(path.stem.partition("-")[0], 0)
    done = workshop.run("repl", input=text, status=status)
    shown = plain(done.stdout, workshop)
    if done.stderr:
        shown += "--- errors\n" + plain(done.stderr, workshop)
    check_golden(shown, path.with_suffix(".expected"), update=update_goldens)
    assert workshop.leftovers() == []


def test_there_are_transcripts():
    assert len(TRANSCRIPTS) >= 6


def test_a_saved_recipe_builds_to_the_same_image_without_running(workshop):
    random = "cat /proc/sys/kernel/random/uuid"
    statements = [
        f"FROM {workshop.base} AS one",
        f"SH {random} > /random",
        "ENV A=1",
        f"FROM {workshop.base} AS two",
        "COPY --from=one /random /other",
        f"SH {random} > /more",
        ":undo",
        f"SH {random} >> /more",
        "WORKDIR /srv",
        "USER user",
        ":retry",
        "LABEL a=b",
        ":goto one",
        "SH echo inserted > /inserted",
        ":continue",
        ":save app.metalor",
        ":export oci:session:1",
    ]
    session = workshop.run("repl", input="\n".join(statements)).stdout
    built = workshop.run("build", "app.metalor", "--expect-cached", "-o", "oci:built:1").stdout
    digest = session.splitlines()[-1]
    assert digest.startswith("sha256:") and digest == built.strip()
    assert (workshop.path / "app.metalor").read_text() == (
        f"FROM {workshop.base} AS one\nSH {random} > /random\nENV A=1\nSH echo inserted > /inserted\n"
        f"FROM {workshop.base} AS two\nCOPY --from=one /random /other\nSH {random} >> /more\nWORKDIR /srv\n"
        "USER user\nLABEL a=b\n"
    )


def test_tests_and_layers_are_statements_like_others(workshop):
    statements = [
        f"FROM {workshop.base} AS one",
        "SH echo one > /one",
        'LAYER "first"',
        "TEST SH test -e /one && rm /one",
        "SH echo two > /two",
        'LAYER "wrong"',
        ":undo 2",
        "SH echo other > /other",
        "TEST SH test -e /one && ! test -e /two",
        'LAYER "second"',
        "FROM one AS two",
        "SH echo three > /three",
        ":diff",
        ":save app.metalor",
        ":export oci:session:1",
    ]
    session = workshop.run("repl", input="\n".join(statements)).stdout
    assert "/three" in session
    digest = workshop.run("build", "app.metalor", "--expect-cached", "-o", "oci:built:1").stdout.strip()
    assert session.splitlines()[-1] == digest
    made = Layout.open(workshop.path / "session").select("1")
    assert len(made.manifest.layers) == 4
    comments = [each.comment for each in made.config.history if each.comment]
    assert comments == ["layer first", "layer first", "layer second", "layer second"]
    done = workshop.run("repl", input=f"FROM {workshop.base}\nTEST SH echo seen; false\n", status=1)
    assert "error[E0608]" in done.stderr and "seen" in done.stdout


def test_what_was_run_anew_is_what_a_build_takes(workshop):
    """`:retry` makes another result under the same key; after an undo the first one counts again."""
    text = f"FROM {workshop.base}\nSH cat /proc/sys/kernel/random/uuid > /random\n:cat /random\n:retry\n:cat /random\n"
    text += ":undo\n:cat /random\n"
    text += ":save app.metalor\n:export tar:session.tar"
    first, second, _, _, third, *_ = workshop.run("repl", input=text).stdout.splitlines()
    assert first == third != second
    workshop.run("build", "app.metalor", "--expect-cached", "-o", "tar:built.tar")
    assert (workshop.path / "session.tar").read_bytes() == (workshop.path / "built.tar").read_bytes()


def test_a_recipe_that_is_taken_up_is_compared_with_its_last_build(workshop):
    """The words are those of `metalor why`, which is asked first."""
    workshop.recipe("ARG V=1\nFROM BASE AS app\nSH echo $V\nSH echo more\n")
    workshop.run("build", "app.metalor")
    workshop.recipe("ARG V=2\nFROM BASE AS app\nSH echo $V\nSH echo more\n")
    asked = workshop.run("why", "app.metalor").stdout.splitlines()
    assert asked[2] == "  argument V: 1 → 2" and asked[4] == "  because step 1 of app (line 3) changed"
    said = workshop.run("repl", "app.metalor", "-c", ":why 3\n:why 4").stdout.splitlines()
    assert said[said.index("3: SH echo $V") + 2] == "  argument V: 1 → 2"
    assert said[said.index("4: SH echo more") + 2 :][:2] == [
        "  because statement 3 (SH echo $V) changed:",
        "    argument V: 1 → 2",
    ]


def test_statuses(workshop):
    workshop.run("repl", "-c", "FROM nope", status=1)
    workshop.run("repl", "-c", ":nope", status=2)
    workshop.run("repl", "-c", f"FROM {workshop.base}\nSH false\n", status=1)
    assert workshop.run("repl", "-c", ":help").stdout.startswith("A statement")
    workshop.recipe("FROM BASE\nSH echo hi\nSH exit 3\n")
    done = workshop.run("repl", "app.metalor", "-c", ":list", status=1)
    assert done.stdout == "hi\n" and "app.metalor:3:1" in done.stderr
    workshop.recipe("FROM BASE\nSH echo hi\nCOPPY\n")
    done = workshop.run("repl", "app.metalor", "-c", ":list", status=1)
    assert done.stdout == "" and "app.metalor:3:1" in done.stderr


def test_a_build_that_fails_opens_a_session_before_the_step(workshop):
    first = "ARG WORD\nFROM BASE AS one\n\n# it works\nSH echo $WORD > /word\nFROM one\n"
    rest = "SH echo half > /half; cat /missing\nSH cat /missing >> /all\n"
    workshop.recipe(first + rest)
    commands = ":list\n:shell --failed cat /half /word\n:shell ls /half || true\nSH echo here > /missing\n:continue\n"
    commands += ":cat /all\n:save\n"
    done = workshop.run("build", "app.metalor", "--arg", "WORD=hi", "--on-failure=repl", input=commands, status=1)
    assert "error[E0601]" in done.stderr
    lines = done.stdout.splitlines()
    (row,) = [line for line in lines if "SH echo half" in line]
    assert row.split()[:2] == ["5", "waits"]
    assert "half" in lines and "hi" in lines and "here" in lines
    saved = first.replace("BASE", workshop.base) + "SH echo here > /missing\n" + rest
    assert (workshop.path / "app.metalor").read_text() == saved
    workshop.run("build", "app.metalor", "--arg", "WORD=hi", "--expect-cached")
    assert workshop.run("build", "-", "--on-failure=repl", status=2).stderr.startswith("error: --on-failure=repl")
    assert workshop.leftovers() == []
