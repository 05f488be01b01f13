import os
import threading
from pathlib import Path

import pytest

from metalor_lang.kernel import syscalls
from metalor_lang.kernel.writeback import EarlyWriteback, begin_sync


def test_pieces_follow_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, begun = syscalls.start_writeback, []

    def start(fd: int, start: int, length: int) -> None:
        begun.append((start, length))
        real(fd, start, length)

    monkeypatch.setattr(syscalls, "start_writeback", start)
    data = os.urandom(1 << 20) * 3
    with (tmp_path / "file").open("wb", buffering=0) as file:
        early = EarlyWriteback(file.fileno())
        for _ in range(10):
            file.write(data)
            early.wrote(len(data))
    assert begun == [(0, 9 << 20), (9 << 20, 9 << 20), (18 << 20, 9 << 20)]
    assert (tmp_path / "file").read_bytes() == data * 10


def test_where_it_is_not_possible_nothing_happens() -> None:
    reading, writing = os.pipe()
    try:
        syscalls.start_writeback(writing, 0, 4096)
    finally:
        os.close(reading)
        os.close(writing)
    syscalls.start_writeback(writing, 0, 4096)


def test_a_sync_begins_with_a_descriptor_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, go, done = syscalls.syncfs, threading.Event(), threading.Event()
    synced: list[int] = []

    def sync(fd: int) -> None:
        try:
            go.wait(10)
            synced.append(os.fstat(fd).st_ino)
            real(fd)
        finally:
            done.set()

    monkeypatch.setattr(syscalls, "syncfs", sync)
    before = sorted(os.listdir("/proc/self/fd"))
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    begin_sync(fd)
    os.close(fd)  # whoever began it need not wait
    go.set()
    assert done.wait(10)
    for thread in threading.enumerate():
        if thread.name == "write-back":
            thread.join(10)
    assert synced == [tmp_path.stat().st_ino]
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_sync_that_cannot_be_begun_is_left_to_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    before = sorted(os.listdir("/proc/self/fd"))
    begin_sync(0)
    assert sorted(os.listdir("/proc/self/fd")) == before
