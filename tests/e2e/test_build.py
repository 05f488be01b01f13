import gzip
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.workshop import METALOR, Workshop

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path)
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


HELLO = """\
ARG WHO=world
FROM BASE AS web
ENV GREETING=hello
SH echo "$GREETING, $WHO" > /hello
WORKDIR /srv/app
FILE --chmod=755 run.sh '''
    #!/bin/sh
    cat /hello
    '''
TEST SH test -s /hello
LABEL org.example.who=${WHO}
CMD ["/srv/app/run.sh"]
"""


def names(events):
    return [event["event"] for event in events]


def ran(events):
    return [event["text"] for event in events if event["event"] == "step-started"]


def test_hello_becomes_an_image_that_others_accept(shop):
    shop.recipe(HELLO)
    done = shop.run("build", "app.metalor", "-o", "oci:out:1.0")
    digest = done.stdout.strip()
    seen = json.loads(subprocess.check_output(["skopeo", "inspect", f"oci:{shop.path}/out:1.0"]))
    assert seen["Digest"] == digest
    assert seen["Labels"] == {"org.example.who": "world"}
    assert "GREETING=hello" in seen["Env"]
    config = json.loads(subprocess.check_output(["skopeo", "inspect", "--config", f"oci:{shop.path}/out:1.0"]))
    assert config["config"]["Cmd"] == ["/srv/app/run.sh"]
    assert config["config"]["WorkingDir"] == "/srv/app"
    base = json.loads(subprocess.check_output(["skopeo", "inspect", "--raw", shop.base]))
    image = json.loads(subprocess.check_output(["skopeo", "inspect", "--raw", f"oci:{shop.path}/out:1.0"]))
    assert image["layers"][:1] == base["layers"], "the base's layer is shipped as it was"
    layers = [entry for entry in config["history"] if not entry.get("empty_layer")]
    assert len(layers) == len(config["rootfs"]["diff_ids"]) == 2
    assert not any("TEST" in entry.get("created_by", "") for entry in config["history"])
    assert shop.run("run", "oci:out:1.0").stdout == "hello, world\n"
    assert shop.run("run", "app.metalor").stdout == "hello, world\n"


def test_the_second_build_runs_nothing(shop):
    shop.recipe(HELLO)
    first = shop.events("app.metalor")
    assert len(ran(first)) == 4
    second = shop.events("app.metalor", "--expect-cached")
    assert ran(second) == []
    assert second[-1]["ok"] and second[-1]["cached"] == 4
    assert shop.leftovers() == []


def test_only_the_steps_that_name_an_argument_run_again(shop):
    shop.recipe(HELLO.replace("SH echo", "SH echo first > /first\nSH echo"))
    shop.events("app.metalor")
    again = ran(shop.events("app.metalor", "--arg", "WHO=you"))
    assert again[0].startswith('SH echo "$GREETING') and not any("first" in text for text in again)


def test_expect_cached_names_the_first_miss(shop):
    shop.recipe(HELLO)
    shop.events("app.metalor")
    shop.recipe(HELLO.replace("test -s /hello", "test -f /hello"))
    done = shop.run("build", "app.metalor", "--expect-cached", status=1)
    assert "app.metalor:10:1: error[E0606]" in done.stderr and "TEST SH test -f /hello" in done.stderr


def test_plan_tells_what_would_run(shop):
    shop.recipe(HELLO)
    assert "4 steps would run" in shop.run("plan", "app.metalor").stdout
    shop.events("app.metalor")
    assert "0 steps would run" in shop.run("plan", "app.metalor").stdout
    document = json.loads(shop.run("plan", "app.metalor", "--format", "json").stdout)
    assert len(document["cached"]) == 4


def test_a_failing_step_shows_itself(shop):
    shop.recipe("FROM BASE\nSH echo kept\nSH echo before; printf 'a\\033[2Jb\\n' >&2; exit 3\n")
    done = shop.run("build", "app.metalor", status=1)
    for text in ("app.metalor:3:1: error[E0601]", "exit status 3", "| before", "^[[2J", "the whole output: "):
        assert text in done.stderr
    assert "\x1b" not in done.stderr
    log = Path(done.stderr.split("the whole output: ")[1].splitlines()[0])
    assert log.read_bytes() == b"before\na\x1b[2Jb\n"
    assert shop.leftovers() == []
    failed = next(event for event in shop.events("app.metalor", status=1) if event["event"] == "step-failed")
    assert (failed["status"], failed["line"], failed["number"], failed["tail"][0]) == (3, 3, 2, "before")
    assert ran(shop.events("app.metalor", status=1)) == ["SH echo before; printf 'a\\033[2Jb\\n' >&2; exit 3"]


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ('FROM BASE\nRUN ["/nothere"]\n', 1, "E0602"),
        ("FROM BASE\nUSER nosuchuser\n", 1, "E0605"),
        ("FROM BASE\nTEST SH false\n", 1, "E0608"),
        ("FROM BASE\nSH --timeout=1s sleep 20\n", 1, "E0603"),
        ("FROM BASE\nFILE /etc '''\n  x\n  '''\n", 1, "E0604"),
        ("FROM BASE\nSH kill -9 $$\n", 1, "SIGKILL"),
        ("FROM BASE\nSH --workdir=/nope pwd\n", 1, "error[E0604]: the folder `/nope` to run in does not exist"),
        ('FROM BASE\nRUN --workdir=/etc/group ["/bin/true"]\n', 1, "`/etc/group` to run in is no directory"),
        ("FROM BASE\nCOPY app.metalor /sbin\n", 1, "`/sbin` is a link to a directory in the image"),
        ("FROM rootfs:app.metalor\nSH true\n", 1, "error[E0505]"),
        ("FROM oci:nothere:1\nSH true\n", 1, "E0501"),
        ("FROM BASE-not\nSH true\n", 1, "E0502"),
        ("FROM BASE\nrun true\n", 1, "RUN"),
    ],
)
def test_what_is_wrong_is_said_with_its_code(shop, text, status, said):
    shop.recipe(text)
    assert said in shop.run("build", "app.metalor", status=status).stderr
    assert shop.leftovers() == []


def test_ctrl_c_ends_the_step_and_leaves_nothing(shop):
    shop.recipe("FROM BASE\nSH echo one\nSH sleep 60\n")
    build = shop.start("build", "app.metalor", "--progress", "plain")
    for line in build.stderr:
        if "SH sleep 60" in line:
            break
    time.sleep(0.3)
    began = time.monotonic()
    build.send_signal(signal.SIGINT)
    _, said = build.communicate(timeout=30)
    assert build.returncode == 130
    assert [re.sub(r"[0-9.]+s", "Ts", line) for line in said.splitlines()] == [
        "[stage 1 2/2] stopped after Ts",
        "interrupted after Ts: 1 ran",
    ]
    assert time.monotonic() - began < 10
    assert shop.leftovers() == []
    assert "SH sleep 60" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    again = shop.events("app.metalor", "--expect-cached", status=1)
    assert [event["text"] for event in again if event["event"] == "step-cached"] == ["SH echo one"]


@pytest.mark.parametrize("progress", ["tty", "json"])
def test_an_interrupt_is_said_once(shop, progress):
    shop.recipe("FROM BASE\nSH echo soon; sleep 60\n")
    build = shop.start("build", "app.metalor", "--progress", progress)
    for line in build.stdout if progress == "json" else build.stderr:
        if ("soon" in line and "step-output" in line) if progress == "json" else "    soon" in line:
            break
    build.send_signal(signal.SIGINT)
    out, said = build.communicate(timeout=30)
    assert build.returncode == 130 and "failed" not in said and "Traceback" not in said
    assert said.count("interrupted") == 1
    if progress == "json":
        told = [json.loads(line) for line in out.splitlines()]
        assert [each["event"] for each in told[-2:]] == ["step-stopped", "build-finished"]
        assert told[-1]["interrupted"] and not told[-1]["ok"]
    else:
        assert re.search(r"■ \[stage 1 1/1\] SH echo soon; sleep 60  stopped after [0-9.]+s\n", said)


def test_two_builds_at_once_run_each_step_once(shop):
    shop.recipe("FROM BASE\nSH sleep 1; echo one > /one\nSH sleep 1; echo two > /two\nSH cat /one /two\n")
    builds = [shop.start("build", "app.metalor", "--progress", "json") for _ in range(2)]
    outputs = [build.communicate(timeout=60)[0] for build in builds]
    assert [build.returncode for build in builds] == [0, 0]
    events = [[json.loads(line) for line in output.splitlines()] for output in outputs]
    assert sorted(text for each in events for text in ran(each)) == sorted(
        ["SH sleep 1; echo one > /one", "SH sleep 1; echo two > /two", "SH cat /one /two"]
    )
    assert any("waiting for another build" in event.get("text", "") for each in events for event in each)


def test_two_stores_give_the_same_image(shop):
    shop.recipe(
        HELLO + "\nFROM web AS second\nSH --arg=WHO mkdir -p /deep/er; date > /deep/er/when; rm /deep/er/when\n"
    )
    one = shop.run("build", "app.metalor", "-o", "oci:one:1").stdout
    time.sleep(1.1)
    two = shop.run("build", "app.metalor", "--no-cache", "-o", "oci:two:1", store="other").stdout
    assert one == two and one.startswith("sha256:")


def test_independent_stages_run_at_the_same_time(shop):
    shop.recipe(
        "FROM BASE AS a\nSH sleep 2; echo a > /a\nFROM BASE AS b\nSH sleep 2; echo b > /b\n"
        "FROM scratch\nCOPY --from=a /a /a\nCOPY --from=b /b /b\n"
    )
    events = shop.events("app.metalor", "--jobs", "2")
    order = [(event["event"], event["title"]) for event in events if event.get("text", "").startswith("SH sleep")]
    assert [what for what, _ in order[:2]] == ["step-started", "step-started"]
    assert {title for _, title in order[:2]} == {"a", "b"}


def test_stages_that_are_not_needed_are_skipped(shop):
    shop.recipe("FROM BASE AS a\nSH exit 1\nFROM BASE AS b\nSH true\n")
    events = shop.events("app.metalor")
    assert events[0]["skipped"] == ["a"] and events[-1]["ok"]
    assert shop.events("app.metalor", "--target", "a", status=1)[-1]["ok"] is False


def test_a_failing_stage_ends_the_others(shop):
    shop.recipe(
        "FROM BASE AS a\nSH sleep 60\nFROM BASE AS b\nSH sleep 1; exit 5\n"
        "FROM scratch\nCOPY --from=a /bin /a\nCOPY --from=b /bin /b\n"
    )
    began = time.monotonic()
    events = shop.events("app.metalor", "--jobs", "2", status=1)
    assert time.monotonic() - began < 20
    assert [event["title"] for event in events if event["event"] == "step-failed"] == ["b"]
    assert shop.leftovers() == []


def test_every_output_is_written(shop):
    shop.recipe(HELLO)
    outputs = (
        "oci:out:1",
        "oci-archive:out.oci.tar",
        "docker-archive:out.docker.tar:x/y:1",
        "rootfs:tree",
        "tar:tree.tar",
    )
    shop.run("build", "app.metalor", *(word for output in outputs for word in ("-o", output)))
    assert (shop.path / "tree/hello").read_text() == "hello, world\n"
    listed = subprocess.check_output(["tar", "-tf", shop.path / "tree.tar"], text=True).splitlines()
    assert "hello" in listed and "srv/app/run.sh" in listed
    ids = {
        json.loads(subprocess.check_output(["skopeo", "inspect", "--raw", f"{form}"]))["config"]["digest"]
        for form in (
            f"oci:{shop.path}/out:1",
            f"oci-archive:{shop.path}/out.oci.tar",
            f"docker-archive:{shop.path}/out.docker.tar",
        )
    }
    assert len(ids) == 1
    assert (shop.path / "out.docker.tar").stat().st_size > 0


def test_annotations_are_never_dropped(shop):
    shop.recipe("FROM BASE\nANNOTATE org.example.a=b\nSH true\n")
    done = shop.run("build", "app.metalor", "-o", "docker-archive:x.tar:x:1", status=1)
    assert "app.metalor:2:1: error[E0506]" in done.stderr
    assert not (shop.path / "x.tar").exists()
    shop.run("build", "app.metalor", "-o", "oci:out:1")
    raw = json.loads(subprocess.check_output(["skopeo", "inspect", "--raw", f"oci:{shop.path}/out:1"]))
    assert raw["annotations"] == {"org.example.a": "b"}


def test_export_takes_what_was_built(shop):
    shop.recipe(HELLO)
    assert "metalor run app.metalor" in shop.run("build", "app.metalor").stdout
    digest = shop.run("export", "app", "oci:out:1").stdout
    assert shop.run("build", "app.metalor", "--expect-cached", "-o", "oci:out2:1").stdout == digest
    assert "nothing was built" in shop.run("export", "other", "oci:x:1", status=2).stderr


def test_tests_can_be_left_out(shop):
    shop.recipe("FROM BASE\nSH true\nTEST SH false\n")
    done = shop.run("build", "app.metalor", "--no-tests")
    assert "left out 1 test " in done.stderr and "line 3: TEST SH false" in done.stderr


def test_a_stage_on_a_stage_inherits_layers(shop):
    shop.recipe("FROM BASE AS a\nSH echo a > /a\nFROM a AS b\nENV X=1\nSH echo b > /b\n")
    shop.run("build", "app.metalor", "-o", "oci:out:b")
    shop.run("build", "app.metalor", "--target", "a", "-o", "oci:out:a")
    layers = [
        json.loads(subprocess.check_output(["skopeo", "inspect", "--raw", f"oci:{shop.path}/out:{tag}"]))["layers"]
        for tag in "ab"
    ]
    assert len(layers[0]) == 2 and len(layers[1]) == 3 and layers[1][:2] == layers[0]


def test_bases_of_every_local_kind(shop):
    shop.recipe(HELLO)
    shop.run(
        "build",
        "app.metalor",
        "-o",
        "oci-archive:base.tar:1",
        "-o",
        "docker-archive:base.docker.tar:b:1",
        "-o",
        "rootfs:tree",
        "-o",
        "tar:tree.tar",
    )
    for number, base in enumerate(
        ("oci-archive:base.tar:1", "docker-archive:base.docker.tar:b:1", "rootfs:tree", "rootfs:tree.tar")
    ):
        shop.recipe(f'FROM {base}\nSH cat /hello > /copy\nCMD ["/bin/busybox", "cat", "/copy"]\n', f"use{number}")
        shop.run("build", f"use{number}.metalor", "-o", f"oci:out:{number}")
        assert shop.run("run", f"oci:out:{number}").stdout == "hello, world\n"


def test_umoci_unpacks_the_same(shop):
    shop.recipe(HELLO)
    own = shop.run("build", "app.metalor", "-o", "oci:one:1").stdout
    umoci = shop.run("build", "app.metalor", "--unpacker", "umoci", "-o", "oci:two:1", store="other").stdout
    assert own == umoci


@pytest.mark.parametrize(
    "words", [("--", "/bin/sh", "-c", "exit 7"), ("--network", "none", "--", "/bin/sh", "-c", "exit 7")]
)
def test_run_gives_the_commands_status(shop, words):
    shop.recipe(HELLO)
    shop.run("run", "app.metalor", *words, status=7)


def test_shell_reads_commands_and_keeps_nothing(shop):
    shop.recipe(HELLO)
    shop.run("build", "app.metalor")
    assert shop.run("shell", "app", input="pwd; echo x > /new; ls /new\n").stdout == "/srv/app\n/new\n"
    assert "new" not in shop.run("run", "app", "--", "/bin/ls", "/").stdout.split()


def test_sigterm_reaches_what_runs(shop):
    shop.recipe(HELLO)
    shop.run("build", "app.metalor")
    child = shop.start("run", "app", "--", "/bin/sh", "-c", "echo ready; sleep 60")
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    assert child.returncode == 143


def test_cache_commands(shop):
    shop.recipe(HELLO)
    shop.run("build", "app.metalor", "-o", "oci:out:1")
    assert shop.run("cache", "path").stdout.strip() == str(shop.path / "store")
    sums = shop.run("cache", "ls").stdout
    assert "app" in sums and "SH echo" not in sums
    assert "SH echo" in shop.run("cache", "ls", "--full").stdout
    assert "no damage" in shop.run("cache", "verify", "--full").stdout
    assert "freed" in shop.run("cache", "gc", "--all").stdout
    assert json.loads(shop.run("cache", "ls", "--format", "json").stdout)["snapshots"] == 0
    assert "build it" in shop.run("run", "app", status=2).stderr
    assert len(ran(shop.events("app.metalor"))) == 4


def test_a_broken_pipe_is_quiet(shop):
    shop.recipe(HELLO)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{' '.join(METALOR)} explain | head -1"],
        cwd=shop.path, env=shop.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == "" and done.stdout.startswith("E01")


def test_doctor_says_yes(shop):
    done = shop.run("doctor", "--format", "json")
    assert json.loads(done.stdout)["ok"] is True


def test_binds_show_contexts_and_stages_and_leave_nothing(shop):
    (shop.path / "data").mkdir()
    (shop.path / "data/f").write_text("from the context\n")
    shop.recipe(
        "FROM BASE AS one\nSH echo from the stage > /one\nFROM BASE\n"
        "SH --bind=data:/mnt cat /mnt/f > /got\nSH --bind=one:/one:/there cat /there >> /got\n"
        "SH --tmpfs=/quick touch /quick/x\nTEST SH ! [ -e /mnt ] && ! [ -e /there ] && ! [ -e /quick ]\n"
        'CMD ["/bin/cat", "/got"]\n'
    )
    shop.run("build", "app.metalor")
    assert shop.run("run", "app").stdout == "from the context\nfrom the stage\n"
    (shop.path / "data/f").write_text("changed\n")
    assert ran(shop.events("app.metalor"))[0].startswith("SH --bind=data:/mnt")


def test_what_the_caller_keeps_secret_is_nowhere(shop, monkeypatch):
    """His environment, his files and the password of his proxy: not in image, config, history, log or store."""
    words = {"env": "e7b1-kept-env", "file": "e7b1-kept-file", "proxy": "e7b1-kept-proxy"}
    monkeypatch.setenv("CALLERS_TOKEN", words["env"])
    (shop.path / "src").mkdir()
    (shop.path / "src/key").write_text(words["file"])
    (shop.path / ".metalorignore").write_text("key\n")
    shop.recipe(
        "FROM BASE\nSH env | cut -d= -f1 | sort > /names; cat /proc/1/environ > /init || true\n"
        'SH test -n "$http_proxy"\nCOPY src/ /src/\nCMD ["/bin/true"]\n'
    )
    proxy = f"http_proxy=http://user:{words['proxy']}@127.0.0.1:9"
    outputs = ("-o", "oci:out:1", "-o", "docker-archive:image.tar:app:1", "-o", "rootfs:tree")
    shop.run("build", "app.metalor", "--arg", proxy, *outputs)
    names = (shop.path / "tree/names").read_text().split()
    assert "CALLERS_TOKEN" not in names and "http_proxy" in names
    look = ["grep", "-rlE", "|".join(words.values()), "out", "tree", "store", "image.tar"]
    assert subprocess.run(look, cwd=shop.path, capture_output=True, text=True).stdout == ""
    layers = b"".join(gzip.decompress(path.read_bytes()) for path in layer_blobs(shop.path / "out"))
    assert b"http_proxy" in layers and not [word for word in words.values() if word.encode() in layers]


def layer_blobs(layout):
    return [path for path in (layout / "blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b"]
