"""Jobs done here and in a worker: the same results in the same order, errors told, nothing left over."""

import hashlib
import os
import signal
from pathlib import Path

import pytest

from metalor_lang.build.statcache import packed
from metalor_lang.kernel import bulk, shared, spawn


@pytest.fixture
def root(tmp_path: Path):
    for number in range(40):
        folder = tmp_path / f"from/d{number}"
        folder.mkdir(parents=True)
        (tmp_path / f"to/d{number}").mkdir(parents=True)
        for name in range(5):
            (folder / f"f{name}").write_text(f"{number} {name}" * 50)
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def names_and_sizes(root: int, path: str) -> tuple[list[str], list[int]]:
    names = sorted(os.listdir(f"/proc/self/fd/{root}/{path}"))
    return names, [os.stat(f"{path}/{name}", dir_fd=root).st_size for name in names]


def hash_jobs(root: int) -> list[bulk.HashJob]:
    return [((f"from/d{number}",), *names_and_sizes(root, f"from/d{number}")) for number in range(40)]


def copy_jobs(root: int) -> list[bulk.CopyJob]:
    jobs: list[bulk.CopyJob] = []
    for number in range(40):
        names, sizes = names_and_sizes(root, f"from/d{number}")
        owner = os.geteuid(), os.getegid()
        jobs.append(
            ((f"from/d{number}", f"to/d{number}"), names, sizes, [0o640] * 5, owner, 10**18 + number, number % 2 == 0)
        )
    return jobs


@pytest.fixture
def two_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.usefixtures("two_processors")
def test_a_worker_says_what_we_would(root: int) -> None:
    jobs = hash_jobs(root)
    before = children()
    alone = shared.do_all(jobs, (root,), files=1)
    assert shared.do_all(jobs, (root,), files=shared.WORTH) == alone
    assert children() == before
    for ((path,), names, _), (status, shas) in zip(jobs, alone):
        assert status == packed([os.stat(f"{path}/{name}", dir_fd=root) for name in names])
        texts = [Path(f"/proc/self/fd/{root}/{path}/{name}").read_bytes() for name in names]
        assert shas == b"".join(hashlib.sha256(text).digest() for text in texts)


@pytest.mark.usefixtures("two_processors")
@pytest.mark.parametrize("files", [1, shared.WORTH])
def test_copies_are_whole(root: int, files: int) -> None:
    jobs = copy_jobs(root)
    answers = shared.do_all(jobs, (root, root), files=files)
    for ((source, target), names, _, _, _, time, hashed), (status, shas) in zip(jobs, answers):
        assert status == packed([os.stat(f"{source}/{name}", dir_fd=root) for name in names])
        texts = [Path(f"/proc/self/fd/{root}/{source}/{name}").read_bytes() for name in names]
        assert shas == (b"".join(hashlib.sha256(text).digest() for text in texts) if hashed else b"")
        for name in names:
            one, two = (Path(f"/proc/self/fd/{root}/{folder}/{name}") for folder in (source, target))
            assert one.read_bytes() == two.read_bytes()
            assert two.stat().st_mode & 0o7777 == 0o640
            assert two.stat().st_mtime_ns == time


@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
@pytest.mark.parametrize("folder", [0o755, 0o2775])
def test_modes_are_what_was_asked_for(root: int, umask: int, folder: int) -> None:
    os.chmod("to/d0", folder, dir_fd=root)
    names, sizes = names_and_sizes(root, "from/d0")
    modes = [0o644, 0o755, 0o644, 0o4755, 0o600]
    before = os.umask(umask)
    try:
        bulk.do((("from/d0", "to/d0"), names, sizes, modes, (os.geteuid(), os.getegid()), 0, False), (root, root))
    finally:
        os.umask(before)
    made = [os.stat(f"to/d0/{name}", dir_fd=root) for name in names]
    assert [info.st_mode & 0o7777 for info in made] == modes
    assert {(info.st_uid, info.st_gid) for info in made} == {(os.geteuid(), os.getegid())}


@pytest.mark.usefixtures("two_processors")
def test_a_worker_begins_while_jobs_are_made(root: int) -> None:
    jobs = hash_jobs(root)
    called = []
    with shared.Team((root,), worker=True) as team:
        for job in jobs:
            team.add(job)
        answers = team.finish(mostly=lambda: called.append(len(called)))
    assert answers == shared.do_all(jobs, (root,), files=1)
    assert called == [0]


@pytest.mark.usefixtures("two_processors")
@pytest.mark.parametrize("files", [1, shared.WORTH])
@pytest.mark.parametrize("number", [0, 1, 17, 39])
def test_the_job_that_failed_is_named(root: int, files: int, number: int) -> None:
    jobs = hash_jobs(root)
    os.unlink(f"from/d{number}/f3", dir_fd=root)
    before = children()
    with pytest.raises(shared.Failed) as failed:
        shared.do_all(jobs, (root,), files=files)
    assert failed.value.index == number
    assert isinstance(failed.value.__cause__, FileNotFoundError)
    assert children() == before


@pytest.mark.usefixtures("two_processors")
def test_a_worker_that_dies_is_an_error(root: int, monkeypatch) -> None:
    real = spawn.spawn

    def killed(*words, **more):
        child = real(*words, **more)
        os.kill(child.pid, signal.SIGKILL)
        return child

    monkeypatch.setattr(spawn, "spawn", killed)
    with pytest.raises(shared.Failed):
        shared.do_all(hash_jobs(root), (root,), files=shared.WORTH)


@pytest.mark.parametrize("change", [b"", b"short", b"x" * 5000])
def test_a_size_that_is_not_what_was_listed_is_seen(root: int, change: bytes) -> None:
    names, sizes = names_and_sizes(root, "from/d0")
    listed = packed([os.stat(f"from/d0/{name}", dir_fd=root) for name in names])
    Path(f"/proc/self/fd/{root}/from/d0/f2").write_bytes(change)
    assert bulk.do((("from/d0",), names, sizes), (root,))[0] != listed


@pytest.mark.parametrize("path", ["link", "link/d1", "from/link", "from/d0/f1", "from/../from/d0"])
def test_no_link_is_followed_on_the_way(root: int, path: str) -> None:
    os.symlink("from", "link", dir_fd=root)
    os.symlink("d1", "from/link", dir_fd=root)
    with pytest.raises((OSError, ValueError)):
        bulk.open_folder(root, path)


def test_a_link_and_a_pipe_are_not_read(root: int) -> None:
    os.symlink("f1", "from/d0/link", dir_fd=root)
    with pytest.raises(OSError):
        bulk.do((("from/d0",), ["link"], [3]), (root,))
    os.mkfifo("from/d0/pipe", dir_fd=root)
    listed = packed([os.stat("from/d0/f1", dir_fd=root)])
    assert bulk.do((("from/d0",), ["pipe"], [3]), (root,))[0] != listed
