"""File systems whose devices and inodes fill all 64 bits are files like others."""

import hashlib
import os

import pytest

from metalor_lang.build.statcache import StatCache, packed
from metalor_lang.kernel import bulk

NUMBERS = [(1 << 63, 5), ((1 << 64) - 1, 5), (7, 1 << 63), (7, (1 << 64) - 2), (7, -3), (1 << 63, -(1 << 63))]
"""Inode and device; a device is negative where Python shows it so."""


def like(info: os.stat_result, inode: int, device: int) -> os.stat_result:
    fields = list(info)
    fields[1:3] = inode, device
    times = {name: getattr(info, name) for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
    return os.stat_result(fields, times)


@pytest.fixture(params=NUMBERS, ids=lambda numbers: f"{numbers[0]:x}-{numbers[1]:x}")
def strange(request, monkeypatch):
    """What makes statuses strange, as `fstat` gives them too."""
    fstat = os.fstat
    monkeypatch.setattr(os, "fstat", lambda fd: like(fstat(fd), *request.param))
    return lambda info: like(info, *request.param)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "to").mkdir()
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1, 1))
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


SHAS = b"".join(hashlib.sha256(name).digest() for name in (b"a", b"b"))


def test_what_was_read_is_what_was_listed(strange, folder):
    infos = [strange(os.stat(name, dir_fd=folder)) for name in ("a", "b")]
    assert bulk.hash_files(folder, ["a", "b"], [1, 1]) == (packed(infos), SHAS)
    target = os.open("to", os.O_RDONLY, dir_fd=folder)
    owner = os.geteuid(), os.getegid()
    found = bulk.copy_files(folder, target, ["a", "b"], [1, 1], [0o640, 0o640], owner, 10**18, True)
    assert found == (packed(infos), SHAS)
    assert os.stat("b", dir_fd=target).st_mode & 0o7777 == 0o640
    os.close(target)


def test_a_file_that_grows_is_seen(strange, folder):
    infos = [strange(os.stat(name, dir_fd=folder)) for name in ("a", "b")]
    found, _ = bulk.hash_files(folder, ["a", "b"], [1, 3])
    assert found[: bulk.ROW] == packed(infos[:1]) != packed(infos[1:]) != found[bulk.ROW :]


def test_digests_are_kept(strange, tmp_path, folder):
    infos = [strange(like(os.stat(name, dir_fd=folder), 1, 1)) for name in ("a", "b")]
    top = strange(os.fstat(folder))
    later = max(info.st_ctime_ns for info in infos) + 3 * 10**9
    cache = StatCache(tmp_path / "cache", settled=0)
    cache.learn(top, ["a", "b"], packed(infos), SHAS, later, b"m" * 32)
    cache.save()
    assert StatCache(tmp_path / "cache").marked(top, ["a", "b"], infos) == (b"m" * 32, SHAS)
    assert StatCache(tmp_path / "cache").digests(top, ["a"], infos[:1]) == [SHAS[:32].hex()]


def test_inodes_are_told_apart():
    info = os.stat("/")
    different = {packed((like(info, inode, device),)) for inode, device in [*NUMBERS, (0, 0), ((1 << 63) - 1, 5)]}
    assert len(different) == len(NUMBERS) + 2
