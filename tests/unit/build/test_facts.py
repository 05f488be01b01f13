"""What is remembered of a tree is what the tree would say."""

import os
import random
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metalor_lang.build.facts import Facts
from metalor_lang.build.users import UserError, resolve
from metalor_lang.kernel.paths import Root

NAMES = ("etc", "usr", "a", "b")
PLACES = ("etc", "usr/etc", "a", "a/b", "b/c", "usr")
TARGETS = ("/usr/etc", "usr/etc", "/a", "../a", "/b/c", "/etc", "b", "../../usr", "/none")
WORKDIRS = ("/", "/a", "/a/b", "/b/c/../c", "/etc", "/usr/etc")


def change(tree: Path, rng: random.Random) -> set[str]:
    """Do something to the tree; gives the top-level names that a layer with the change would have."""
    place = tree / rng.choice(PLACES)
    top = place.relative_to(tree).parts[0]
    match rng.randrange(4):
        case 0:
            if place.is_symlink() or place.is_file():
                place.unlink()
            elif place.is_dir():
                shutil.rmtree(place)
        case 1:
            if not os.path.lexists(place) and place.parent.is_dir() and not place.parent.is_symlink():
                place.symlink_to(rng.choice(TARGETS))
        case 2:
            if not os.path.lexists(place) and place.parent.is_dir() and not place.parent.is_symlink():
                place.mkdir()
        case 3:
            if place.is_dir() and not place.is_symlink() and not place.parent.is_symlink():
                uid = rng.randrange(1000)
                (place / "passwd").write_text(f"app:x:{uid}:{uid}::/home:/bin/sh\n")
                (place / "group").write_text(f"more:x:{uid + 1}:app\n")
    return {top}


def outcome(call: Callable[..., object], *arguments: object) -> object:
    try:
        return call(*arguments)
    except (UserError, OSError) as error:
        return type(error), str(error)


def directory(root: Root, path: str) -> bool | None:
    found = root.stat(path, follow=True)
    return None if found is None else stat.S_ISDIR(found.st_mode)


@pytest.mark.parametrize("seed", range(30))
def test_remembered_answers_are_those_of_the_tree(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    facts = Facts()
    tree, upper = tmp_path / "tree", tmp_path / "upper"
    for name in NAMES:
        (tree / name).mkdir(parents=True)
    asked = 0
    chain: tuple[str, ...] = ("0",)

    def view() -> Root:
        nonlocal asked
        asked += 1
        return root

    with Root.at(tree) as root:
        for number in range(1, 60):
            workdir = rng.choice(WORKDIRS)
            assert outcome(facts.directory, chain, workdir, view) == outcome(directory, root, workdir)
            assert outcome(facts.identity, chain, "app", view) == outcome(resolve, root, "app")
            shutil.rmtree(upper, ignore_errors=True)
            upper.mkdir()
            for name in change(tree, rng):
                (upper / name).touch()
            after = (*chain, str(number))
            facts.changed(chain, after, upper)
            chain = after
    assert asked


def test_an_unrelated_change_asks_the_tree_no_more(tmp_path: Path) -> None:
    facts = Facts()
    (tmp_path / "tree" / "etc").mkdir(parents=True)
    (tmp_path / "tree" / "etc" / "passwd").write_text("app:x:7:8::/home:/bin/sh\n")
    (tmp_path / "upper" / "srv").mkdir(parents=True)

    def never() -> Root:
        raise AssertionError("the tree was asked")

    with Root.at(tmp_path / "tree") as root:
        assert facts.identity(("a",), "app", lambda: root).uid == 7
        assert facts.directory(("a",), "/etc", lambda: root) is True
    facts.changed(("a",), ("a", "b"), tmp_path / "upper")
    assert facts.identity(("a", "b"), "app", never).uid == 7
    assert facts.directory(("a", "b"), "/etc", never) is True
    (tmp_path / "upper" / "etc").mkdir()
    facts.changed(("a", "b"), ("a", "b", "c"), tmp_path / "upper")
    with pytest.raises(AssertionError):
        facts.identity(("a", "b", "c"), "app", never)


def test_what_is_asked_of_an_older_tree_says_nothing_of_a_younger_one(tmp_path: Path) -> None:
    facts = Facts()
    (tmp_path / "old" / "a").mkdir(parents=True)
    (tmp_path / "new").mkdir()
    (tmp_path / "upper").mkdir()
    with Root.at(tmp_path / "old") as old, Root.at(tmp_path / "new") as new:
        facts.directory(("1",), "/", lambda: old)
        (tmp_path / "upper" / "a").touch()
        facts.changed(("1",), ("1", "2"), tmp_path / "upper")
        assert facts.directory(("1",), "/a", lambda: old) is True
        assert facts.directory(("1", "2"), "/a", lambda: new) is None


def test_stages_that_begin_together_look_once(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("app:x:7:8::/home:/bin/sh\n")
    facts, looks = Facts(), []
    begin = threading.Barrier(4)
    answers: list[tuple[int, bool | None]] = []
    with Root.at(tmp_path) as root:

        def view() -> Root:
            looks.append(threading.current_thread().name)
            time.sleep(0.05)  # the others are waiting by now
            return root

        def stage() -> None:
            begin.wait(10)
            answers.append((facts.identity(("base",), "app", view).uid, facts.directory(("base",), "/etc", view)))

        threads = [threading.Thread(target=stage) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert answers == [(7, True)] * 4
    assert len(looks) == 2  # for the user, and for the directory


def test_a_look_that_failed_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    facts = Facts()
    with Root.at(tmp_path) as root:
        with pytest.raises(UserError):
            facts.identity(("base",), "app", lambda: root)
        (tmp_path / "etc/passwd").write_text("app:x:7:8::/home:/bin/sh\n")
        assert facts.identity(("base",), "app", lambda: root).uid == 7
