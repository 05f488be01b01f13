"""Each system call of a build that can meet a full disk, a broken one or the limit of open files meets it once.

The build must end with status 1 or 3 and a message that says what happened, or not mind at all and give the right
image; nothing is torn, nothing stays behind, and the next build is right. `METALOR_FAULTS` is how many calls are
made to fail, spread over all of them; `all` is every one, with every error.
"""

import errno
import os
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest

import metalor_lang
from metalor_lang.kernel import syscalls
from tests.support import crashes, remains, tracer
from tests.support.crashes import Expected, Project
from tests.support.disks import in_own_mounts, on_memory_disk, small_tmpfs
from tests.support.tracer import Call

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BACKEND: Final = crashes.backends()[0]
FAULTS: Final = os.environ.get("METALOR_FAULTS", "20")
DISK: Final = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "copy_file_range", "sendfile", "openat", "openat2", "mkdir", "mkdirat"}
    | {"mknod", "mknodat", "symlink", "symlinkat", "link", "linkat", "rename", "renameat", "renameat2", "unlink"}
    | {"unlinkat", "rmdir", "fsync", "fdatasync", "syncfs", "ftruncate", "fallocate", "setxattr", "lsetxattr"}
    | {"fsetxattr", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utimensat"}
)
"""Calls that reach a disk when they are about a file of one."""
DESCRIPTORS: Final = frozenset(
    {"openat", "open", "openat2", "open_tree", "fsopen", "fsmount", "pipe2", "socket", "socketpair", "memfd_create"}
    | {"epoll_create1", "eventfd2", "dup", "fcntl", "pidfd_open"}
)
"""Calls that give a new descriptor."""
_REMOUNT: Final = 32  # MS_REMOUNT of mount(2)
ERRORS: Final = {errno.ENOSPC: DISK, errno.EIO: DISK, errno.EMFILE: DESCRIPTORS}
_DUPLICATES: Final = frozenset({0, 1030})  # F_DUPFD, F_DUPFD_CLOEXEC
_real: Final = lru_cache(os.path.realpath)
_LIBRARIES: Final = (
    sys.base_prefix,
    sys.prefix,
    str(Path(*metalor_lang.__path__).parent),
    "/etc/ld.so",
    "/lib",
    "/usr/lib",
)
_PYTHON: Final = os.path.realpath(sys.executable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A project, and what its build must give."""

    folder: Path
    project: Project
    right: Expected

    def counts(self, number: int, root: int, call: Call) -> bool:
        """Whether a call of our own processes can fail with this error."""
        if _real(call.program) != _PYTHON:
            return False  # skopeo, or a command of a step: its errors are its own
        path = call.path
        if path == str(self.folder / "said"):
            return False  # the screen: opened by the test itself
        if number == errno.EMFILE:
            # An interpreter that starts holds nothing yet; only the builder has many files open when it imports.
            starting = call.pid != root and (path.startswith(_LIBRARIES) or path.endswith((".py", ".pyc", ".so")))
            return not starting and (call.name != "fcntl" or call.arguments[1] in _DUPLICATES)
        ours = path.startswith("/") and not path.startswith(("/memfd:", "/proc/", "/dev/"))
        return ours and call.writes


def _ground(folder: Path) -> Ground:
    folder.mkdir()
    project = crashes.make_project(folder / "project", BACKEND)
    return Ground(folder=folder, project=project, right=crashes.expected(project, folder / "right"))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return _ground(tmp_path_factory.mktemp("faults") / "ground")


def _count(ground: Ground, number: int) -> int:
    """How many calls of an undisturbed build can fail with this error."""
    count = 0

    def look(root: int) -> tracer.Decide:
        def at(call: Call) -> None:
            nonlocal count
            count += ground.counts(number, root, call)

        return at

    place = ground.folder / f"count-{number}"
    (place / "out").mkdir(parents=True)
    body = ground.project.body(ground.project.words(place / "store", place / "out"), ground.folder / "said")
    assert tracer.trace(body, ERRORS[number], look, limit=60) == tracer.Ended(code=0, left=())
    shutil.rmtree(place)
    return count


@dataclass(slots=True)
class Tally:
    """How many calls could fail, how the builds ended in which one did, and what was wrong."""

    calls: dict[int, int] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def test_every_call_fails_once(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    tally = on_memory_disk(lambda folder: _fail_everywhere(_ground(folder / "faults")), backend=BACKEND)
    with capsys.disabled():
        calls = ", ".join(f"{errno.errorcode[number]} {count}" for number, count in tally.calls.items())
        ends = ", ".join(f"{name}: {count}" for name, count in sorted(tally.ends.items()))
        print(f"\ncalls that can fail: {calls}; {sum(tally.ends.values())} failed once: {ends}")
        print(f"{len(tally.problems)} problems, {time.monotonic() - began:.0f} s")
    assert not tally.problems, "\n".join(tally.problems)


def _fail_everywhere(ground: Ground) -> Tally:
    tally = Tally(calls={number: _count(ground, number) for number in ERRORS})
    plan = [(number, index) for number, calls in tally.calls.items() for index in range(1, calls + 1)]
    wanted = len(plan) if FAULTS == "all" else min(int(FAULTS), len(plan))
    for turn in range(wanted):
        number, index = plan[turn * len(plan) // wanted]
        end, wrong = _fail_at(ground, number, index)
        tally.ends[f"{errno.errorcode[number]} {end}"] += 1
        tally.problems += wrong
    return tally


def _fail_at(ground: Ground, number: int, index: int) -> tuple[str, list[str]]:
    """Let one call fail; gives how the build ended, and what is wrong."""
    place = ground.folder / "one"
    (place / "out").mkdir(parents=True)
    where: list[str] = []

    def failing(root: int) -> tracer.Decide:
        count = 0

        def at(call: Call) -> int | None:
            nonlocal count
            if where or not ground.counts(number, root, call):
                return None
            count += 1
            if count < index:
                return None
            where.append(str(call).replace(str(place), ""))
            return number

        return at

    body = ground.project.body(ground.project.words(place / "store", place / "out"), ground.folder / "said")
    ended = tracer.trace(body, ERRORS[number], failing, limit=60)
    said = (ground.folder / "said").read_text()
    wrong = [f"left: {ended.left}"] if ended.left else []
    wrong += judge(ended.code, said, os.strerror(number))
    if ended.code == 0 and crashes.outcome(place / "out") != ground.right:
        wrong.append("it ended well with another image")
    wrong += crashes.torn(ground.project, place / "store", place / "out", ground.right)
    wrong += crashes.next_build(ground.project, place / "store", place / "out", ground.right, ground.folder / "next")
    shutil.rmtree(place)
    result = "not reached" if not where else f"status {ended.code}"
    text = f"{errno.errorcode[number]} at {index} {where}"
    return result, [f"{text}: {line}" for line in wrong]


def judge(code: int, said: str, reason: str) -> list[str]:
    """What is wrong with how a build ended that met an error."""
    wrong = []
    if code not in (0, 1, 3):
        wrong.append(f"status {code}: {said[-600:]}")
    elif code and reason.lower() not in said.lower():
        wrong.append(f"status {code}, but {reason!r} is not said: {said[-600:]}")
    elif code and "error" not in said:
        wrong.append(f"status {code} without an error: {said[-600:]}")
    if "Traceback" in said or "Exception ignored" in said:
        wrong.append(f"a traceback: {said[-1500:]}")
    return wrong


_FEW_FILES = [f"size=64m,nr_inodes={files}" for files in range(48, 128, 8)]  # each ends at another step's other call


@pytest.mark.parametrize("room", ["size=1m", "size=2m", "size=3m", "size=16m", *_FEW_FILES])
def test_a_store_that_fills_up(ground: Ground, tmp_path: Path, room: str) -> None:
    """A store on a small tmpfs; then the same store gets room and the build goes on."""

    def work() -> list[str]:
        disk = tmp_path / "disk"
        small_tmpfs(disk, room)
        out = tmp_path / "out"
        out.mkdir()
        code = ground.project.run(ground.project.words(disk / "store", out), tmp_path / "said")
        said = (tmp_path / "said").read_text()
        wrong = judge(code, said, os.strerror(errno.ENOSPC))
        if code and "METALOR_STORE" not in said:
            wrong.append(f"it does not say what to do: {said}")
        if code == 0 and crashes.outcome(out) != ground.right:
            wrong.append("another image")
        syscalls.mount(None, disk, None, _REMOUNT, "size=256m,nr_inodes=100k")
        wrong += crashes.torn(ground.project, disk / "store", out, ground.right)
        wrong += crashes.next_build(ground.project, disk / "store", out, ground.right, tmp_path / "next")
        wrong += crashes.torn(ground.project, disk / "store", out, ground.right)
        return [*wrong, str(code)]

    *wrong, code = in_own_mounts(work)
    assert wrong == []
    assert (code == "0") == (room == "size=16m"), "all sizes but this one are too small"


def _limited(body: Callable[[], int], what: int, limit: int) -> Callable[[], int]:
    def run() -> int:
        resource.setrlimit(what, (limit, resource.getrlimit(what)[1]))
        return body()

    return run


@pytest.mark.parametrize("limit", [1_000, 5_000, 20_000, 1_000_000])
def test_a_limit_on_the_size_of_files(ground: Ground, tmp_path: Path, limit: int) -> None:
    """RLIMIT_FSIZE, as a quota on single files: EFBIG, because Python ignores SIGXFSZ."""
    store, out = tmp_path / "store", tmp_path / "out"
    out.mkdir()
    body = _limited(
        ground.project.body(ground.project.words(store, out), tmp_path / "said"), resource.RLIMIT_FSIZE, limit
    )
    code = os.waitstatus_to_exitcode(os.waitpid(remains.start(body), 0)[1])
    assert code != 0
    said = (tmp_path / "said").read_text()
    assert judge(code, said, os.strerror(errno.EFBIG)) == []
    assert crashes.torn(ground.project, store, out, ground.right) == []
    assert crashes.next_build(ground.project, store, out, ground.right, tmp_path / "next") == []


@pytest.mark.parametrize("limit", [16, 20, 28])
def test_a_limit_on_open_files(ground: Ground, tmp_path: Path, limit: int) -> None:
    store, out = tmp_path / "store", tmp_path / "out"
    out.mkdir()
    body = _limited(
        ground.project.body(ground.project.words(store, out), tmp_path / "said"), resource.RLIMIT_NOFILE, limit
    )
    code = os.waitstatus_to_exitcode(os.waitpid(remains.start(body), 0)[1])
    said = (tmp_path / "said").read_text()
    assert judge(code, said, os.strerror(errno.EMFILE)) == []
    assert crashes.torn(ground.project, store, out, ground.right) == []
    assert crashes.next_build(ground.project, store, out, ground.right, tmp_path / "next") == []


def test_a_screen_that_is_full(ground: Ground, tmp_path: Path) -> None:
    """Standard output on /dev/full: the build cannot say its result, and says so on standard error."""
    store, out = tmp_path / "store", tmp_path / "out"
    out.mkdir()
    words = [sys.executable, "-m", "metalor_lang", *ground.project.words(store, out)]

    def run() -> int:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        os.dup2(os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT), 2)
        os.chdir(ground.project.folder)
        env = dict(ground.project.env, PYTHONPATH=str(Path(__file__).parents[2]))
        os.execve(sys.executable, words, env)

    code = os.waitstatus_to_exitcode(os.waitpid(remains.start(run), 0)[1])
    said = (tmp_path / "said").read_text()
    assert code == 3
    assert judge(code, said, os.strerror(errno.ENOSPC)) == []
    assert crashes.torn(ground.project, store, out, ground.right) == []
