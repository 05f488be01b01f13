import os
import signal
import threading
import time
from pathlib import Path

import pytest

from metalor_lang.store import Store
from metalor_lang.store.leases import boot_id, live_leases, start_time


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def test_one_at_a_time_and_the_waiter_is_told(store: Store) -> None:
    held, waiting, order = threading.Event(), threading.Event(), []

    def second() -> None:
        held.wait()
        with store.locks.exclusive("step:a", on_wait=lambda name: (order.append(name), waiting.set())):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with store.locks.exclusive("step:a"):
        held.set()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["step:a", "first", "second"]


def test_shared_holders_share(store: Store) -> None:
    other = Store.open(store.root)
    with store.locks.shared("store"), other.locks.shared("store"), store.locks.attempt("store") as free:
        assert not free
    with store.locks.attempt("store") as free:
        assert free


def test_a_wait_can_be_given_up(store: Store) -> None:
    def second() -> None:
        with pytest.raises(InterruptedError), store.locks.exclusive("step:a", stop=lambda: True):
            raise AssertionError
        done.append(True)

    done: list[bool] = []
    with store.locks.exclusive("step:a"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(10)
    assert done == [True]


def test_the_wrong_order_is_a_bug_that_shows(store: Store) -> None:
    early = store.locks.exclusive("layer:b")
    with store.locks.exclusive("step:a"), pytest.raises(RuntimeError, match="out of order"), early:
        raise AssertionError
    with store.locks.exclusive("store"), store.locks.exclusive("layer:b"), store.locks.exclusive("step:a"):
        pass


def test_lock_files_stay(store: Store) -> None:
    with store.locks.exclusive("step:a"):
        inode = store.locks.path("step:a").stat().st_ino
    assert store.locks.path("step:a").stat().st_ino == inode


def test_a_killed_holder_holds_nothing(store: Store) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with store.locks.exclusive("step:a"):
            os.write(write, b"x")
            time.sleep(60)
        os._exit(0)
    assert os.read(read, 1) == b"x"
    with store.locks.attempt("step:a") as free:
        assert not free
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with store.locks.attempt("step:a") as free:
        assert free
    os.close(read)
    os.close(write)


def test_the_lease_of_a_build_ends_with_the_last_one(store: Store) -> None:
    with store.lease() as outer, store.lease() as inner:
        assert outer is inner
        assert [lease.token for lease in live_leases(store.root)] == [outer.token]
    assert live_leases(store.root) == ()
    assert os.listdir(store.root / "leases") == []


@pytest.mark.parametrize(
    ("pid", "boot", "started", "live"),
    [
        (os.getpid(), boot_id(), start_time(os.getpid()), True),
        (os.getpid(), boot_id(), 1, False),
        (os.getpid(), "another-boot", start_time(os.getpid()), False),
        (2**22 + 1, boot_id(), 5, False),
    ],
    ids=["ours", "reused pid", "before a reboot", "nobody"],
)
def test_who_counts_as_living(store: Store, pid: int, boot: str, started: int, live: bool) -> None:
    path = store.root / "leases" / ("c" * 16)
    path.write_text(f"{pid} {boot} {started}\n{'d' * 32}\n")
    assert [lease.pins for lease in live_leases(store.root)] == ([frozenset({"d" * 32})] if live else [])
    Store.open(store.root)
    assert path.exists() == live


def test_unfinished_work_goes_only_with_its_owner(store: Store) -> None:
    draft = store.snapshots.draft()
    abandoned = store.tmp / ("e" * 16 + "-draft-0123")
    (abandoned / "fs" / "deep").mkdir(parents=True)
    os.chmod(abandoned / "fs", 0)
    (store.tmp / "stray").write_text("")
    again = Store.open(store.root)
    assert os.listdir(store.tmp) == [draft.path.name]
    assert again.notices == ("removed 1 unfinished snapshot of a build that was killed",)
    draft.discard()
