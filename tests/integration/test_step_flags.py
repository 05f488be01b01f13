"""The flags of RUN and SH, each seen from inside a step; mounts with a life of their own have files of their own."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.support.documents import ROOT, fences
from tests.support.ordinary import run_as_user
from tests.support.web import answering
from tests.support.workshop import METALOR, Workshop

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path)
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def output(events):
    return "".join(event["text"] for event in events if event["event"] == "step-output").splitlines()


def ran(events):
    return [event["text"].split()[-1] for event in events if event["event"] == "step-started"]


EVERYTHING = """\
ARG WHO=nobody
FROM BASE AS tools
FILE --chmod=755 /bin/tool '''
    #!/bin/sh
    echo tool
    '''
FROM BASE
ENV GREETING=hello
SH --bind=lib:sub:/mnt/lib cat /mnt/lib/file; touch /mnt/lib/file 2>&1 || true
SH --bind=tools:/bin/tool:/opt-tool /opt-tool
SH --bind=here/data:/data cat /data
SH --tmpfs=/quick ls -A /quick; touch /quick/x; grep -c ' /quick tmpfs ' /proc/mounts
SH --network=none cat /proc/net/dev | grep -c :
RUN --arg=WHO ["/bin/sh", "-c", "echo $GREETING $WHO"]
SH env | grep -c WHO= || true
SH --user=7:8 --workdir=/usr id -u; id -g; pwd
SH id -u; pwd
SH for each in /mnt /opt-tool /data /quick; do test -e $each || echo gone; done
"""
SAID = ["from lib", "touch: /mnt/lib/file: Read-only file system", "tool", "data", "1", "1", "hello nobody", "0"]
SAID += ["7", "8", "/usr", "0", "/", "gone", "gone", "gone", "gone"]


def prepare(folder):
    (folder / "lib" / "sub").mkdir(parents=True)
    (folder / "lib" / "sub" / "file").write_text("from lib\n")
    (folder / "here").mkdir()
    (folder / "here" / "data").write_text("data\n")


def test_each_flag_does_what_it_says(shop):
    prepare(shop.path)
    shop.recipe(EVERYTHING)
    events = shop.events("app.metalor", "--context", "lib=lib", "--jobs", "1")
    assert output(events) == SAID
    assert shop.events("app.metalor", "--context", "lib=lib", "--expect-cached")[-1]["ran"] == 0


def test_an_ordinary_user_has_the_same(shop, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    prepare(home)
    shop.recipe(EVERYTHING)
    shutil.copy(tmp_path / "app.metalor", home)
    done = run_as_user(
        [*METALOR, "build", "app.metalor", "--context", "lib=lib", "--jobs", "1", "--progress", "json"], home
    )
    assert done.returncode == 0, done.stderr
    assert output([json.loads(line) for line in done.stdout.splitlines()]) == SAID


def test_what_a_bind_shows_is_in_the_key(shop):
    prepare(shop.path)
    shop.recipe("FROM BASE\nSH --bind=lib:sub:/mnt/lib cat /mnt/lib/file; : one\nSH : two\n")
    words = ("app.metalor", "--context", "lib=lib")
    assert ran(shop.events(*words)) == ["one", "two"]
    os.utime(shop.path / "lib" / "sub" / "file")
    (shop.path / "lib" / "beside").write_text("not shown")
    assert ran(shop.events(*words)) == []
    (shop.path / "lib" / "sub" / "file").write_text("changed\n")
    events = shop.events(*words)
    assert (ran(events), output(events)) == (["one", "two"], ["changed"])
    shutil.copytree(shop.path / "lib", shop.path / "elsewhere")
    assert ran(shop.events("app.metalor", "--context", "lib=elsewhere")) == [], "the same files from another folder"
    assert "there is no `sub` in" in shop.run("build", "app.metalor", "--context", "lib=here", status=1).stderr


def test_the_network_is_the_machine_s_or_none(shop):
    with answering(b"HTTP/1.0 200 OK\r\n\r\nreached\n") as server:
        url = f"http://127.0.0.1:{server.port}/"
        shop.recipe(f"FROM BASE\nSH wget -qO- {url}\nSH --network=none ! wget -qO- {url} 2>&1\n")
        assert output(shop.events("app.metalor"))[0] == "reached"
        assert server.count == 1
        shop.recipe(f"FROM BASE\nTEST SH ! wget -qO- {url}\nTEST SH --network=host wget -qO- {url}\n")
        shop.events("app.metalor")
        assert server.count == 2, "a test has none unless it says so"


def test_a_timeout_ends_a_step_and_is_in_no_key(shop):
    shop.recipe("FROM BASE\nSH --timeout=1s echo begun; sleep 30 & wait\n")
    began = time.monotonic()
    done = shop.run("build", "app.metalor", status=1)
    assert time.monotonic() - began < 15
    assert "error[E0603]" in done.stderr and "no time left after 1 s" in done.stderr and "begun" in done.stderr
    shop.recipe("FROM BASE\nSH --timeout=1h true\n")
    shop.run("build", "app.metalor")
    shop.recipe("FROM BASE\nSH --timeout=2h true\n")
    assert ran(shop.events("app.metalor")) == []
    shop.recipe("FROM BASE\nSH true\n")
    assert ran(shop.events("app.metalor")) == []


def test_an_argument_reaches_the_steps_that_name_it(shop):
    shop.recipe("""\
ARG N=1
FROM BASE
RUN ["/bin/sh", "-c", "env | grep -c ^N= || true"]
RUN --arg=N ["/bin/sh", "-c", "echo $N"]
SH --arg=N env | grep ^N=
""")
    assert output(shop.events("app.metalor")) == ["0", "1", "N=1"]
    events = shop.events("app.metalor", "--arg", "N=2")
    assert output(events) == ["2", "N=2"], "the step that does not name it is not run again"


def test_what_is_not_fresh_any_more_runs_again(shop):
    shop.recipe("FROM BASE\nSH --fresh=2s date +%s > /now; : one\nSH cat /now; : two\n")
    first = output(shop.events("app.metalor"))
    time.sleep(3.1)
    done = shop.run("build", "app.metalor", "--expect-cached", status=1)
    assert "error[E0606]" in done.stderr and "app.metalor:2:" in done.stderr
    events = shop.events("app.metalor")
    assert ran(events) == ["one", "two"]
    assert output(events) != first
    shop.recipe("FROM BASE\nSH --fresh=1h date +%s > /now; : one\nSH cat /now; : two\n")
    assert ran(shop.events("app.metalor")) == [], "how long is in no key"


def test_the_examples_of_the_reference_are_true(shop):
    found = [
        fence.body
        for fence in fences(ROOT / "docs" / "reference" / "language.md")
        if fence.language == "metalor" and "run" in fence.words and "--bind=" in fence.body
    ]
    assert found
    (shop.path / "site").mkdir()
    (shop.path / "site" / "index.html").write_text("<p>")
    Path(shop.path, "vendor").mkdir()
    (shop.path / "vendor" / "lib.txt").write_text("lib")
    for text in found:
        shop.recipe(text.replace("FROM debian:12", "FROM BASE"))
        assert shop.events("app.metalor", "--context", "vendor=vendor")[-1]["ok"]
