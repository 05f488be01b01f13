"""Records that are published in groups: nobody sees one before it is safe, and whoever waits hears of each once."""

import os
import threading
from pathlib import Path

import pytest

from metalor_lang.kernel import syscalls
from metalor_lang.store import StepRecord, Store, StoreFull
from metalor_lang.store.errors import StoreError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def committed(store: Store) -> StepRecord:
    with store.snapshots.draft() as draft:
        (draft.fs / "file").write_text("x")
        identity = draft.commit({}, durable=False)
    return StepRecord(key=f"key {identity}", chain=(identity,))


class Heard:
    """What `done` was called with, in order."""

    def __init__(self) -> None:
        self.errors: list[StoreError | OSError | None] = []
        self._more = threading.Condition()

    def done(self, error: StoreError | OSError | None) -> None:
        with self._more:
            self.errors.append(error)
            self._more.notify_all()

    def wait(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.errors) >= count, 10)


def test_a_record_appears_when_it_is_safe_and_not_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go, order = threading.Event(), threading.Event(), []
    sync, fsync, rename = syscalls.syncfs, os.fsync, os.rename

    def slow(fd: int) -> None:
        began.set()
        assert go.wait(10)
        order.append("syncfs")
        sync(fd)

    monkeypatch.setattr(syscalls, "syncfs", slow)
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "rename", lambda a, b: (order.append("rename"), rename(a, b)))
    record, heard = committed(store), Heard()
    order.clear()
    store.publishing.put(record, lambda error: (order.append("done"), heard.done(error)))
    assert began.wait(10)
    assert store.steps.get(record.key) is None
    assert Store.open(store.root).steps.get(record.key) is None
    go.set()
    heard.wait(1)
    assert heard.errors == [None]
    assert order == ["syncfs", "rename", "fsync", "done"]
    assert store.steps.get(record.key) == record


def test_what_comes_during_a_sync_is_the_next_group(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs, began, go, sync = [0], threading.Event(), threading.Event(), syscalls.syncfs

    def slow(fd: int) -> None:
        syncs[0] += 1
        began.set()
        assert go.wait(10)
        sync(fd)

    monkeypatch.setattr(syscalls, "syncfs", slow)
    heard = Heard()
    records = [committed(store) for _ in range(5)]
    store.publishing.put(records[0], heard.done)
    assert began.wait(10)
    for record in records[1:]:
        store.publishing.put(record, heard.done)
    go.set()
    heard.wait(5)
    assert heard.errors == [None] * 5
    assert syncs == [2]
    assert [store.steps.get(record.key) for record in records] == records


def test_a_sync_that_fails_is_told_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(syscalls, "syncfs", fail)
    record, heard = committed(store), Heard()
    store.publishing.put(record, heard.done)
    heard.wait(1)
    assert isinstance(heard.errors[0], StoreFull)
    assert store.steps.get(record.key) is None
    assert os.listdir(store.tmp) == []
    # What comes later is not held up by it.
    monkeypatch.undo()
    store.publishing.put(record, heard.done)
    heard.wait(2)
    assert heard.errors[1] is None
    assert store.steps.get(record.key) == record


def test_a_torn_snapshot_that_nothing_names_is_garbage_and_one_that_is_named_is_damage(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with Store.open(root) as store:
        records = [committed(store) for _ in range(3)]
        store.steps.put(records[0])
        for record in records[:2]:
            for name in ("snapshot.json", "manifest"):
                os.truncate(store.snapshots.path(record.chain[0]) / name, 0)
    with Store.open(root) as store:
        assert [info.id for info in store.snapshots.all()] == list(records[2].chain)
        report = store.verify(full=True)
        assert [damage.name for damage in report.damaged] == list(records[0].chain)
        assert list(store.snapshots.ids()) == list(records[2].chain)
        assert len(store.notices) == 1


def test_gc_takes_a_torn_snapshot_away_without_a_word(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with Store.open(root) as store:
        torn = committed(store).chain[0]
        os.truncate(store.snapshots.path(torn) / "snapshot.json", 0)
    with Store.open(root) as store:
        assert store.gc().removed_snapshots == (torn,)
        assert store.notices == ()
        assert os.listdir(root / "quarantine") == []
