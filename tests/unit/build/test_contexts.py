"""Contexts: what the checker may ask, and digests of what a COPY takes."""

import hashlib
import os
import time

import pytest

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.sources import SourceError
from metalor_lang.build.statcache import StatCache
from metalor_lang.checker.program import SourceProblem
from metalor_lang.errors import UsageError
from metalor_lang.plan.graph import BindMount, CopyFiles, CopySource
from tests.support.copytrees import plant

TREE = {"d/": "", "d/a": "A", "d/s/b": "B", "d/l": "-> a", "e/": ""}


def files(*sources: str, excludes: tuple[str, ...] = (), context: str = "") -> CopyFiles:
    return CopyFiles(
        stage=None,
        context=context,
        sources=tuple(CopySource(path=source, glob="*" in source) for source in sources),
        destination="/x/",
        workdir="/",
        user="",
        excludes=excludes,
    )


def digest(folder, *sources, **options):
    with LocalContexts(folder / "r.metalor") as contexts:
        return contexts.content(files(*sources, **options))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("d", None),
        ("d/*", None),
        (".", None),
        ("D", SourceProblem.ABSENT),
        ("../d", SourceProblem.OUTSIDE),
        ("*.c", SourceProblem.EMPTY_GLOB),
        ("d/s/b", SourceProblem.IGNORED),
        ("d/s/*", SourceProblem.IGNORED),
    ],
)
def test_find(tmp_path, source, problem):
    plant(tmp_path, TREE | {".metalorignore": "d/s/\n"})
    with LocalContexts(tmp_path / "r.metalor") as contexts:
        miss = contexts.find("", source, glob="*" in source, excludes=())
    assert (miss.problem if miss else None) is problem


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("gone", "there is no `gone` in the context"),
        ("./gone", "there is no `gone` in the context"),
        ("link", "`link` leads by a link to `d/gone`, and that is not in the context"),
    ],
)
def test_what_is_absent_is_named(tmp_path, source, detail):
    plant(tmp_path, {"d/": "", "link": "-> d/gone"})
    with LocalContexts(tmp_path / "r.metalor") as contexts:
        miss = contexts.find("", source, glob=False, excludes=())
    assert miss is not None and miss.detail == detail


def test_a_dockerignore_alone_is_told_at_once(tmp_path):
    plant(tmp_path, {".dockerignore": "", "d/a": "A", "f": "F"})
    with LocalContexts(tmp_path / "r.metalor") as contexts:
        assert contexts.find("", "f", glob=False, excludes=()) is None
        with pytest.raises(SourceError, match=r"a `.dockerignore` and no `.metalorignore`"):
            contexts.find("", "d", glob=False, excludes=())
        (tmp_path / ".metalorignore").write_text("")
        assert contexts.find("", "d", glob=False, excludes=()) is None


def test_find_sees_excludes(tmp_path):
    plant(tmp_path, {"a.md": "", "b.md": ""})
    with LocalContexts(tmp_path / "r.metalor") as contexts:
        assert contexts.find("", "*.md", glob=True, excludes=("a.*",)) is None
        miss = contexts.find("", "*.md", glob=True, excludes=("*",))
        assert miss is not None
        assert miss.problem is SourceProblem.EMPTY_GLOB


def test_names_folders_and_bases(tmp_path):
    plant(tmp_path, {"recipes/r.metalor": "", "recipes/base/": "", "site/index": "1", "other/f": "2"})
    recipe = tmp_path / "recipes/r.metalor"
    with LocalContexts(recipe, {"site": tmp_path / "site"}, default=tmp_path / "other") as contexts:
        assert contexts.names() == {"site"}
        assert contexts.exists("base")
        assert not contexts.exists("site")
        assert contexts.find("", "f", glob=False, excludes=()) is None
        assert contexts.find("site", "index", glob=False, excludes=()) is None
        miss = contexts.find("site", "indx", glob=False, excludes=())
        assert miss is not None
        assert (miss.detail, miss.nearest) == ("there is no `indx` in the context `site`", "index")


def test_a_context_must_be_a_folder(tmp_path):
    plant(tmp_path, {"f": ""})
    with pytest.raises(UsageError, match="the context `x` is not a directory"):
        LocalContexts(tmp_path / "r.metalor", {"x": tmp_path / "f"})
    with pytest.raises(UsageError, match="the default context cannot be opened"):
        LocalContexts(tmp_path / "gone/r.metalor")


def touch(path):
    os.utime(path, (1, 1))


# what is done to a copy of the tree, and whether the digest of `d` changes
CHANGES = {
    "times": (lambda root: touch(root / "d/a"), False),
    "other bits of the mode": (lambda root: (root / "d/a").chmod(0o600), False),
    "mode of a directory": (lambda root: (root / "d/s").chmod(0o700), False),
    "a neighbour": (lambda root: (root / "e/new").write_text(""), False),
    "content": (lambda root: (root / "d/a").write_text("B"), True),
    "executable bit": (lambda root: (root / "d/a").chmod(0o755), True),
    "name": (lambda root: (root / "d/a").rename(root / "d/b"), True),
    "an empty directory": (lambda root: (root / "d/n").mkdir(), True),
    "an empty file": (lambda root: (root / "d/n").write_text(""), True),
    "target of a link": (lambda root: ((root / "d/l").unlink(), (root / "d/l").symlink_to("b")), True),
    "link or file": (lambda root: ((root / "d/l").unlink(), (root / "d/l").write_text("a")), True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_a_digest(tmp_path, name):
    act, changes = CHANGES[name]
    before = digest(plant(tmp_path / "one", TREE), "d")
    root = plant(tmp_path / "two", TREE)
    assert digest(root, "d") == before
    act(root)
    assert (digest(root, "d") != before) is changes


def test_spellings_that_land_differently_differ(tmp_path):
    plant(tmp_path, TREE)
    assert len({digest(tmp_path, source) for source in ("d", "d/", ".", "d/s", "d/s/")}) == 5
    assert digest(tmp_path, "d", excludes=("a",)) != digest(tmp_path, "d")


def test_names_that_are_not_text(tmp_path):
    folder = os.fsencode(tmp_path)
    (tmp_path / "d").mkdir()
    seen = set()
    for name in (b"\xff", b"\xfe", "\ufffd".encode()):
        path = folder + b"/d/" + name
        with open(path, "wb"):
            pass
        seen.add(digest(tmp_path, "d"))
        os.unlink(path)
    assert len(seen) == 3


def test_ignored_files_are_not_read(tmp_path):
    plant(tmp_path, {".metalorignore": "pipe\nsecret/\n", "d/a": "A", "secret/k": ""})
    os.mkfifo(tmp_path / "d/pipe")
    with LocalContexts(tmp_path / "r.metalor") as contexts:
        found = contexts.listing(files(".")).found
    assert [entry.path for entry in found[0].entries] == ["", "d", "d/a"]


def test_a_listing_is_sorted_and_normalised(tmp_path):
    plant(tmp_path, {"z": "600|Z", "a/x": "700|X", "a.b": "", "B": ""})
    with LocalContexts(tmp_path / "r.metalor") as contexts:
        entries = list(contexts.listing(files(".")).found[0].entries)
    assert [(entry.path, f"{entry.mode:o}") for entry in entries] == [
        ("", "755"),
        ("B", "644"),
        ("a.b", "644"),
        ("z", "644"),
        ("a", "755"),
        ("a/x", "755"),
    ]


def test_bound_paths(tmp_path):
    plant(tmp_path, TREE)
    mount = BindMount(stage=None, context="", source="d/s/../s", destination="/m")
    with LocalContexts(tmp_path / "r.metalor") as contexts:
        assert contexts.bound_path(mount) == "d/s"
        before = contexts.bound(mount)
        (tmp_path / "d/s/b").write_text("other")
        assert contexts.bound(mount) != before
        with pytest.raises(SourceError, match="there is no `gone`"):
            contexts.bound(BindMount(stage=None, context="", source="gone", destination="/m"))


def test_an_unreadable_rules_file_is_an_error(tmp_path):
    plant(tmp_path, {"f": "", ".metalorignore": "-> /etc/passwd"})
    with (
        LocalContexts(tmp_path / "r.metalor") as contexts,
        pytest.raises(SourceError, match=r"`.metalorignore` cannot"),
    ):
        contexts.find("", "f", glob=False, excludes=())


# --- the cache of digests ---------------------------------------------------------------------------------------------


def test_an_old_file_is_not_read_again(tmp_path, monkeypatch):
    plant(tmp_path / "c", {"f": "F"})
    before = digest(tmp_path / "c", "f")
    late = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: late)
    for cached in range(2):
        with LocalContexts(tmp_path / "c/r.metalor", cache=StatCache(tmp_path / "cache.json")) as contexts:
            if cached:
                monkeypatch.setattr("metalor_lang.build.contexts.hash_file", lambda *_: pytest.fail("read again"))
            assert contexts.content(files("f")) == before


def test_a_young_file_is_not_remembered(tmp_path):
    plant(tmp_path / "c", {"f": "F"})
    with LocalContexts(tmp_path / "c/r.metalor", cache=StatCache(tmp_path / "cache.json")) as contexts:
        contexts.content(files("f"))
    assert not (tmp_path / "cache.json").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "metalor digests 3\n", "metalor digests 3\n" + "x" * 200, "metalor digests 1\n", "\xff"]
)
def test_a_damaged_cache_is_only_slow(tmp_path, text):
    plant(tmp_path / "c", {"f": "F"})
    (tmp_path / "cache.json").write_text(text, encoding="latin-1")
    with LocalContexts(tmp_path / "c/r.metalor", cache=StatCache(tmp_path / "cache.json")) as contexts:
        assert contexts.content(files("f")) == digest(tmp_path / "c", "f")


def test_the_cache_forgets_what_nobody_asks_for(tmp_path, monkeypatch):
    monkeypatch.setattr("metalor_lang.build.statcache._SPARE", 2)
    monkeypatch.setattr("metalor_lang.build.statcache._YOUNG_NS", 0)
    for number in range(20):
        plant(tmp_path / f"c{number}", {"f": str(number)})
        with LocalContexts(tmp_path / f"c{number}/r", cache=StatCache(tmp_path / "cache.json")) as contexts:
            contexts.content(files("f"))
    kept = (tmp_path / "cache.json").read_bytes()
    hashes = [hashlib.sha256(str(number).encode()).digest() for number in range(20)]
    assert [number for number in range(20) if hashes[number] in kept] == list(range(15, 20))
