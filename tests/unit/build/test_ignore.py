"""gitignore rules: a table, and git itself as the judge."""

import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalor_lang.build.ignore import Rules, component

TABLE = [
    # rules, path, directory, hidden
    (["foo"], "foo", False, True),
    (["foo"], "a/foo", True, True),
    (["/foo"], "a/foo", False, False),
    (["foo/"], "foo", False, False),
    (["foo/"], "foo", True, True),
    (["a/b"], "a/b", False, True),
    (["a/b"], "x/a/b", False, False),
    (["**/b"], "x/a/b", False, True),
    (["a/**/b"], "a/b", False, True),
    (["a/**/b"], "a/x/y/b", False, True),
    (["a/**"], "a", True, False),
    (["a/**"], "a/x", True, True),
    (["*.py[co]"], "a/b.pyc", False, True),
    (["*.py[!co]"], "a/b.pyc", False, False),
    (["*"], ".hidden", False, True),
    (["?"], "é", False, True),  # git would not: it matches bytes
    (["[!a]"], "é", False, True),
    (["*", "!keep"], "keep", False, False),
    (["*.log", "!a.log", "a.*"], "a.log", False, True),
    (["\\#x"], "#x", False, True),
    (["#x"], "#x", False, False),
    (["\\!x"], "!x", False, True),
    (["x  "], "x", False, True),
    (["x\\ "], "x ", False, True),
    (["[a-c]"], "b", False, True),
    (["[]-]x"], "-x", False, True),
    (["[z"], "[z", False, False),
    (["\\[z"], "[z", False, True),
    (["[z/[a-b]"], "b", False, True),
    (["[z/[a-b]"], "z/b", False, False),
    (["a\\"], "a\\", False, False),
    (["a?c"], "abc", False, True),
    (["a?c"], "a/c", False, False),
    (["[[:digit:]]x"], "7x", False, True),
    (["a\nb"], "a", False, False),
    ([""], "a", False, False),
    (["/"], "a", True, False),
]


@pytest.mark.parametrize(("rules", "path", "directory", "hidden"), TABLE)
def test_one_level(rules, path, directory, hidden):
    assert Rules(rules, "x").hides(path, directory=directory) is hidden


def test_the_line_that_hides_is_named():
    rules = Rules(["# build output", "", "out/", "!out/keep"], ".metalorignore")
    found = rules.hidden_by("out/keep", directory=False)
    assert found is not None
    assert (found.line, found.text) == (3, "out/")
    assert rules.hidden_by("src/keep", directory=False) is None


def test_component_is_cheap_on_many_stars():
    assert component("*" * 50 + "x") == "[^/]*x"


MANY = 60
NAMES = ["a", "b", ".c", "a.txt", "[z", "x y"]
PIECES = ["a", "b", ".c", "*", "**", "a*", "?", "[a-b]", "[!a]", "*.txt", "[^.]", "\\[z", "x y", "[z"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    root = tmp_path_factory.mktemp("git")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    paths = []
    for top in NAMES:
        (root / "d" / top / "a").mkdir(parents=True)
        (root / "d" / top / "b").write_text("")
        (root / top).write_text("")
    for folder, folders, files in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name, directory in [(n, True) for n in folders] + [(n, False) for n in files]:
            paths.append((os.path.relpath(os.path.join(folder, name), root), directory))
    return root, paths


@settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            lambda bang, slash, parts, end: bang + slash + "/".join(parts) + end,
            st.sampled_from(["", "", "!"]),
            st.sampled_from(["", "/"]),
            st.lists(st.sampled_from(PIECES), min_size=1, max_size=3),
            st.sampled_from(["", "/"]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_git_agrees(repository, lines):
    root, paths = repository
    (root / ".gitignore").write_text("\n".join(lines) + "\n")
    asked = "\0".join(path for path, _ in paths) + "\0"
    done = subprocess.run(
        ["git", "-C", str(root), "-c", "core.excludesFile=/dev/null", "check-ignore", "-z", "--stdin", "--no-index"],
        input=asked.encode(),
        capture_output=True,
        check=False,
    )
    git = set(done.stdout.decode().split("\0")) - {""}
    rules = Rules(lines, "x")
    ours = {path for path, directory in paths if rules.hidden_by(path, directory=directory)}
    assert ours - {".gitignore"} == git - {".gitignore"}
