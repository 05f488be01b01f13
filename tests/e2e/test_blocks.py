"""IF, FOR, DEFINE, USE and IMPORT in real builds, by the command line."""

import json
import os
import re
import shutil

import pytest

from tests.support.documents import ROOT, fences
from tests.support.workshop import Workshop

pytestmark = pytest.mark.integration

GROUPS = """\
DEFINE note name text=${name}
    FILE /notes/${name} \"\"\"
        ${text}
        \"\"\"
    SH test "$name" != forbidden
END
"""

RECIPE = """\
IMPORT lib/groups.metalor AS lib
ARG NAMES="one two"
ARG MODE=release
FROM BASE
FOR --split NAME IN ${NAMES}
    USE lib.note name=${NAME}
END
IF ${MODE} == debug
    USE lib.note name=debug text="all of it"
END
SH cat /notes/* > /all
"""


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "groups.metalor").write_text(GROUPS)
    workshop.recipe(RECIPE)
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def ran(events):
    return [event["number"] for event in events if event["event"] == "step-started"]


def tree(shop, *words):
    shutil.rmtree(shop.path / "tree", ignore_errors=True)
    shop.run("build", "app.metalor", "-o", "rootfs:tree", *words)
    return (shop.path / "tree" / "all").read_text()


def test_tests_of_each_round_are_listed_where_they_are_left_out(shop):
    shop.recipe("FROM BASE\nFOR N IN a b\n    TEST SH say $N\n    TEST SH date\nEND\n")
    said = shop.run("build", "app.metalor", "--no-tests").stderr
    assert said[said.index("left out 4 tests") :].splitlines()[1:5] == [
        "  line 3: TEST SH say $N  with N=a",
        "  line 3: TEST SH say $N  with N=b",
        "  line 4: TEST SH date",
        "  line 4: TEST SH date",
    ]


def test_what_arguments_ask_for_is_built(shop):
    assert tree(shop) == "one\ntwo\n"
    assert tree(shop, "--arg", "NAMES=three one", "--arg", "MODE=debug") == "all of it\none\nthree\n"
    shop.recipe(RECIPE.replace("cat /notes/*", "echo none"))
    assert tree(shop, "--arg", "NAMES=") == "none\n"


def test_progress_says_which_round_a_step_is_of(shop):
    done = shop.run("build", "app.metalor")
    lines = (done.stdout + done.stderr).splitlines()
    assert any(line.endswith("FILE /notes/${name}  with name=two text=two  (never built)") for line in lines)
    values = [event["values"] for event in shop.events("app.metalor") if event["event"] == "step-cached"]
    one, two = ({"name": name, "text": name} for name in ("one", "two"))
    assert values == [one, {"name": "one"}, two, {"name": "two"}, {}]


def test_only_what_names_the_changed_value_runs_again(shop):
    assert ran(shop.events("app.metalor")) == [1, 2, 3, 4, 5]
    assert ran(shop.events("app.metalor", "--arg", "NAMES=one three")) == [3, 4, 5]
    # The name of a value and the file that a line stands in are in no key.
    (shop.path / "lib" / "groups.metalor").unlink()
    shop.recipe(GROUPS + RECIPE.replace("IMPORT lib/groups.metalor AS lib\n", "").replace("lib.note", "note"))
    shop.run("build", "app.metalor", "--expect-cached")


def test_a_failing_step_is_shown_in_its_file_and_in_its_round(shop):
    done = shop.run("build", "app.metalor", "--arg", "NAMES=one forbidden", status=1)
    below = done.stderr.split("app.metalor:6:5: error[E0601]: the command failed: exit status 1\n", 1)[1]
    assert below.startswith(
        "5 | FOR --split NAME IN ${NAMES}\n"
        "  |                     -------- in the round NAME=forbidden\n"
        "6 |     USE lib.note name=${NAME}\n"
        "  |     ^^^^^^^^^^^^\n"
        "  in lib/groups.metalor:5:5\n"
        '5 |     SH test "$name" != forbidden\n'
        "  |     ---------------------------- here\n"
    )


def test_a_plan_says_where_each_step_comes_from(shop):
    shown = shop.run("plan", "app.metalor").stdout.splitlines()
    assert shown[2].endswith("  FILE /notes/${name}")
    assert shown[3].endswith(
        "line 2 of lib/groups.metalor, used in line 6 with name=one text=one, a round of line 5 with NAME=one"
    )
    assert shown[-2].endswith("  SH cat /notes/* > /all")
    document = json.loads(shop.run("plan", "app.metalor", "--format", "json").stdout)
    step = document["stages"][0]["steps"][2]
    assert step["line"] == 6
    assert step["origin"] == {
        "path": "lib/groups.metalor",
        "line": 2,
        "via": [
            {"path": "app.metalor", "line": 6, "text": "used here", "values": {"name": "two", "text": "two"}},
            {"path": "app.metalor", "line": 5, "text": "in the round NAME=two", "values": {"NAME": "two"}},
        ],
    }
    assert "origin" not in document["stages"][0]["steps"][4]
    assert [each["path"] for each in document["imports"]] == ["lib/groups.metalor"]


def test_platforms_differ_by_conditions(shop):
    shop.recipe(
        "IF ${TARGETARCH} == arm64\nARG WORD=weak\nELSE\nARG WORD=strong\nEND\nFROM scratch\n"
        "FILE /order '''\n  x\n  '''\nLABEL order=${WORD}\n"
    )
    shop.run("build", "app.metalor", "--platform", "linux/amd64,linux/arm64", "-o", "oci:out:1", "--arg", "WORD=")
    index = json.loads((shop.path / "out" / "index.json").read_text())
    assert index["manifests"]
    plan = json.loads(shop.run("plan", "app.metalor", "--platform", "linux/arm64", "--format", "json").stdout)
    assert plan["stages"][0]["image"]["labels"] == [["order", "weak"]]


def test_an_imported_file_must_be_an_ordinary_one(shop):
    shop.recipe("IMPORT lib AS lib\nIMPORT pipe AS pipe\nIMPORT ../outside.metalor AS out\nFROM BASE\n")
    os.mkfifo(shop.path / "pipe")
    done = shop.run("check", "app.metalor", status=1)
    said = [line.partition(": ")[2] for line in (done.stderr + done.stdout).splitlines() if "[E0830]: " in line]
    assert said == [
        "error[E0830]: `lib` is no file",
        "error[E0830]: `pipe` is no file",
        "error[E0830]: there is no `../outside.metalor`",
    ]


def test_the_examples_of_the_reference_are_true(shop):
    page = list(fences(ROOT / "docs" / "reference" / "language.md"))
    (imported,) = (fence.body for fence in page if "imported" in fence.words)
    (shop.path / "common.metalor").write_text(imported)
    found = [
        fence.body for fence in page
        if "run" in fence.words and re.search(r"^(IF|FOR|USE) ", fence.body, re.MULTILINE)
    ]  # fmt: skip
    assert len(found) == 4
    written = []
    for text in found:
        shop.recipe(text.replace("FROM busybox:1.36", "FROM BASE"))
        shutil.rmtree(shop.path / "tree", ignore_errors=True)
        shop.run("build", "app.metalor", "-o", "rootfs:tree")
        made = [path for path in ("word-size", "srv/a/name", "srv/b/name", "extra", "www/index.html", "www/two.html",
                                  "etc/motd") if (shop.path / "tree" / path).exists()]  # fmt: skip
        written.append({path: (shop.path / "tree" / path).read_text() for path in made})
    assert written == [
        {"word-size": "64\n"},
        {"srv/a/name": "a\n", "srv/b/name": "b\n", "extra": "c\nd\n"},
        {"www/index.html": "<h1>All pages</h1>\n", "www/two.html": "<h1>two</h1>\n"},
        {"etc/motd": "hello world\n"},
    ]
