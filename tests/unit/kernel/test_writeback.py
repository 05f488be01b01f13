import os
from pathlib import Path

import pytest

from metalor_lang.kernel import syscalls
from metalor_lang.kernel.writeback import EarlyWriteback


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
