"""Kills, a full disk and two processes at once: nothing acknowledged is lost, nothing torn is seen."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metalor_lang.kernel import syscalls
from metalor_lang.store import KeepPolicy, StepRecord, Store, StoreFull
from metalor_lang.store.errors import guarded
from metalor_lang.store.leases import live_leases
from tests.support.remains import start

pytestmark = pytest.mark.integration


def commit_for_ever(root: Path, acknowledge: int, turn: int, grouped: bool) -> None:
    store = Store.open(root)
    count = 0
    while True:
        name = f"{turn}-{count}"
        with store.snapshots.draft() as draft:
            for index in range(3):
                (draft.fs / f"{name}-{index}").write_text(name * 50)
            (draft.work / "work").mkdir(mode=0)
            identity = draft.commit({"name": name}, durable=not grouped)
        digest = store.blobs.put_bytes(name.encode())
        record = StepRecord(key=name, chain=(identity,), result={"blob": digest})
        line = f"{name}\n".encode()
        if grouped:
            store.publishing.put(record, lambda error, line=line: error or os.write(acknowledge, line))  # type: ignore[misc]
        else:
            store.steps.put(record)
            os.write(acknowledge, line)
        count += 1


@pytest.mark.parametrize("grouped", [False, True], ids=["alone", "in groups"])
def test_a_hundred_kills_lose_and_tear_nothing(tmp_path: Path, grouped: bool) -> None:
    root = tmp_path / "store"
    Store.open(root).close()
    rng = random.Random(1)
    acknowledged: list[str] = []
    for turn in range(100):
        read, write = os.pipe()
        child = start(lambda write=write, turn=turn: commit_for_ever(root, write, turn, grouped))  # type: ignore[misc]
        os.close(write)
        if turn % 2:  # killed when it has surely done something, however slow the machine is
            acknowledged.append(os.read(read, len(f"{turn}-0\n")).decode().strip())
        time.sleep(rng.uniform(0.002, 0.06))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        with open(read) as stream:
            acknowledged += stream.read().split()
        store = Store.open(root)
        assert os.listdir(store.tmp) == []
        assert live_leases(root) == ()
        if turn % 20 == 19:
            report = store.verify(full=True)
            assert report.damaged == ()
        store.close()
    assert len(acknowledged) >= 50
    for name in acknowledged:
        record = store.steps.get(name)
        assert record is not None
        assert sorted(os.listdir(store.snapshots.fs_path(record.chain[0]))) == [f"{name}-{i}" for i in range(3)]
        with store.blobs.open(str(record.result["blob"])) as stream:
            assert stream.read() == name.encode()
    assert all("unfinished" in line for line in store.notices)
    assert os.listdir(root / "quarantine") == []


CRASH_POINTS = ("open", "mkdir", "chmod", "write", "rename", "rmdir", "unlink", "fsync", "fchmod", "close")


def die_at(point: int, *, after: bool) -> None:
    """Let this process kill itself at the n-th of the calls that change files, just before or just after it."""
    count = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == point and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            mine = count
            try:
                return call(*arguments, **options)
            finally:
                if mine == point and after:
                    os.kill(os.getpid(), signal.SIGKILL)

        return wrapper

    for name in CRASH_POINTS:
        setattr(os, name, counted(getattr(os, name)))
    for name in ("renameat2", "syncfs"):
        setattr(syscalls, name, counted(getattr(syscalls, name)))


@pytest.mark.parametrize("grouped", [False, True], ids=["alone", "in groups"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_every_crash_point_of_a_commit(tmp_path: Path, after: bool, grouped: bool) -> None:
    root = tmp_path / "store"
    with Store.open(root) as store:
        store.steps.put(StepRecord(key="old", chain=(store.snapshots.draft().commit({}),), text="old"))

    def work(point: int) -> None:
        store = Store.open(root)
        die_at(point, after=after)
        with store.snapshots.draft() as draft:
            (draft.fs / "file").write_text("new")
            identity = draft.commit({}, durable=not grouped)
        digest = store.blobs.put_bytes(b"blob")
        record = StepRecord(key="old", chain=(identity,), text="new", result={"blob": digest})
        if not grouped:
            store.steps.put(record)
            os._exit(7)
        safe = threading.Event()
        store.publishing.put(record, lambda error: safe.set())
        safe.wait()
        os._exit(7)

    for point in range(1, 500):
        child = start(lambda point=point: work(point))  # type: ignore[misc]
        status = os.waitpid(child, 0)[1]
        with Store.open(root) as store:
            assert os.listdir(store.tmp) == []
            assert store.verify(full=True).damaged == ()
            record = store.steps.get("old")
            assert record is not None, point
            if record.text == "new":
                assert os.listdir(store.snapshots.fs_path(record.chain[0])) == ["file"]
                assert store.blobs.has(str(record.result["blob"]))
            assert os.listdir(root / "quarantine") == []
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 7
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert 25 < point < 499
    assert record.text == "new"


def test_a_killed_collection_is_finished_by_the_next_open(tmp_path: Path) -> None:
    root = tmp_path / "store"
    rng = random.Random(2)
    for _ in range(15):
        with Store.open(root) as store:
            for index in range(4):
                with store.snapshots.draft() as draft:
                    for number in range(30):
                        (draft.fs / str(number)).write_text("x")
                    store.steps.put(StepRecord(key=str(index), chain=(draft.commit({}),)))
        child = start(lambda: Store.open(root).gc(KeepPolicy(newest=1)) and None)
        time.sleep(rng.uniform(0.001, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        store = Store.open(root)
        assert os.listdir(store.tmp) == []
        assert store.verify().damaged == ()
        for found in store.steps.all():
            assert store.steps.get(found.record.key) == found.record
        store.close()
        assert store.gc(KeepPolicy(newest=1)).kept_steps == 1
        assert len(store.snapshots.all()) == 1
        store.close()


def test_two_processes_make_a_step_once(tmp_path: Path) -> None:
    root, made = tmp_path / "store", tmp_path / "made"
    Store.open(root).close()
    made.mkdir()

    def build() -> None:
        store = Store.open(root)
        for key in ("one", "two", "three"):
            with store.locks.exclusive(f"step:{key}"):
                if store.steps.get(key) is None:
                    time.sleep(0.05)
                    (made / f"{key}-{os.getpid()}").write_text("")
                    store.steps.put(StepRecord(key=key, chain=(store.snapshots.draft().commit({}),)))
            assert store.steps.get(key) is not None

    children = [start(build) for _ in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
    assert sorted(name.partition("-")[0] for name in os.listdir(made)) == ["one", "three", "two"]


def test_gc_leaves_a_living_process_alone_and_not_a_dead_one(tmp_path: Path) -> None:
    root = tmp_path / "store"
    Store.open(root).close()
    read, write = os.pipe()

    def build() -> None:
        store = Store.open(root)
        identity = store.snapshots.draft().commit({})
        draft = store.snapshots.draft()
        os.write(write, f"{identity} {draft.path.name}".encode())
        time.sleep(60)

    child = start(build)
    identity, draft = os.read(read, 200).decode().split()
    with Store.open(root) as store:
        assert store.gc(KeepPolicy(newest=0)).protected == 1
        assert store.snapshots.exists(identity)
        assert draft in os.listdir(store.tmp)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)
    with Store.open(root) as store:
        assert draft not in os.listdir(store.tmp)
        assert store.gc(KeepPolicy(newest=0)).removed_snapshots == (identity,)


def test_builds_and_collections_at_once_keep_what_builds_hold(tmp_path: Path) -> None:
    root = tmp_path / "store"
    Store.open(root).close()

    def build(seed: int) -> None:
        store = Store.open(root)
        rng = random.Random(seed)
        for _ in range(40):
            with store.lease():
                key = str(rng.randrange(6))
                record = store.steps.get(key)
                if record is None:
                    with store.snapshots.draft() as draft:
                        (draft.fs / "file").write_text(key)
                        record = StepRecord(key=key, chain=(draft.commit({}),))
                    store.steps.put(record)
                time.sleep(0.002)
                assert (store.snapshots.fs_path(record.chain[0]) / "file").read_text() == key

    def collect() -> None:
        store = Store.open(root)
        for _ in range(60):
            store.gc(KeepPolicy(newest=0))

    children = [start(lambda seed=seed: build(seed)) for seed in range(3)] + [start(collect)]  # type: ignore[misc]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
    store = Store.open(root)
    assert store.verify().damaged == ()
    assert store.notices == ()


# Several numbers of inodes: one of them ends between the directories of a draft.
@pytest.mark.parametrize(
    "options", ["size=1m", *(f"size=64m,nr_inodes={count}" for count in range(118, 126))], ids=lambda each: each[-11:]
)
def test_a_full_disk_is_named_and_tears_nothing(tmp_path: Path, options: str) -> None:
    def fill() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("tmpfs", tmp_path, "tmpfs", 0, options)
        root = tmp_path / "store"
        store = Store.open(root)
        kept: list[str] = []
        blobs: list[str] = []
        with pytest.raises(StoreFull) as caught:
            for number in range(1000):
                with store.snapshots.draft() as draft:
                    with guarded(root):  # as whoever fills a draft does
                        (draft.fs / "file").write_bytes(os.urandom(20_000))
                    store.steps.put(StepRecord(key=str(number), chain=(draft.commit({}),)))
                kept.append(str(number))
                blobs.append(store.blobs.put_bytes(os.urandom(20_000)))
        assert str(root) in caught.value.message
        assert "METALOR_STORE" in caught.value.help
        with pytest.raises(StoreFull):
            for number in range(1000):
                store.steps.put(StepRecord(key=f"small {number}", chain=(), text="x" * 3000))
        with pytest.raises(StoreFull):
            for _ in range(1000):
                store.blobs.put_bytes(os.urandom(3000))
        assert os.listdir(store.tmp) == []
        assert all(store.steps.get(key) is not None for key in kept)
        assert all(store.blobs.has(digest) for digest in blobs)
        assert store.verify(full=False).damaged == ()
        store.close()
        # A full store can still be opened and emptied.
        again = Store.open(root)
        again.gc(KeepPolicy(newest=0))
        assert again.snapshots.all() == ()
        again.blobs.put_bytes(os.urandom(50_000))

    assert os.waitpid(start(fill), 0)[1] == 0
