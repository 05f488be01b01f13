"""`metalor why`: what it says would run is what then runs, and for what."""

import json
import os
import re
import shutil

import pytest

from tests.support.workshop import Workshop

pytestmark = pytest.mark.integration

RECIPE = """\
ARG VERSION=1
FROM BASE AS build
SH echo one > /one
COPY site/ /src/
SH echo $VERSION > /version
SH --fresh=1h echo fresh
FROM build AS web
ENV MODE=a
SH echo $MODE
TEST SH test -e /version
CMD ["cat", "/one"]
"""
STEPS = ["build.1", "build.2", "build.3", "build.4", "web.2", "web.3"]


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path)
    workshop.recipe(RECIPE)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("one\n")
    (tmp_path / "site/other.html").write_text("two\n")
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def why(shop, *words):
    """By step: its words, of `metalor why --format json`."""
    document = json.loads(shop.run("why", "app.metalor", "--format", "json", *words).stdout)
    assert document["would_run"] == sum(step["runs"] for step in document["steps"])
    return {f"{step['stage']}.{step['number']}": step.get("words") for step in document["steps"]}


def ran(shop, *words):
    """By step that a build runs: the words that its progress has for it."""
    done = shop.run("build", "app.metalor", "--progress", "json", *words)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        f"{event['title']}.{event['number']}": event["why"]["words"]
        for event in events
        if event["event"] == "step-started"
    }


def edit(shop, old, new):
    path = shop.path / "app.metalor"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


CHANGES = {
    "a file": (
        lambda shop: (shop.path / "site/index.html").write_text("other\n"),
        {"build.2": "site/index.html changed", "build.3": "step 2 changed", "web.2": "step 2 of build changed"},
    ),
    "a mode": (
        lambda shop: (shop.path / "site/index.html").chmod(0o755),
        {"build.2": "site/index.html changed its mode"},
    ),
    "a new file": (
        lambda shop: (shop.path / "site/new").write_text("other\n"),
        {"build.2": "site/new is new"},
    ),
    "a file gone": (
        lambda shop: (shop.path / "site/other.html").unlink(),
        {"build.2": "site/other.html is gone"},
    ),
    "two files": (
        lambda shop: [(shop.path / "site" / name).write_text("x") for name in ("index.html", "new")],
        {"build.2": "site/index.html changed, and 1 more"},
    ),
    "an ignore file": (
        lambda shop: (shop.path / ".metalorignore").write_text("other.html\n"),
        {"build.2": "site/other.html is ignored now"},
    ),
    "a default": (
        lambda shop: edit(shop, "VERSION=1", "VERSION=2"),
        {"build.3": "argument VERSION 1 → 2", "build.4": "step 3 changed"},
    ),
    "a statement": (
        lambda shop: edit(shop, "echo one", "echo two"),
        {"build.1": "the statement changed", "build.2": "step 1 changed"},
    ),
    "a variable": (
        lambda shop: edit(shop, "MODE=a", "MODE=b"),
        {"web.2": "variable MODE a → b", "web.3": "variable MODE a → b"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_it_says_would_run_runs_for_the_same_words(shop, name):
    assert set(ran(shop)) == set(STEPS)
    assert why(shop) == {}
    change, expected = CHANGES[name]
    change(shop)
    said = why(shop)
    assert expected.items() <= said.items()
    failed = shop.run("build", "app.metalor", "--expect-cached", status=1)
    first = next(step for step in STEPS if step in said)
    assert f"this step is not in the cache: {said[first]}" in failed.stderr
    assert why(shop) == said  # a build that may run nothing is no build to compare with
    assert ran(shop) == said
    assert why(shop) == {}


def test_an_argument_that_is_only_asked_about(shop):
    ran(shop)
    assert why(shop, "--arg", "VERSION=9")["build.3"] == "argument VERSION 1 → 9"
    assert why(shop) == {}


def test_a_build_back_to_what_was_there_runs_nothing_and_is_the_last_one(shop):
    ran(shop)
    assert ran(shop, "--arg", "VERSION=2")["build.3"] == "argument VERSION 1 → 2"
    assert ran(shop) == {}
    assert why(shop, "--arg", "VERSION=3")["build.3"] == "argument VERSION 1 → 3"


def test_results_that_are_gone(shop):
    ran(shop)
    key = json.loads(shop.run("plan", "app.metalor", "--format", "json").stdout)["stages"][0]["steps"][1]["key"]
    record = shop.path / "store/steps" / f"{key.removeprefix('sha256:')}.json"
    record.unlink()
    said = why(shop)
    assert said["build.2"] == "its result is gone from the store"
    assert said["build.3"] == "step 2 ran again"
    assert ran(shop) == said


def test_a_recipe_that_was_never_built(shop):
    assert set(why(shop).values()) == {"never built"}


def test_no_cache(shop):
    ran(shop)
    assert set(ran(shop, "--no-cache").values()) == {"--no-cache"}


def test_a_test_that_was_left_out_or_failed_has_no_result(shop):
    shop.run("build", "app.metalor", "--no-tests")
    assert ran(shop) == {"web.3": "the last build has no result of it"}
    edit(shop, "test -e /version", "test -e /nothing")
    shop.run("build", "app.metalor", status=1)
    assert why(shop)["web.3"] == "the last build has no result of it"


def test_many_files_are_counted_in_words_too(shop):
    for number in range(50):
        (shop.path / f"site/{number:02}").touch()
    shop.run("build", "app.metalor")
    for number in range(50):
        (shop.path / f"site/{number:02}").write_text("more")
    assert why(shop)["build.2"] == "site/00 changed, and 49 more"
    assert "  and 30 more files\n" in shop.run("why", "app.metalor", "build.2").stdout


@pytest.fixture
def tree(shop):
    """A stage, and another one, on a root file system of this machine."""
    root = shop.path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "bin").mkdir()
    for name in ("passwd", "hosts", "motd"):
        (root / "etc" / name).write_text(f"{name}\n")
    (root / "bin/sh").symlink_to("dash")
    shop.recipe("FROM rootfs:root AS one\nWORKDIR /a\nFROM rootfs:root\nCOPY --from=one /a /a\n")
    shop.run("build", "app.metalor")
    return root


def touched(path, seconds=7):
    os.utime(path, (seconds, seconds), follow_symlinks=False)


IN_A_TREE = {
    "bytes": (lambda root: (root / "etc/motd").write_text("MOTD\n"), ["root/etc/motd changed: sha256:"]),
    "a size": (lambda root: (root / "etc/motd").write_text("longer\n"), ["root/etc/motd changed: 5 bytes → 7 bytes"]),
    "a byte": (lambda root: (root / "etc/motd").write_text("m"), ["root/etc/motd changed: 5 bytes → 1 byte"]),
    "a mode": (lambda root: (root / "etc/motd").chmod(0o600), ["root/etc/motd changed its mode: 644 → 600"]),
    "its own mode": (lambda root: root.chmod(0o700), ["root changed its mode: 755 → 700"]),
    "an owner": (lambda root: os.chown(root / "etc/motd", 5, 7), ["root/etc/motd belongs to another: 0:0 → 5:7"]),
    "a time": (lambda root: touched(root / "etc/motd"), ["root/etc/motd has another time"]),
    "the time of a directory": (lambda root: touched(root / "etc"), ["root/etc has another time"]),
    "a link": (
        lambda root: ((root / "bin/sh").unlink(), (root / "bin/sh").symlink_to("bash")),
        ["root/bin/sh points elsewhere: dash → bash"],
    ),
    "a kind": (
        lambda root: ((root / "bin/sh").unlink(), (root / "bin/sh").mkdir()),
        ["root/bin/sh became something else: link → directory"],
    ),
    "a fifo": (lambda root: os.mkfifo(root / "etc/fifo"), ["root/etc/fifo is new"]),
    "a folder": (
        lambda root: ((root / "new/deep").mkdir(parents=True), (root / "new/deep/file").touch()),
        ["root/new is new"],
    ),
    "less": (lambda root: shutil.rmtree(root / "etc"), ["root/etc is gone"]),
    "much": (
        lambda root: ((root / "etc/hosts").unlink(), touched(root / "etc/motd"), (root / "a").touch()),
        ["root/a is new", "root/etc/hosts is gone", "root/etc/motd has another time"],
    ),
    "an attribute": (
        lambda root: os.setxattr(root / "etc/motd", "user.a", b"1"),
        ["all names, sizes, modes, owners and times are the same: the bytes of a file or an attribute are not"],
    ),
}


@pytest.mark.parametrize("name", IN_A_TREE)
def test_what_is_another_in_a_tree_of_this_machine(shop, tree, name):
    edit_tree, said = IN_A_TREE[name]
    edit_tree(tree)
    done = shop.run("why", "app.metalor").stdout
    first, second = re.findall(r"  because what .* changed(?:, as said above|(?:.*\n    .*)*)", done)
    assert second.endswith("changed, as said above")
    lines = [line.strip() for line in first.splitlines()[1:]]
    assert lines[0].startswith("the base rootfs:root: sha256:")
    assert len(lines) - 1 == len(said) and all(map(str.startswith, lines[1:], said)), lines


def test_a_tree_that_was_copied_anew_tells_first_what_is_more_than_a_time(shop, tree):
    for number in range(40):
        (tree / f"etc/{number:02}").touch()
    shop.run("build", "app.metalor")
    shutil.copytree(tree, shop.path / "copy", symlinks=True)
    for path in (shop.path / "copy").rglob("*"):
        touched(path)
    (shop.path / "copy/etc/passwd").write_text("PASSWD\n")
    shutil.rmtree(tree)
    (shop.path / "copy").rename(tree)
    done = shop.run("why", "app.metalor").stdout
    lines = done.splitlines()
    assert (
        lines[4].startswith("    root/etc/passwd changed: sha256:") and lines[5] == "    root/etc/00 has another time"
    )
    assert done.count("has another time") == 19 and "    and 23 more files\n" in done
    assert ran(shop)["one.1"] == "root/etc/passwd changed, and 42 more"


def test_of_an_archive_and_of_a_tree_that_is_gone_only_that_is_said(shop, tree):
    (tree / "etc/motd").unlink()
    shutil.rmtree(shop.path / "store/steps")
    done = shop.run("why", "app.metalor").stdout
    assert "    the tree that it was is not in the store any more\n" in done
    shop.recipe("FROM rootfs:root.tar AS one\nWORKDIR /a\n")
    shutil.make_archive(str(tree), "tar", tree)
    shop.run("build", "app.metalor")
    (tree / "new").touch()
    shutil.make_archive(str(tree), "tar", tree)
    done = shop.run("why", "app.metalor").stdout
    assert "    what is in an archive is not compared\n" in done
    assert ran(shop) == {"one.1": "the base rootfs:root.tar changed"}
