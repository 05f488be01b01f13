import os
import shutil
import stat
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pytest

from metalor_lang.remote.dialing import Halt
from metalor_lang.remote.errors import FetchRefused
from metalor_lang.remote.git import Commits
from metalor_lang.store.store import Store
from tests.support.documents import ROOT, fences
from tests.support.gitserver import PASSWORD, USER, forge
from tests.support.ordinary import run_as_user
from tests.support.web import listener
from tests.support.workshop import METALOR, Workshop

pytestmark = pytest.mark.integration

FILES = {
    "README": "read me\n$Id$\n",
    "bin/tool*": "#!/bin/sh\necho cloned\n",
    "link": "-> bin/tool",
    ".gitattributes": "README text eol=crlf ident filter=evil\nhidden export-ignore\nversion export-subst\n",
    "hidden": "not in an archive, but in the commit\n",
    "version": "$Format:%H$\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with forge(tmp_path_factory.mktemp("forge")) as found:
        yield found


@pytest.fixture
def store(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Store.open(tmp_path / "store") as found:
        yield found


def tree(store, digest):
    """Mode and content of every file of a kept commit."""
    found = {}
    with tarfile.open(store.blobs.path(digest)) as tar:
        for member in tar:
            assert (member.uid, member.gid, member.uname, member.mtime, member.pax_headers) == (0, 0, "", 0, {})
            if member.isreg():
                found[member.name] = (member.mode, tar.extractfile(member).read().decode())
            elif member.issym():
                found[member.name] = member.linkname
    return found


def refused(store, url, commit):
    with pytest.raises(FetchRefused) as caught:
        Commits(store).commit(url, commit)
    assert not list((store.root / "tmp").glob("*git*"))
    return caught.value


def test_a_commit_is_kept_as_it_is(server, store):
    commit = server.commit("plain.git", FILES)
    server.commit("plain.git", {"README": "newer"})
    url = f"{server.url}/plain.git"
    digest = Commits(store).commit(url, commit)
    found = tree(store, digest)
    assert found.pop("link") == "bin/tool"
    assert found.pop("bin/tool") == (0o755, FILES["bin/tool*"])
    assert found == {name: (0o644, FILES[name]) for name in ("README", ".gitattributes", "hidden", "version")}
    asked = len(server.asked)
    assert Commits(store).commit(url, commit) == digest
    assert len(server.asked) == asked, "it is in the store"


def test_submodules_come_along_with_their_own(server, store):
    inner = server.commit("inner.git", {"c": "inner\n"})
    middle = server.commit("team/middle.git", {"b": "middle\n"}, links={"deep/inner": ("../../inner.git", inner)})
    outer = server.commit(
        "team/outer.git", {"a": "outer\n"}, links={"libs/middle": (f"{server.url}/team/middle.git", middle)}
    )
    found = tree(store, Commits(store).commit(f"{server.url}/team/outer.git", outer))
    names = {"a", ".gitmodules", "libs/middle/b", "libs/middle/.gitmodules", "libs/middle/deep/inner/c"}
    assert set(found) == names
    assert found["libs/middle/deep/inner/c"] == (0o644, "inner\n")


ELSEWHERE = (
    "file:///etc",
    "/etc",
    "ext::sh -c touch% /tmp/x",
    "-u./payload",
    "ssh://-oProxyCommand=x/y",
    "https://u:hunter2@e.org/x",
    "../" * 9,
)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_submodules_of_other_places_are_refused(server, store, url):
    commit = server.commit("evil.git", {"a": "x"}, links={"sub": (url, "1" * 40)})
    error = refused(store, f"{server.url}/evil.git", commit)
    assert "the submodule `sub`" in error.message and "no address that is fetched" in error.message
    assert "hunter2" not in error.message + error.help


def test_a_submodule_that_is_not_there(server, store):
    commit = server.commit("gone.git", {"a": "x"}, links={"sub": ("./absent.git", "1" * 40)})
    error = refused(store, f"{server.url}/gone.git", commit)
    assert error.message.startswith("the submodule `sub`, http://localhost")
    missing = server.commit("nowhere.git", {"a": "x"}, links={"sub": (f"{server.url}/plain.git", "1" * 40)})
    shutil.rmtree(store.root / "partial")
    (store.root / "partial").mkdir()
    server.commit("plain.git", FILES)
    assert "has no commit 1111" in refused(store, f"{server.url}/nowhere.git", missing).message
    loop = server.commit("loop.git", {"a": "x"})
    for _ in range(10):
        loop = server.commit("loop.git", {"a": loop}, links={"s": ("../loop.git", loop)})
    assert "more than 8 deep" in refused(store, f"{server.url}/loop.git", loop).message


def test_nothing_of_a_repository_or_a_user_is_run(server, store, tmp_path, monkeypatch):
    """Hooks, filters, helpers, templates: each would leave a mark."""
    mark = tmp_path / "mark"
    hook = f"#!/bin/sh\ntouch {mark}\n"
    commit = server.commit("active.git", {"a": "x\n", ".gitattributes": "a filter=evil diff=evil\n", "hooks/x*": hook})
    home = tmp_path / "home"
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        path = home / "template" / "hooks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(hook)
        path.chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[init]\n templateDir = {home}/template\n[filter "evil"]\n smudge = touch {mark}\n required = true\n'
        f'[core]\n hooksPath = {home}/template/hooks\n fsmonitor = "touch {mark}"\n'
        f'[credential]\n helper = "!touch {mark}"\n[url "file:///nowhere"]\n insteadOf = {server.url}\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(home / "template"))
    monkeypatch.setenv("GIT_DIR", str(home))
    assert tree(store, Commits(store).commit(f"{server.url}/active.git", commit))["a"] == (0o644, "x\n")
    assert not mark.exists()


def test_passwords_come_from_netrc_and_are_in_no_argument_and_no_file(server, store, tmp_path, monkeypatch):
    commit = server.commit("private/app.git", {"a": "x\n"})
    url = f"{server.url}/private/app.git"
    assert "~/.netrc: machine localhost login" in refused(store, url, commit).help
    (tmp_path / "netrc").write_text(f"machine localhost login {USER} password {PASSWORD}\n")
    seen = []
    done = threading.Event()

    def watch():
        while not done.is_set():
            seen.append(subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout)

    thread = threading.Thread(target=watch)
    thread.start()
    digest = Commits(store).commit(url, commit)
    done.set()
    thread.join()
    assert tree(store, digest)["a"] == (0o644, "x\n")
    assert any("git" in each for each in seen)
    assert not any(PASSWORD in each or "cmVhZGVyOmh1bnRlcjI" in each for each in seen)
    everything = b"".join(path.read_bytes() for path in store.root.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in everything


def test_what_cannot_be_had_says_why(server, store):
    commit = server.commit("plain.git", FILES)
    assert "has no commit 2222" in refused(store, f"{server.url}/plain.git", "2" * 40).message
    assert "not found" in refused(store, f"{server.url}/absent.git", commit).message
    assert "Failed to connect" in refused(store, "http://localhost:1/x.git", commit).message
    with pytest.raises(FetchRefused, match="has no branch or tag `gone`"):
        Commits(store).latest(f"{server.url}/plain.git", "gone")


def test_a_branch_or_a_tag_is_what_it_is_now(server, store):
    url = f"{server.url}/moving.git"
    first = server.commit("moving.git", {"a": "1"})
    server.git("tag", "-a", "-m", "x", "v1", cwd=server.work / "moving.git")
    server.git("push", "-q", str(server.root / "moving.git"), "v1", cwd=server.work / "moving.git")
    assert Commits(store).latest(url, "main") == first
    second = server.commit("moving.git", {"a": "2"})
    assert Commits(store).latest(url, "main", 3600) == first, "fresh enough"
    assert Commits(store).latest(url, "main") == second
    assert Commits(store).latest(url, "v1") == first, "an annotated tag is its commit"


def test_a_clone_is_ended_at_once(store):
    halt = Halt()
    ended = []

    def work(port):
        with pytest.raises(InterruptedError):
            Commits(store, halt).commit(f"http://localhost:{port}/x.git", "1" * 40)
        ended.append(time.monotonic())

    with listener(lambda line, number: time.sleep(20)) as silent:
        thread = threading.Thread(target=work, args=(silent.port,))
        thread.start()
        time.sleep(0.5)
        began = time.monotonic()
        halt.fire()
        thread.join(10)
    assert ended and ended[0] - began < 1.5
    assert (
        f"localhost:{silent.port}" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    )


# --- the statement ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    workshop = Workshop(tmp_path)
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_git_lands_by_the_rules_of_copy(server, shop, tmp_path):
    commit = server.commit("app.git", FILES)
    shop.recipe(f"""\
FROM BASE
WORKDIR /srv
USER 1000:1001
GIT --commit={commit} {server.url}/app.git app
GIT --commit={commit} --chown=0 --chmod=go= {server.url}/app.git /srv/other/
USER 0
SH '''
    app/bin/tool
    stat -c '%n %a %u:%g %Y' app app/README app/bin/tool other other/README
    ls -A app
    '''
""")
    events = shop.events("app.metalor", "--epoch", "1600000000")
    said = "".join(event["text"] for event in events if event["event"] == "step-output").splitlines()
    assert said == [
        "cloned",
        "app 755 1000:1001 1600000000",
        "app/README 644 1000:1001 1600000000",
        "app/bin/tool 755 1000:1001 1600000000",
        "other 700 0:0 1600000000",
        "other/README 600 0:0 1600000000",
        *sorted([".gitattributes", "README", "bin", "hidden", "link", "version"]),
    ]
    digest = shop.run("build", "app.metalor", "-o", "oci:out:1").stdout.strip()
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(tmp_path / "app.metalor", home)
    done = run_as_user([*METALOR, "build", "app.metalor", "-o", "oci:out:1"], home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest, "root and an ordinary user make the same image"


def test_a_branch_in_a_recipe_and_at_the_prompt(server, shop):
    server.commit("live.git", {"a": "one\n"})
    shop.recipe(f"FROM BASE\nGIT --unpinned=main {server.url}/live.git /x\nSH cat /x/a\n")
    assert shop.events("app.metalor")[-1]["ok"]
    assert shop.events("app.metalor", "--expect-cached")[-1]["ok"]
    server.commit("live.git", {"a": "two\n"})
    output = [event["text"] for event in shop.events("app.metalor") if event["event"] == "step-output"]
    assert output == ["two\n"]
    done = shop.run("repl", input=f"FROM {shop.base}\nGIT --unpinned=main {server.url}/live.git /x\nSH cat /x/a\n")
    assert "two" in done.stdout
    shop.recipe(f"FROM BASE\nSH true\nGIT --unpinned=absent {server.url}/live.git /x\n")
    done = shop.run("build", "app.metalor", status=1)
    assert "app.metalor:3:1: error[E0610]" in done.stderr and "no branch or tag `absent`" in done.stderr


def test_the_examples_of_the_reference_are_true(server, shop):
    commit = server.commit("docs.git", {"Makefile": "all:\n"})
    examples = [
        fence.body
        for fence in fences(ROOT / "docs" / "reference" / "language.md")
        if fence.language == "metalor" and "run" in fence.words and "\nGIT " in fence.body
    ]
    assert examples
    for text in examples:
        text = text.replace("https://example.org/app.git", f"{server.url}/docs.git").replace("debian:12", shop.base)
        shop.recipe(text.replace("0123456789abcdef0123456789abcdef01234567", commit))
        assert shop.events("app.metalor")[-1]["ok"]
        assert stat.S_ISDIR(os.stat(Path(shop.path)).st_mode)
