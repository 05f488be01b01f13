"""TEST: beside later steps, on a copy of its own, with an end that everybody hears of."""

import base64
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from metalor_lang.checker.platforms import host_platform
from tests.support.documents import ROOT, fences
from tests.support.junit import outcomes, read_report
from tests.support.workshop import Workshop

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path)
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def told(events, *kinds):
    return [(each["event"], each["text"]) for each in events if each["event"] in kinds]


BESIDE = """\
FROM BASE
SH echo one > /one
TEST SH sleep 2; test -e /one && ! test -e /two && ! test -e /three
SH sleep 1; echo two > /two
SH sleep 1; echo three > /three; rm /one
"""


def test_what_follows_a_test_does_not_wait_for_it(shop):
    shop.recipe(BESIDE)
    began = time.monotonic()
    events = shop.events("app.metalor", "--jobs", "2")
    took = time.monotonic() - began
    assert took < 3.5, "one after the other they take 4 s"
    assert (events[-1]["ok"], events[-1]["ran"], events[-1]["passed"]) == (True, 4, 1)
    # Of each step alone everything comes in its order.
    for text in {each["text"] for each in events if each["event"] == "step-started"}:
        own = [each["event"] for each in events if each.get("text") == text]
        assert own == ["step-started", "step-finished"]
    again = shop.events("app.metalor", "--expect-cached")
    assert (again[-1]["cached"], again[-1]["passed"]) == (4, 1)


def test_what_a_test_writes_is_gone(shop):
    shop.recipe(
        "FROM BASE\nSH echo a > /a\nTEST SH rm /a; echo b > /b; mkdir /c\n"
        "TEST SH test -e /a && ! test -e /b\nSH test -e /a; ! test -e /b\n"
    )
    shop.run("build", "app.metalor", "-o", "rootfs:tree")
    assert (shop.path / "tree/a").exists() and not (shop.path / "tree/b").exists()
    assert not (shop.path / "tree/c").exists()


FAILS = """\
FROM BASE AS app
TEST SH echo it is not there; sleep 1; test -e /y
TEST SH sleep 61
SH sleep 62
"""
SLOW = "FROM BASE AS slow\nSH sleep 60\n"
BOTH = "FROM scratch\nCOPY --from=slow /bin /slow\nCOPY --from=app /bin /bin\n"


@pytest.mark.parametrize(
    ("text", "jobs"),
    [(FAILS, "1"), (FAILS + SLOW + BOTH, "2"), (SLOW + FAILS + BOTH, "4")],
    ids=["one job", "all jobs busy", "a free job"],
)
def test_a_failing_test_fails_the_build_soon_and_nothing_is_exported(shop, text, jobs):
    shop.recipe(text)
    began = time.monotonic()
    done = shop.run("build", "app.metalor", "--jobs", jobs, "-o", "oci:out:1", status=1)
    assert time.monotonic() - began < 20
    assert "error[E0608]: the test failed: exit status 1" in done.stderr
    assert "| TEST SH echo it is not there" in done.stderr and "\n  | it is not there\n" in done.stderr
    log = Path(done.stderr.split("the whole output: ")[1].splitlines()[0])
    assert log.read_text() == "it is not there\n"
    assert not (shop.path / "out").exists() and shop.leftovers() == []
    assert "sleep 6" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    failed = [each for each in shop.events("app.metalor", "--jobs", jobs, status=1) if each["event"] == "step-failed"]
    assert [(each["kind"], each["status"], each["tail"]) for each in failed] == [("test", 1, ["it is not there"])]


def test_an_image_is_not_written_before_the_last_test_has_passed(shop):
    shop.recipe("FROM BASE\nSH true\nTEST SH sleep 1.5; false\n")
    shop.run("build", "app.metalor", "-o", "oci:out:1", status=1)
    assert not (shop.path / "out").exists()
    assert "nothing was built" in shop.run("export", "app", "oci:out:1", status=2).stderr


def test_ctrl_c_ends_tests_too(shop):
    shop.recipe("FROM BASE\nSH echo one\nTEST SH sleep 63\nSH echo two\n")
    build = shop.start("build", "app.metalor", "--progress", "plain", "--jobs", "2")
    for line in build.stderr:
        if "3/3] done" in line:
            break
    began = time.monotonic()
    build.send_signal(signal.SIGINT)
    _, said = build.communicate(timeout=30)
    assert build.returncode == 130 and said.count("interrupted") == 1
    assert "[stage 1 2/3] stopped after" in said
    assert time.monotonic() - began < 10 and shop.leftovers() == []
    assert "sleep 63" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    again = shop.events("app.metalor", "--expect-cached", status=1)
    assert told(again, "step-cached", "step-failed") == [
        ("step-cached", "SH echo one"),
        ("step-failed", "TEST SH sleep 63"),
    ]


def test_tests_take_every_flag_of_what_they_run(shop):
    (shop.path / "site").mkdir()
    (shop.path / "site" / "index").write_text("hello")
    (shop.path / "token").write_text("s3cr3t-value")
    shop.recipe(
        "ARG COLOR=red\nFROM BASE AS tools\nSH echo tool > /tool\nFROM BASE\n"
        'TEST SH test "$(ls /sys/class/net)" = lo\n'
        'TEST SH --network=host test "$(wc -l < /proc/net/dev)" -ge 3\n'
        "TEST SH --bind=site:/site --bind=tools:/tool:/tool test -s /site/index && test -s /tool && ! touch /site/x\n"
        "TEST SH --tmpfs=/scratch --cache=/var/cache/app echo x > /scratch/x && echo x > /var/cache/app/x\n"
        "TEST SH --cache=/var/cache/app test -s /var/cache/app/x\n"
        "TEST SH --secret=token cat /run/secrets/token\n"
        'TEST SH --user=12:13 --workdir=/tmp test "$(id -u):$(id -g):$PWD" = 12:13:/tmp\n'
        'TEST RUN --arg=COLOR ["/bin/sh", "-c", "test $COLOR = red"]\n'
        "TEST SH --timeout=60s --fresh=1h true\n"
    )
    done = shop.run("build", "app.metalor", "--secret", "token=token", "--jobs", "1", "--progress", "json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["passed"] == 9
    assert "s3cr3t" not in done.stdout
    shop.recipe("FROM BASE\nTEST SH --timeout=1s sleep 20\n")
    assert "error[E0603]" in shop.run("build", "app.metalor", status=1).stderr


def test_tests_of_every_needed_stage_run_and_of_no_other(shop):
    shop.recipe(
        "FROM BASE AS a\nTEST SH true a\nFROM BASE AS b\nSH echo b > /b\nTEST SH true b\n"
        "FROM BASE AS c\nCOPY --from=b /b /b\nTEST SH true c\n"
    )
    events = shop.events("app.metalor")
    assert sorted(text for _, text in told(events, "step-started") if text.startswith("TEST")) == [
        "TEST SH true b",
        "TEST SH true c",
    ]
    left = shop.events("app.metalor", "--no-tests", store="other")
    assert sorted(told(left, "step-skipped")) == [
        ("step-skipped", "TEST SH true b"),
        ("step-skipped", "TEST SH true c"),
    ]
    assert left[-1]["skipped"] == 2 and left[-1]["passed"] == 0
    # What was left out did not pass.
    assert "TEST SH true b" in str(told(shop.events("app.metalor", store="other"), "step-started"))


def test_a_test_in_the_way_of_nothing_is_no_reason_to_run_again(shop):
    shop.recipe(BESIDE)
    shop.events("app.metalor")
    shop.recipe(BESIDE.replace("sleep 2; test -e /one", "test -s /one"))
    assert [text for _, text in told(shop.events("app.metalor"), "step-started")] == [
        "TEST SH test -s /one && ! test -e /two && ! test -e /three"
    ]


def test_several_platforms_run_their_tests(tmp_path):
    shop = Workshop(tmp_path, "busybox-multi")
    here = str(host_platform())
    shop.recipe(
        f"FROM --platform={here} BASE AS tool\nTEST SH true both\n"
        f"FROM --platform={here} BASE AS check\nTEST SH --arg=TARGETARCH echo $TARGETARCH; sleep 0.2\n"
        "FROM BASE\nCOPY --from=tool /bin/busybox /a\nCOPY --from=check /bin/busybox /b\n"
    )
    words = ("app.metalor", "--platform", "linux/amd64,linux/arm64", "--jobs", "3")
    done = shop.run("build", *words, "--no-tests")
    assert "left out 2 tests (--no-tests):" in done.stderr
    ran = sorted(
        (each["title"], each["text"].split("; ")[0])
        for each in shop.events(*words)
        if each["event"] == "step-finished" and each["kind"] == "test"
    )
    assert ran == [
        ("linux/amd64 check", "TEST SH --arg=TARGETARCH echo $TARGETARCH"),
        ("linux/arm64 check", "TEST SH --arg=TARGETARCH echo $TARGETARCH"),
        ("tool", "TEST SH true both"),
    ]


def test_plain_lines_say_what_passed(shop):
    shop.recipe("FROM BASE\nTEST SH echo hello\n")
    said = shop.run("build", "app.metalor", "--progress", "plain").stderr
    assert "1/1] | hello\n" in said and "1/1] passed in " in said and "1 ran, 1 test passed" in said
    again = shop.run("build", "app.metalor", "--progress", "plain").stderr
    assert "1/1] passed before TEST SH echo hello" in again


def test_the_examples_of_the_reference_are_true(shop):
    found = [
        fence.body
        for fence in fences(ROOT / "docs" / "reference" / "language.md")
        if fence.language == "metalor"
        and "run" in fence.words
        and "\nTEST " in fence.body
        and "# tests see" in fence.body
    ]
    assert found
    for text in found:
        shop.recipe(text.replace("FROM debian:12", "FROM BASE"))
        assert shop.events("app.metalor")[-1]["passed"] >= 2


# --- reports --------------------------------------------------------------------------------------------------------

REPORTED = """\
FROM BASE AS below
SH echo one > /one
TEST SH test -e /one
FROM below AS top
TEST RUN ["/bin/true"]
TEST SH echo "the port is < 80 & \\"odd\\""; printf 'a\\033[2Jb\\n'; exit 3
SH sleep 64
TEST SH true behind
"""


def report(shop, *words, status=0, **more):
    shop.run("build", "app.metalor", "--test-report", "tests.xml", "--jobs", "1", *words, status=status, **more)
    return outcomes((shop.path / "tests.xml").read_text())


def test_the_report_of_a_build_that_fails(shop):
    shop.recipe(REPORTED)
    name = 'TEST SH echo "the port is < 80 & \\"odd\\""; printf \'a\\033[2Jb\\n\'; exit 3'
    assert report(shop, status=1) == {
        ("below", "TEST SH test -e /one"): ("passed", ""),
        ("top", 'TEST RUN ["/bin/true"]'): ("passed", ""),
        ("top", name): ("failure", "exit status 3"),
        ("top", "TEST SH true behind"): ("skipped", "the build ended before it; line 6 failed: exit status 3"),
    }
    root = read_report((shop.path / "tests.xml").read_text())
    said = next(root.iter("failure")).text
    assert said.startswith('the port is < 80 & "odd"\na^[[2Jb\nthe whole output: ') and said.endswith(".log")
    times = {case.get("name"): float(case.get("time")) for case in root.iter("testcase")}
    assert times["TEST SH test -e /one"] > 0 and times["TEST SH true behind"] == 0
    lines = [(case.get("file"), case.get("line")) for case in root.iter("testcase")]
    assert lines == [("app.metalor", line) for line in "3568"]


def test_the_report_of_what_is_cached_left_out_or_refused(shop):
    shop.recipe(REPORTED.replace("exit 3", "exit 0").replace("sleep 64", "true"))
    assert {end for end, _ in report(shop).values()} == {"passed"}
    assert set(report(shop, "-o", "oci:out:1").values()) == {
        ("system-out", "It passed in an earlier build, and nothing that it depends on has changed.")
    }
    assert set(report(shop, "--no-tests").values()) == {("skipped", "left out: --no-tests")}
    shop.recipe("FROM BASE\nnonsense\n")
    assert report(shop, status=1) == {}, "no report of an older build is left"
    assert [path.name for path in shop.path.iterdir() if "tests.xml" in path.name] == ["tests.xml"]


def test_the_report_of_a_build_that_is_interrupted(shop):
    shop.recipe("FROM BASE\nTEST SH true\nTEST SH echo soon; sleep 65\nTEST SH true behind\n")
    words = ("app.metalor", "--progress", "plain", "--jobs", "1", "--test-report", "tests.xml")
    build = shop.start("build", *words)
    for line in build.stderr:
        if "| soon" in line:
            break
    build.send_signal(signal.SIGINT)
    build.communicate(timeout=30)
    assert build.returncode == 130
    assert list(outcomes((shop.path / "tests.xml").read_text()).values()) == [
        ("passed", ""),
        ("skipped", "ended with the build while it ran"),
        ("skipped", "the build ended before it"),
    ]


def test_no_secret_is_in_a_report(shop):
    (shop.path / "token").write_text("s3cr3t-value")
    shop.recipe("FROM BASE\nTEST SH --secret=token cat /run/secrets/token; base64 /run/secrets/token; false\n")
    report(shop, "--secret", "token=token", status=1)
    text = (shop.path / "tests.xml").read_text()
    assert "<failure" in text and "s3cr3t" not in text
    assert base64.b64encode(b"s3cr3t-value").decode() not in text


def test_the_report_of_several_platforms(tmp_path):
    shop = Workshop(tmp_path, "busybox-multi")
    here = str(host_platform())
    shop.recipe(
        f"FROM --platform={here} BASE AS tool\nTEST SH true both\n"
        f"FROM --platform={here} BASE AS check\nTEST SH --arg=TARGETARCH echo $TARGETARCH\n"
        "FROM BASE\nCOPY --from=tool /bin/busybox /a\nCOPY --from=check /bin/busybox /b\n"
    )
    assert report(shop, "--platform", "linux/amd64,linux/arm64") == {
        ("tool", "TEST SH true both"): ("passed", ""),
        ("linux/amd64 check", "TEST SH --arg=TARGETARCH echo $TARGETARCH"): ("passed", ""),
        ("linux/arm64 check", "TEST SH --arg=TARGETARCH echo $TARGETARCH"): ("passed", ""),
    }


def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(shop):
    shop.recipe(REPORTED)
    done = shop.run("build", "app.metalor", "--test-report", "no/such/tests.xml", status=2)
    assert "--test-report no/such/tests.xml cannot be written: No such file or directory" in done.stderr
    assert not (shop.path / "store" / "steps").exists()
