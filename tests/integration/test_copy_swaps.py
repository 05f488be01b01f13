"""Contexts and views whose directories are swapped for links while a COPY runs: nothing outside is read or written."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.copying import copy_into
from metalor_lang.build.files import make_workdir
from metalor_lang.build.nursery import Nursery
from metalor_lang.errors import MetalorError
from metalor_lang.kernel import shared
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.syscalls import RENAME_EXCHANGE, renameat2
from metalor_lang.plan.graph import CopyFiles, CopySource, MakeWorkdir
from metalor_lang.store.store import Store
from tests.support.copytrees import plant

pytestmark = pytest.mark.integration

ROUNDS = 150


@contextmanager
def swapping(one: Path, two: Path) -> Iterator[Callable[[], int]]:
    """Exchange two names without pause; gives the number of exchanges so far."""
    stop, count = threading.Event(), 0

    def work() -> None:
        nonlocal count
        while not stop.is_set():
            renameat2(-100, str(one), -100, str(two), RENAME_EXCHANGE)
            count += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lambda: count
    finally:
        stop.set()
        thread.join()


def test_a_context(tmp_path):
    secret = plant(tmp_path / "outside", {"s/f": "secret", "s/deep/g": "secret"})
    context = plant(tmp_path / "ctx", {"d/s/f": "public", "d/s/deep/g": "public"})
    (tmp_path / "other").symlink_to(secret / "s")
    files = CopyFiles(
        stage=None, context="", sources=(CopySource(path="d", glob=False),), destination="/x", workdir="/", user=""
    )
    good = bad = 0
    with swapping(context / "d/s", tmp_path / "other") as swaps:
        for number in range(ROUNDS):
            view = plant(tmp_path / f"view{number}", {})
            with LocalContexts(context / "r.metalor") as contexts, Root.at(view) as root:
                try:
                    contexts.content(files)
                    copy_into(root, files, epoch=0, contexts=contexts)
                    good += 1
                except MetalorError:
                    bad += 1
            for folder, _, names in os.walk(view):
                assert [(folder, name) for name in names if "secret" in Path(folder, name).read_text()] == []
    assert good + bad == ROUNDS
    assert swaps() > ROUNDS


def test_a_context_that_is_copied_ahead(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "WORTH", 1)
    secret = plant(tmp_path / "outside", {"s/f": "secret", "s/deep/g": "secret"})
    context = plant(tmp_path / "ctx", {"d/s/f": "public", "d/s/deep/g": "public"})
    (tmp_path / "other").symlink_to(secret / "s")
    files = CopyFiles(
        stage=None, context="", sources=(CopySource(path="d", glob=False),), destination="/x", workdir="/", user=""
    )
    good = bad = 0
    with Store.open(tmp_path / "store") as store, store.lease():
        with swapping(context / "d/s", tmp_path / "other") as swaps:
            for number in range(ROUNDS // 2):
                view = plant(tmp_path / f"view{number}", {})
                with LocalContexts(context / "r.metalor", ahead=partial(Nursery, store)) as contexts:
                    with Root.at(view) as root:
                        try:
                            contexts.content(files, 0)
                            done = copy_into(root, files, epoch=0, contexts=contexts, nursery=Nursery(store))
                            good += len(done.trees)
                        except MetalorError:
                            bad += 1
                    for folder, _, names in os.walk(store.tmp):
                        assert [(folder, name) for name in names if "secret" in Path(folder, name).read_text()] == []
        assert good + bad == ROUNDS // 2
        assert swaps() > ROUNDS


def test_a_view(tmp_path):
    outside = plant(tmp_path / "outside", {"keep": "untouched"})
    plant(tmp_path / "ctx", {"d/a": "A", "d/keep": "overwritten", "d/s/b": "B"})
    view = plant(tmp_path / "view", {"x/": ""})
    (tmp_path / "other").symlink_to(outside)
    files = CopyFiles(
        stage=None, context="", sources=(CopySource(path="d/", glob=False),), destination="/x/", workdir="/", user=""
    )
    with swapping(view / "x", tmp_path / "other") as swaps, Root.at(view) as root:
        for number in range(ROUNDS):
            with LocalContexts(tmp_path / "ctx/r.metalor") as contexts:
                try:
                    copy_into(root, files, epoch=0, contexts=contexts)
                    make_workdir(root, MakeWorkdir(path=f"/x/w{number}", user=""), epoch=0)
                except MetalorError:
                    pass
    assert sorted(os.listdir(outside)) == ["keep"]
    assert (outside / "keep").read_text() == "untouched"
    assert swaps() > ROUNDS
