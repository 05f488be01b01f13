"""Locks with a real registry, web server and git server, all of which move on after the lock was written."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

from metalor_lang.build.foreseen import foresee
from metalor_lang.build.locked import read_lock_file
from metalor_lang.build.reading import RecipeOptions, open_contexts
from metalor_lang.checker.checker import check
from metalor_lang.checker.program import Platform
from metalor_lang.plan.lockfile import FACTS, SECTIONS, read_lock, write_lock
from metalor_lang.record import replace
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from tests.support.bases import base, reference
from tests.support.documents import ROOT, fences
from tests.support.gitserver import forge
from tests.support.ordinary import NAME, run_as_user
from tests.support.registry import registries_conf, registry
from tests.support.web import site
from tests.support.workshop import METALOR, Workshop

pytestmark = pytest.mark.integration

AMD = Platform(os="linux", arch="amd64")
REFERENCE = ROOT / "docs" / "reference"
OFFLINE = ("unshare", "--net")
"""A network namespace of its own, in which not even the loopback interface is up."""


def push(source, target, *flags):
    words = [
        "skopeo",
        "--insecure-policy",
        "copy",
        "-q",
        "--dest-tls-verify=false",
        *flags,
        source,
        f"docker://{target}",
    ]
    subprocess.run(words, check=True, capture_output=True)


class World:
    """Three servers, and what they give now."""

    def __init__(self, folder, host, web, git):
        self.folder, self.host, self.web, self.git = folder, host, web, git
        self.shop = Workshop(folder / "two")
        self.shop.path.mkdir()
        for number in (1, 2):
            self.shop.recipe(f"FROM BASE\nFILE /version {chr(39) * 3}\n{number}\n{chr(39) * 3}\nENV NUMBER={number}\n")
            self.shop.run("build", "app.metalor", "-o", f"oci:made{number}:1")

    def base(self, number):
        push(f"oci:{self.shop.path}/made{number}:1", f"{self.host}/team/base:1")
        index = json.loads((self.shop.path / f"made{number}/index.json").read_bytes())
        return index["manifests"][0]["digest"]

    def data(self, text):
        (self.web.www / "data").write_text(text)
        return hashlib.sha256(text.encode()).hexdigest()

    def commit(self, text):
        return self.git.commit("tools", {"tool": text})

    def first(self):
        return self.base(1), self.data("data 1\n"), self.commit("tool 1\n")

    def second(self):
        # Of another length: nginx tells versions apart by seconds and length.
        return self.base(2), self.data("data of the second\n"), self.commit("tool 2\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    with (
        registry(folder / "registry") as host,
        site(folder / "site") as web,
        forge(folder / "forge") as git,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries_conf(folder, host)))
        yield World(folder, host, web, git)


@pytest.fixture
def shop(tmp_path, world):
    workshop = Workshop(tmp_path)
    workshop.recipe(f"""\
FROM {world.host}/team/base:1 AS work
FETCH --unpinned --fresh=1h {world.web.http}/data /data
GIT --unpinned=main {world.git.url}/tools /tools
SH cat /version /data /tools/tool > /all

FROM work
TEST RUN ["/bin/busybox", "grep", "tool", "/all"]
""")
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def locked(shop):
    return read(shop.path / "app.lock")


def read(path):
    lock, wrong = read_lock(SourceFile(str(path), path.read_text()), "metalor lock")
    assert wrong == ()
    return lock


def offline(shop, *words, store="store", status=0):
    done = subprocess.run(
        [*OFFLINE, *METALOR, *words], cwd=shop.path, env=shop.environment(store), capture_output=True, text=True
    )
    assert done.returncode == status, f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def contents(shop, **how):
    return shop.run("run", "app.metalor", "--", "/bin/cat", "/all", **how).stdout


def test_a_lock_holds_what_everything_is_and_no_layer_was_fetched(world, shop):
    digest, data, commit = world.first()
    said = shop.run("lock", "app.metalor").stdout
    lock = locked(shop)
    name = f"{world.host}/team/base:1"
    (info,) = lock.bases[name].values()
    assert (info.digest, dict(info.state.env)["NUMBER"]) == (digest, "1")
    assert lock.fetched == {f"{world.web.http}/data": data}
    assert lock.commits == {f"{world.git.url}/tools": {"main": commit}}
    assert f"  {name} (linux/amd64)  {digest[7:19]} (new)\n" in said and "app.lock: 3 new; for linux/amd64" in said
    assert list((shop.path / "store").glob("images/layouts/*")) == []
    before = (shop.path / "app.lock").stat()
    assert shop.run("lock", "app.metalor").stdout == "app.lock is up to date\n"
    assert (shop.path / "app.lock").stat().st_ino == before.st_ino


def test_a_locked_rebuild_with_a_full_store_has_no_use_for_a_network(world, shop):
    world.first()
    shop.run("lock", "app.metalor")
    image = shop.run("build", "app.metalor", "--locked", "-o", "oci:first:1").stdout
    world.second()
    assert offline(shop, "build", "app.metalor", "--locked", "--expect-cached", "-o", "oci:second:1").stdout == image
    assert offline(shop, "build", "app.metalor", "--locked", "--no-cache", "-o", "oci:third:1").stdout == image
    assert offline(shop, "check", "app.metalor").stdout == "app.metalor: right\n"
    assert "0 steps would run" in offline(shop, "plan", "app.metalor", "--locked").stdout
    assert offline(shop, "lock", "app.metalor", "--check").stdout == "app.lock is up to date\n"
    # What no recent build needs is thrown away, and a lock makes no difference to what that is.
    offline(shop, "cache", "gc")
    offline(shop, "build", "app.metalor", "--locked", "--expect-cached")
    # The negative control: without the lock the same command needs somebody to ask.
    (shop.path / "app.lock").unlink()
    assert "error[E0504]" in offline(shop, "build", "app.metalor", status=1).stderr


def test_a_locked_build_with_an_empty_store_brings_what_was_locked(world, shop):
    world.first()
    shop.run("lock", "app.metalor")
    image = shop.run("build", "app.metalor", "-o", "oci:first:1").stdout
    world.base(2)
    world.commit("tool 2\n")
    assert shop.run("build", "app.metalor", "--locked", "-o", "oci:second:1", store="empty").stdout == image
    # What cannot be had any more is an error, and never another thing.
    world.data("data 2\n")
    done = shop.run("build", "app.metalor", "--locked", store="other", status=1)
    assert "error[E0610]" in done.stderr
    (shop.path / "app.lock").unlink()
    assert contents(shop, store="third") == "2\ndata 2\ntool 2\n"


def test_update_takes_what_is_named_and_nothing_else(world, shop):
    digest, data, commit = world.first()
    shop.run("lock", "app.metalor")
    newer, newer_data, newer_commit = world.second()
    assert shop.run("lock", "app.metalor").stdout == "app.lock is up to date\n"
    name = f"{world.host}/team/base:1"
    said = shop.run("lock", "app.metalor", "--update", name).stdout
    assert said == f"  {name} (linux/amd64)  {digest[7:19]} → {newer[7:19]}\napp.lock: 1 changed; for linux/amd64\n"
    lock = locked(shop)
    assert [info.digest for info in lock.bases[name].values()] == [newer]
    assert lock.fetched == {f"{world.web.http}/data": data}
    shop.run("lock", "app.metalor", "--update", f"{world.git.url}/tools main")
    assert locked(shop).commits == {f"{world.git.url}/tools": {"main": newer_commit}} != {"": {"main": commit}}
    shop.run("lock", "app.metalor", "--update")
    assert locked(shop).fetched == {f"{world.web.http}/data": newer_data}
    done = shop.run("lock", "app.metalor", "--update", f"{world.host}/team/bose:1", status=2)
    assert f"did you mean {name}?" in done.stderr


def test_what_was_built_on_is_what_is_written_down(world, shop):
    """A tag that is in the store already is not asked for: the lock says what the build before it stood on."""
    digest, _, _ = world.first()
    shop.run("build", "app.metalor")
    world.base(2)
    shop.run("lock", "app.metalor")
    ((info,),) = (found.values() for found in locked(shop).bases.values())
    assert info.digest == digest


def test_an_unlocked_cached_build_of_what_the_recipe_pins_needs_no_network(world, shop):
    _, data, commit = world.first()
    shop.recipe(f"""\
FROM {world.host}/team/base:1
FETCH --sha256={data} {world.web.http}/data /data
GIT --commit={commit} {world.git.url}/tools /tools
""")
    shop.run("build", "app.metalor")
    offline(shop, "build", "app.metalor", "--expect-cached")
    offline(shop, "build", "app.metalor", "--no-cache")


def test_what_is_not_in_the_lock_is_resolved_with_one_notice_and_refused_when_locked(world, shop):
    world.first()
    shop.run("lock", "app.metalor")
    (world.web.www / "more").write_text("more\n")
    text = (shop.path / "app.metalor").read_text()
    shop.recipe(f"{text}FETCH --unpinned {world.web.http}/more /more\nFROM BASE\nCOPY --from=tail / /\n".replace(
        "FROM work\n", "FROM work AS tail\n"
    ))  # fmt: skip
    events = shop.events("app.metalor")
    (notice,) = [each["text"] for each in events if each["event"] == "notice"]
    assert notice == (
        f"app.lock does not have {world.web.http}/more, {reference('busybox')} for linux/amd64: resolved as without a"
        " lock; `metalor lock app.metalor` writes it down"
    )
    assert f"metalor: {notice}\n" == shop.run("plan", "app.metalor").stderr
    assert f"metalor: {notice}\n" == shop.run("run", "app.metalor", "--", "/bin/true").stderr
    asked = len(world.web.asked())
    done = shop.run("build", "app.metalor", "--locked", status=1, store="empty")
    assert done.stderr.count("error[E0704]") == 2 and "help: write it down: metalor lock app.metalor" in done.stderr
    assert len(world.web.asked()) == asked and not (shop.path / "empty/images").exists()
    assert events[-1]["ok"]
    assert [each for each in shop.events("app.metalor", "--target", "work") if each["event"] == "notice"] == []


def test_check_settles_from_the_lock_alone_what_only_a_base_can(world, shop):
    """Without the store, the registry or a network: what a base sets, and what it does not."""
    world.first()
    shop.recipe(f"FROM {world.host}/team/base:1\nENV SAID=${{NUMBER}}\nUNSET ENV NUMBER\n")
    assert (
        "1 name waits for the base's environment, which `metalor lock` looks up: NUMBER"
        in shop.run("check", "app.metalor", store="no").stdout
    )
    shop.run("lock", "app.metalor")
    assert offline(shop, "check", "app.metalor", store="no").stdout == "app.metalor: right\n"
    assert offline(shop, "check", "--locked", "app.metalor", store="no").stdout == "app.metalor: right\n"
    shop.recipe(f"FROM {world.host}/team/base:1\nENV SAID=${{NUMBER}}${{OTHER}}\nUNSET LABEL a\n")
    done = offline(shop, "check", "app.metalor", store="no", status=1)
    assert "2:19: error[E0301]: `OTHER` is not defined" in done.stderr
    assert "there is nothing to take away" in done.stderr
    assert not (shop.path / "no").exists()


def test_a_session_on_a_locked_recipe_goes_by_the_lock(world, shop):
    world.first()
    shop.run("lock", "app.metalor")
    world.second()
    said = shop.run("repl", "app.metalor", "-c", 'RUN ["/bin/cat", "/all"]', store="empty", status=1)
    assert "error[E0610]" in said.stderr  # the base came; the file that the lock wants is gone
    world.data("data 1\n")
    said = shop.run("repl", "app.metalor", "-c", 'RUN ["/bin/cat", "/all"]', store="empty")
    assert "1\ndata 1\ntool 1\n" in said.stdout


def test_a_base_of_this_machine_is_noted_as_it_is_and_may_not_change_when_locked(world, shop):
    layout = shop.path / "layout"
    shutil.copytree(world.shop.path / "made1", layout)
    (shop.path / "tree").mkdir()
    (shop.path / "tree/file").write_text("one")
    for kind in ("oci-archive", "docker-archive"):
        words = ["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:1", f"{kind}:{shop.path}/{kind}.tar:a:1"]
        subprocess.run(words, check=True, capture_output=True)
    shop.recipe("FROM oci:layout:1 AS one\nFROM rootfs:tree AS two\nFROM one\nCOPY --from=two /file /file\n")
    right = (shop.path / "app.metalor").read_text()
    shop.recipe(f"FROM oci-archive:oci-archive.tar AS a\nFROM docker-archive:docker-archive.tar AS b\n{right}")
    shop.run("lock", "app.metalor")
    assert [name.partition(":")[0] for name in locked(shop).bases] == ["docker-archive", "oci-archive", "oci", "rootfs"]
    for stage in ("a", "b"):
        shop.run("build", "app.metalor", "--locked", "--target", stage)
    shop.recipe(right)
    assert shop.run("lock", "app.metalor").stdout.count("(gone)") == 2
    shop.run("build", "app.metalor", "--locked")
    shop.run("lock", "app.metalor", "--check")
    shutil.rmtree(layout)
    shutil.copytree(world.shop.path / "made2", layout)
    (shop.path / "tree/file").write_text("two")
    for words in (("build", "app.metalor", "--locked"), ("lock", "app.metalor", "--check")):
        said = shop.run(*words, status=1).stderr
        assert said.count("error[E0705]") == 2 and "oci:layout:1 is not what app.lock says: " in said
    events = shop.events("app.metalor")
    (notice,) = [each["text"] for each in events if each["event"] == "notice"]
    assert notice == (
        "app.lock has another oci:layout:1, rootfs:tree: taken as it is now; `metalor lock app.metalor` writes it down"
    )
    said = shop.run("lock", "app.metalor").stdout
    assert said.count(" → ") == 2 and "app.lock: 2 changed" in said
    shop.run("build", "app.metalor", "--locked", "--expect-cached")


def test_every_stage_and_every_platform_that_is_asked_for_is_in_it(world, shop):
    world.first()
    push(f"oci:{base('busybox-multi')}:12", f"{world.host}/multi:1", "--all")
    (world.web.www / "tool-arm64").write_text("arm")
    (world.web.www / "tool-amd64").write_text("amd")
    shop.recipe(f"""\
ARG NUMBER=1
FROM --platform=${{BUILDPLATFORM}} {world.host}/multi:1 AS builder
FROM {world.host}/team/base:${{NUMBER}} AS unneeded
FROM {world.host}/multi:1
FETCH --unpinned {world.web.http}/tool-${{TARGETARCH}} /tool
COPY --from=builder /bin/busybox /builder
""")
    both = ("--platform", "linux/amd64,linux/arm64")
    done = shop.run("lock", "app.metalor", *both, status=1)
    assert f"{world.host}/team/base:1 is not there for linux/arm64; it is there for linux/amd64" in done.stderr
    assert "3:6: error[E0502]" in done.stderr  # a stage that the target does not need is locked, so it must be right
    shop.recipe((shop.path / "app.metalor").read_text().replace(" AS unneeded", " AS unneeded").replace(
        f"FROM {world.host}/team", f"FROM --platform=linux/amd64 {world.host}/team"
    ))  # fmt: skip
    shop.run("lock", "app.metalor", *both)
    lock = locked(shop)
    multi = lock.bases[f"{world.host}/multi:1"]
    assert sorted(map(str, multi)) == ["linux/amd64", "linux/arm64"] == sorted(map(str, lock.platforms))
    assert len({info.digest for info in multi.values()}) == 2
    assert f"{world.host}/team/base:1" in lock.bases and len(lock.fetched) == 2
    # Without --platform it stays for both, and --locked knows each.
    assert shop.run("lock", "app.metalor").stdout == "app.lock is up to date\n"
    assert "right" in shop.run("check", "--locked", "--platform", "linux/arm64", "app.metalor").stdout
    done = shop.run("build", "app.metalor", "--locked", "--platform", "linux/amd64,linux/riscv64", status=1)
    assert "error[E0706]: app.lock is not for linux/riscv64: it is for linux/amd64, linux/arm64" in done.stderr
    # All of it is told at once, before anything is asked for: each platform, and what each of them lacks.
    done = shop.run("build", "app.metalor", "--locked", "--platform", "linux/s390x,linux/riscv64", status=1)
    assert "is not for linux/s390x and linux/riscv64: it is for linux/amd64, linux/arm64" in done.stderr
    assert " ".join(done.stderr.split()).count("--platform linux/amd64,linux/arm64,linux/s390x,linux/riscv64") == 1
    whole = (shop.path / "app.lock").read_text()
    (shop.path / "app.lock").write_text(write_lock(replace(
        lock, fetched={}, bases={**lock.bases, f"{world.host}/multi:1": {AMD: multi[AMD]}}
    )))  # fmt: skip
    done = shop.run("build", "app.metalor", "--locked", *both, status=1, store="empty")
    assert done.stderr.count("error[E0704]") == 3 and "multi:1 for linux/arm64 is not in app.lock" in done.stderr
    assert done.stderr.count("tool-amd64") == done.stderr.count("tool-arm64") == 1
    assert not (shop.path / "empty/images").exists()
    (shop.path / "app.lock").write_text(whole)
    said = shop.run("lock", "app.metalor", "--platform", "linux/amd64").stdout
    assert said.count("(gone)") == 2 and "for linux/amd64\n" in said
    # What was chosen by manifest and configuration alone is what skopeo brings for that platform.
    shop.run("build", "app.metalor", "--locked")
    shop.run("build", "app.metalor", "-o", "oci:unlocked:1", store="other")


def test_a_base_that_the_recipe_pins_is_there_for_what_must_be_known_of_it(world, shop):
    push(f"oci:{base('busybox-multi')}:12", f"{world.host}/multi:1", "--all")
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{world.host}/multi:1"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    index = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    shop.recipe(f"FROM {world.host}/multi@{index}\nENV SAID=${{PATH}}\n")
    shop.run("lock", "app.metalor")
    ((info,),) = (found.values() for found in locked(shop).bases.values())
    assert info.digest in {each["digest"] for each in json.loads(raw)["manifests"]}
    assert offline(shop, "check", "app.metalor", "--locked", store="no").stdout == "app.metalor: right\n"
    shop.run("build", "app.metalor", "--locked")
    offline(shop, "build", "app.metalor", "--locked", "--expect-cached")


def test_arguments_that_name_others_are_added_or_take_their_places(world, shop):
    world.first()
    push(f"oci:{world.shop.path}/made2:1", f"{world.host}/team/base:2")
    shop.recipe(f"ARG NUMBER=1\nFROM {world.host}/team/base:${{NUMBER}}\n")
    names = [f"{world.host}/team/base:{number}" for number in (1, 2)]
    shop.run("lock", "app.metalor")
    assert list(locked(shop).bases) == names[:1]
    assert "base:2 for linux/amd64 is not in app.lock" in shop.run(
        "check", "app.metalor", "--locked", "--arg", "NUMBER=2", status=1
    ).stderr  # fmt: skip
    shop.run("lock", "app.metalor", "--arg", "NUMBER=2", "--add")
    assert list(locked(shop).bases) == names
    for number in "12":
        shop.run("check", "app.metalor", "--locked", "--arg", f"NUMBER={number}")
    done = shop.run("lock", "app.metalor", "--check", status=1)
    assert done.stderr.startswith("app.lock:") and f"the recipe does not name {names[1]} (linux/amd64)" in done.stderr
    shop.run("lock", "app.metalor", "--check", "--add")
    shop.run("lock", "app.metalor", "--arg", "NUMBER=2")
    assert list(locked(shop).bases) == names[1:]


def test_an_imported_recipe_is_noted_as_it_is(world, shop):
    world.first()
    common = f"DEFINE news\n    FETCH --unpinned {world.web.http}/data /data\nEND\n"
    (shop.path / "common.metalor").write_text(common)
    shop.recipe(f"IMPORT common.metalor AS common\nFROM {world.host}/team/base:1\nUSE common.news\n")
    shop.run("lock", "app.metalor")
    digest = hashlib.sha256(common.encode()).hexdigest()
    assert locked(shop).imports == {"common.metalor": digest} and f"{world.web.http}/data" in locked(shop).fetched
    shop.run("build", "app.metalor", "--locked")
    (shop.path / "common.metalor").write_text(f"# other\n{common}")
    for words in (("build", "app.metalor", "--locked"), ("lock", "app.metalor", "--check")):
        said = shop.run(*words, status=1).stderr
        assert f"1:8: error[E0705]: common.metalor is not what app.lock says: {digest[:12]} there" in said
    events = shop.events("app.metalor", "--expect-cached")
    assert ["app.lock has another common.metalor" in each["text"] for each in events if each["event"] == "notice"] == [
        True
    ]
    assert shop.run("lock", "app.metalor").stdout.startswith(f"  common.metalor  {digest[:12]} → ")
    assert shop.run("lock", "app.metalor", "--add").stdout == "app.lock is up to date\n"
    shop.run("build", "app.metalor", "--locked")


def test_git_merges_locks_by_lines_and_either_side_of_a_conflict_will_do(world, shop):
    """Real merges: of facts that lie apart, and of two that were added at one place."""
    for name in "abcd":
        (world.web.www / name).write_text(name)

    def version(label, names, *words):
        if (shop.path / "old").exists():
            shutil.copy(shop.path / "old", shop.path / "app.lock")
        fetches = "".join(f"FETCH --unpinned {world.web.http}/{name} /{name}\n" for name in names)
        shop.recipe(f"FROM BASE\n{fetches}GIT --unpinned=main {world.git.url}/tools /tools\n")
        shop.run("lock", "app.metalor", *words)
        return shutil.copy(shop.path / "app.lock", shop.path / label)

    world.commit("tool 1\n")
    old, added, other = (version(*each) for each in (("old", "ad"), ("added", "abd"), ("other", "acd")))
    world.commit("tool 2\n")
    moved = version("moved", "ad", "--update", f"{world.git.url}/tools")

    def merge(ours, theirs, *flags):
        done = subprocess.run(
            ["git", "merge-file", "-p", *flags, ours, old, theirs], cwd=shop.path, capture_output=True, text=True
        )
        (shop.path / "app.lock").write_text(done.stdout)
        return done.returncode

    assert merge(added, moved) == 0
    lock = locked(shop)
    assert [url[-1] for url in lock.fetched] == ["a", "b", "d"]
    assert lock.commits == read(moved).commits != read(added).commits
    whole = "abcd"
    fetches = "".join(f"FETCH --unpinned {world.web.http}/{name} /{name}\n" for name in whole)
    shop.recipe(f"FROM BASE\n{fetches}GIT --unpinned=main {world.git.url}/tools /tools\n")
    assert merge(added, other) == 1
    assert "error[E0702]: two sides of a merge stand here" in shop.run("check", "app.metalor", status=1).stderr
    for side in ("--ours", "--theirs"):
        assert merge(added, other, side) == 0
        assert shop.run("lock", "app.metalor").stdout.count("(new)") == 1
        assert [url[-1] for url in locked(shop).fetched] == list(whole)


def test_a_damaged_lock_is_told_wherever_the_recipe_is_read(world, shop):
    shop.recipe('FROM BASE\nRUN ["/bin/true"]\n')
    (shop.path / "app.lock").write_text('{"version": 9}\n')
    for words in (
        ("build", "app.metalor"), ("run", "app.metalor"), ("shell", "app.metalor"), ("plan", "app.metalor"),
        ("check", "app.metalor"), ("why", "app.metalor"), ("lock", "app.metalor"), ("lock", "app.metalor", "--check"),
        ("repl", "app.metalor", "-c", ":list"), ("repl", "-c", ":load app.metalor", "-c", ":list"),
    ):  # fmt: skip
        done = shop.run(*words, status=1)
        assert "app.lock:1:2: " in done.stderr and "E0703" in done.stderr, words
        assert "remove the file and write it anew: metalor lock app.metalor" in done.stderr.replace("\n          ", " ")
    (shop.path / "app.lock").unlink()
    shop.run("lock", "app.metalor")
    shop.run("shell", "app.metalor", "--locked", "--", "/bin/true")


def test_an_editor_foresees_what_a_locked_build_would_find(world, shop):
    world.first()
    shop.run("lock", "app.metalor")
    shop.run("build", "app.metalor", "--locked")
    world.second()
    path = shop.path / "app.metalor"
    source = SourceFile(str(path), path.read_text())
    recipe, syntax = parse(source)

    def foreseen():
        lock, _, _ = read_lock_file(path)
        with open_contexts(path, RecipeOptions()) as contexts:
            program, wrong = check(recipe, contexts=contexts, syntax=syntax)
        assert wrong == ()
        return foresee(program, path, {"": shop.path}, shop.path / "store", lock)

    assert len(found := foreseen()) == 4 and all(found.values())
    (shop.path / "app.lock").unlink()
    assert foreseen() is None  # the tag was never fetched, so nobody knows


def test_a_lock_is_copied_only_when_it_is_named(world, shop):
    (shop.path / "other").touch()
    shop.recipe("FROM BASE\n")
    shop.run("lock", "app.metalor")
    shop.recipe("FROM BASE\nCOPY --exclude=store . /all/\nCOPY app.lock /named\n")
    assert shop.run("run", "app.metalor", "--", "/bin/sh", "-c", "ls /all; head -c 1 /named").stdout == "other\n{"


def test_writing_a_lock_changes_nothing_that_a_recipe_copies(world, shop):
    """Of the whole folder, of a folder above it by a name of its own, and of one that a step is shown."""
    (shop.path / "site").mkdir()
    (shop.path / "site/index.html").touch()
    shop.recipe(
        "FROM BASE\nCOPY --exclude=/store . /all/\nCOPY --from=up site/ /site/\n"
        "SH --bind=up:site:/up test -e /up/index.html\n",
        name="site/app",
    )
    words = ("site/app.metalor", "--context", "up=.")
    shop.run("build", *words)
    shop.run("lock", *words)
    shop.run("build", *words, "--locked", "--expect-cached")
    assert "nothing would run" in shop.run("why", *words).stdout
    listed = shop.run("run", *words, "--", "/bin/sh", "-c", "ls /all /site").stdout
    assert listed.split() == ["/all:", "index.html", "/site:", "index.html"]


def test_a_recipe_that_copies_its_own_lock_can_be_locked(world, shop):
    world.first()
    shop.recipe(f"FROM {world.host}/team/base:1\nCOPY app.lock made/later.txt /etc/\n")
    for words in (("check",), ("build", "--locked"), ("build",)):
        done = shop.run(*words, "app.metalor", status=1)
        assert "2:6: error[E0401]: `app.lock` cannot be copied" in done.stderr
        assert "help: it is this recipe's lock; write it: metalor lock app.metalor" in done.stderr
        assert "2:15: error[E0401]: `made/later.txt`" in done.stderr and not (shop.path / "app.lock").exists()
    # Nothing that is copied has to be there: the lock says nothing of it.
    assert "app.lock: 1 new" in shop.run("lock", "app.metalor").stdout
    assert shop.run("lock", "app.metalor", "--check").stdout == "app.lock is up to date\n"
    (shop.path / "made").mkdir()
    (shop.path / "made/later.txt").touch()
    shop.run("build", "app.metalor", "--locked")
    shop.run("build", "app.metalor", "--locked", "--expect-cached")
    assert (
        shop.run("run", "app.metalor", "--", "/bin/cat", "/etc/app.lock").stdout == (shop.path / "app.lock").read_text()
    )
    # It is a file as others are: with another lock, the step runs again for it.
    shop.recipe((shop.path / "app.metalor").read_text() + f"FETCH --unpinned {world.web.http}/data /data\n")
    shop.run("lock", "app.metalor")
    said = shop.run("why", "app.metalor").stdout
    assert "COPY app.lock made/later.txt /etc/\n  app.lock changed: sha256:" in said


def test_a_tree_that_holds_its_own_lock_cannot_be_locked(world, shop):
    (shop.path / "etc").mkdir()
    shop.recipe("FROM rootfs:.\n", name="etc/app")
    shop.run("build", "etc/app.metalor")
    done = shop.run("lock", "etc/app.metalor", status=1)
    assert "etc/app.metalor:1:6: error[E0708]: rootfs:. holds app.lock" in done.stderr
    assert "FROM rootfs:root" in done.stderr and not (shop.path / "etc/app.lock").exists()
    shop.recipe("FROM rootfs:root\n", name="etc/app")
    (shop.path / "etc/root").mkdir()
    shop.run("lock", "etc/app.metalor")
    shop.run("build", "etc/app.metalor", "--locked")


def test_a_lock_that_lies_is_found_out(world, shop):
    """A digest with another image's configuration, as a merge by hand leaves it."""
    world.first()
    shop.recipe(f"FROM {world.host}/team/base:1\n")
    shop.run("lock", "app.metalor")
    path = shop.path / "app.lock"
    path.write_text(path.read_text().replace('"NUMBER=1"', '"NUMBER=2"'))
    done = shop.run("build", "app.metalor", status=1)
    assert "1:6: error[E0705]: app.lock does not say of" in done.stderr and "--update" in done.stderr
    said = shop.run("lock", "app.metalor", "--update", f"{world.host}/team/base:1").stdout
    assert "of which other facts are known" in said
    shop.run("build", "app.metalor", "--locked")


def test_a_wrong_recipe_or_an_absent_server_leaves_the_lock_as_it_was(world, shop):
    world.first()
    shop.run("lock", "app.metalor")
    before = (shop.path / "app.lock").read_bytes()
    right = (shop.path / "app.metalor").read_text()
    shop.recipe(right + f"FETCH --unpinned {world.web.http}/absent /x\nFROM {world.host}/absent:1 AS z\n")
    said = shop.run("lock", "app.metalor", status=1).stderr
    assert "error[E0610]" in said and "error[E0504]" in said
    assert offline(shop, "lock", "app.metalor", "--update", status=1).stderr.count("error[E0") >= 2
    assert (shop.path / "app.lock").read_bytes() == before
    assert sorted(path.name for path in shop.path.iterdir()) == ["app.lock", "app.metalor", "store"]
    assert shop.leftovers() == []


def test_the_examples_of_the_reference_are_true(world, shop):
    world.first()
    (world.web.www / "hello.txt").write_text("hello\n")
    (world.web.www / "pages.tar.gz").write_text("pages\n")
    world.git.commit("app.git", {"Makefile": "all:\n"})
    page = {fence.words[0]: fence.body for fence in fences(REFERENCE / "language.md") if fence.words}

    def put(body):
        for word, here in (
            ("https://example.org/app", f"{world.git.url}/app"),
            ("https://example.org", world.web.http),
            ("debian:12", f"{world.host}/team/base:1"),
        ):
            body = body.replace(word, here)
        shop.recipe(body)

    put(page["locked"])
    shop.run("lock", "app.metalor")
    shop.run("build", "app.metalor", "--locked")
    put(page["unlocked"])
    assert shop.run("build", "app.metalor", "--locked", status=1).stderr.count("error[E0704]") == 2


def test_the_page_of_the_format_shows_a_lock_and_names_every_fact(world):
    (shown,) = [fence.body for fence in fences(REFERENCE / "lock.md") if fence.language == "json"]
    lock, wrong = read_lock(SourceFile("x.lock", shown), "metalor lock x")
    assert wrong == () and write_lock(lock) == shown
    rows = re.findall(r"^\| `(\w+)` \|", (REFERENCE / "lock.md").read_text(), re.MULTILINE)
    assert tuple(rows) == (*SECTIONS, *FACTS)


def as_user(world, home, script):
    """Run shell text as an ordinary user, in whose PATH `metalor` is this project's."""
    home.mkdir(exist_ok=True)
    (home / "bin").mkdir(exist_ok=True)
    (home / "bin/metalor").write_text(f'#!/bin/sh\nexec {" ".join(METALOR)} "$@"\n')
    (home / "bin/metalor").chmod(0o755)
    conf = shutil.copy(world.folder / "registries.conf", home)
    environment = {"CONTAINERS_REGISTRIES_CONF": str(conf), "PATH": f"{home}/bin:{os.environ['PATH']}"}
    return run_as_user(["sh", "-c", script], home, env=environment)


def test_an_ordinary_user_has_a_lock_of_his_own(world, shop, tmp_path):
    world.first()
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(shop.path / "app.metalor", home)
    script = 'umask 027; metalor lock app.metalor && stat -c "%U %a" app.lock && metalor lock app.metalor --check'
    done = as_user(world, home, script)
    assert done.returncode == 0, done.stderr
    assert f"\n{NAME} 640\n" in done.stdout and done.stdout.endswith("app.lock is up to date\n")
    shop.run("lock", "app.metalor")
    assert (home / "app.lock").read_bytes() == (shop.path / "app.lock").read_bytes()


def test_an_ordinary_user_locks_several_platforms_and_builds_where_nothing_may_be_written(world, tmp_path):
    world.first()
    push(f"oci:{base('busybox-multi')}:12", f"{world.host}/multi:1", "--all")
    home = tmp_path / "home"
    (home / "here").mkdir(parents=True)
    (home / "here/app.metalor").write_text(f"FROM {world.host}/multi:1\nCOPY . /all/\n")
    (home / "here/file").touch()
    both = "--platform linux/amd64,linux/arm64"
    done = as_user(world, home, f"chmod 555 here; metalor lock here/app.metalor {both}")
    assert (done.returncode, (home / "here/app.lock").exists()) == (3, False)
    assert f"error: cannot write here/app.lock: {home}/here may not be written by you\n" in done.stderr
    assert f"cp -r {home}/here copy; metalor lock copy/app.metalor" in " ".join(done.stderr.split())
    done = as_user(world, home, f"""set -e; chmod 755 here; metalor lock here/app.metalor {both}; chmod 555 here
metalor build here/app.metalor --locked {both} 2>/dev/null; metalor check here/app.metalor --locked
metalor lock here/app.metalor; metalor lock here/app.metalor --check
metalor why here/app.metalor; metalor build here/app.metalor --locked --expect-cached 2>/dev/null
ls here; metalor lock here/app.metalor --platform linux/amd64
""")  # fmt: skip
    assert done.returncode == 3 and "may not be written by you" in done.stderr
    assert done.stdout.count("here/app.lock is up to date\n") == 2 and "nothing would run" in done.stdout
    assert done.stdout.endswith("app.lock\napp.metalor\nfile\n")
    lock = read(home / "here/app.lock")
    assert [str(each) for each in lock.platforms] == ["linux/amd64", "linux/arm64"]


def test_a_folder_that_is_mounted_read_only_says_so(shop):
    (shop.path / "ro").mkdir()
    shop.recipe("FROM BASE\n", name="ro/app")
    mounted = 'mount --bind ro ro && mount -o remount,ro,bind ro && exec "$@"'
    words = ("unshare", "--mount", "sh", "-c", mounted, "sh", *METALOR, "lock", "ro/app.metalor")
    done = subprocess.run(words, cwd=shop.path, env=shop.environment(), capture_output=True, text=True)
    assert done.returncode == 3 and f"{shop.path}/ro is mounted read-only\n" in done.stderr
    assert "METALOR_STORE" not in done.stderr


def test_update_of_a_name_that_is_not_there_says_what_may_be_meant(world, shop):
    world.first()
    (shop.path / "x.metalor").write_text("DEFINE x\nEND\n")
    shop.recipe("IMPORT x.metalor AS x\n" + (shop.path / "app.metalor").read_text())
    shop.run("lock", "app.metalor")
    url, tools = f"{world.web.http}/data", f"{world.git.url}/tools"
    for name, help in (("data", f"did you mean {url}?"), ("tools", f"it has {tools}, {tools} main"), ("main", tools)):
        done = shop.run("lock", "app.metalor", "--update", name, status=2)
        assert f"the lock has no {name}\n" in done.stderr and help in " ".join(done.stderr.split())
    done = shop.run("lock", "--update", url, "app.metalor", status=2)
    assert f"write metalor lock app.metalor --update {url}" in " ".join(done.stderr.split())
    # An import is looked at each time: naming one is no mistake.
    assert shop.run("lock", "app.metalor", "--update", "x.metalor").stdout == "app.lock is up to date\n"
