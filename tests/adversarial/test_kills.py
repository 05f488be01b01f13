"""SIGKILL anywhere in a build: no mount, no process, no rule, nothing torn is left, and the next build is right.

The named points are enumerated: every system call of the build's process tree that changes something is a point, and
the builder, or the process that makes the call, is killed at it. `METALOR_KILLS` is how many kills in all, shared by
the backends.
"""

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from metalor_lang.kernel import syscalls
from metalor_lang.runtime.world import Backend
from tests.support import crashes, remains, tracer
from tests.support.crashes import Project
from tests.support.disks import in_memory, in_own_mounts, on_memory_disk
from tests.support.remains import HostState
from tests.support.tracer import Call

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KILLS: Final = int(os.environ.get("METALOR_KILLS", "18"))
BACKENDS: Final = crashes.backends()
EACH: Final = -(-KILLS // len(BACKENDS))
"""Kills of one backend: a third of them at random."""
POINTS: Final = frozenset(tracer.NUMBERS) - {
    *("prctl", "fcntl", "dup", "memfd_create", "pipe2", "socket", "socketpair", "epoll_create1", "eventfd2"),
    *("inotify_init1", "fsopen", "fsconfig", "fspick", "pidfd_open", "utimensat"),
}
"""Calls that change files, mounts, processes or rights; the others only prepare one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where one backend's kills happen: a project, what its build must give, and how it is seen to be clean."""

    folder: Path
    project: Project
    right: crashes.Expected
    backend: Backend

    def fresh(self, name: str) -> tuple[Path, Path]:
        """A store that does not exist yet, and an empty directory for outputs."""
        place = self.folder / name
        (place / "out").mkdir(parents=True)
        self.project.own(place)
        return place / "store", place / "out"

    def host(self) -> HostState:
        """What a build could leave on the machine, as it is now."""
        return HostState.now(self.folder / "empty")

    def check(self, where: str, store: Path, out: Path, before: HostState) -> None:
        """Everything that must hold after a kill; then the next build, and the same again."""
        said = self.folder / "next"
        problems = remains.survivors()
        problems += before.changed(self.folder / "empty")
        problems += crashes.torn(self.project, store, out, self.right)
        problems += crashes.next_build(self.project, store, out, self.right, said)
        problems += remains.survivors() + crashes.torn(self.project, store, out, self.right)
        assert problems == [], f"{self.backend}: after a kill {where}"
        shutil.rmtree(store.parent)


def _ground(folder: Path, backend: Backend) -> Ground:
    (folder / "empty").mkdir(parents=True)
    project = crashes.make_project(folder / "project", backend)
    return Ground(folder=folder, project=project, right=crashes.expected(project, folder / "right"), backend=backend)


def _counts(call: Call) -> bool:
    """Whether a stop is a point: it changes something, and is not just a line on the screen."""
    return call.writes and (call.name not in ("write", "writev") or call.path.startswith("/"))


def _points(ground: Ground) -> list[bool]:
    """For every point of an undisturbed build, in order, whether the builder itself makes the call."""
    store, out = ground.fresh("points")
    seen: list[bool] = []

    def look(root: int) -> tracer.Decide:
        def at(call: Call) -> None:
            if _counts(call):
                seen.append(_process(call.pid) == root)

        return at

    body = ground.project.body(ground.project.words(store, out), ground.folder / "said")
    assert tracer.trace(body, POINTS, look, limit=60) == tracer.Ended(code=0, left=())
    assert crashes.outcome(out) == ground.right
    shutil.rmtree(store.parent)
    return seen


def _process(thread: int) -> int:
    return int(Path(f"/proc/{thread}/status").read_text().split("Tgid:")[1].split()[0])


def _spread(count: int, among: list[int]) -> list[int]:
    """So many of the points, from the first to the last."""
    if count >= len(among):
        return among
    return [among[index * len(among) // count] for index in range(count)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_kills_at_every_call(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    budget = EACH - EACH // 3
    began = time.monotonic()
    points, killed, missed = on_memory_disk(
        lambda folder: _kill_everywhere(_ground(folder / "kills", backend), budget), backend=backend
    )
    with capsys.disabled():
        print(
            f"\n{backend}: killed at {killed} of {len(points)} calls ({points.count(False)} not the builder's), "
            f"{time.monotonic() - began:.0f} s: nothing left, nothing torn"
        )
    assert missed <= 1 + killed // 20, "the calls of two builds differ too much"


def _kill_everywhere(ground: Ground, budget: int) -> tuple[list[bool], int, int]:
    """Kill so often; gives the points, and how many kills hit and missed theirs."""
    points, before = _points(ground), ground.host()
    everywhere = list(range(1, len(points) + 1))
    others = [number for number in everywhere if not points[number - 1]]
    plan = [(number, True) for number in _spread(max(budget * 2 // 3, budget - len(others)), everywhere)]
    plan += [(number, False) for number in _spread(budget - len(plan), others)]
    hits = [_kill_at(ground, number, builder, before) for number, builder in plan]
    return points, hits.count(True), hits.count(False)


def _kill_at(ground: Ground, number: int, builder: bool, before: HostState) -> bool:
    """Kill the builder, or whoever makes the call, at call `number`; gives whether it was reached."""
    store, out = ground.fresh(f"point-{number}-{builder}")
    where: list[str] = []

    def killer(root: int) -> tracer.Decide:
        count = 0

        def at(call: Call) -> None:
            nonlocal count
            count += _counts(call)
            if count == number and not where:
                where.append(str(call))
                os.kill(root if builder else _process(call.pid), signal.SIGKILL)

        return at

    body = ground.project.body(ground.project.words(store, out), ground.folder / "said")
    ended = tracer.trace(body, POINTS, killer, limit=60)
    text = f"at call {number} {where} of {'the builder' if builder else 'its caller'}"
    said = (ground.folder / "said").read_text()
    assert ended.left == (), text
    if where and builder:
        assert ended.code == -signal.SIGKILL, text
    elif where and ended.code != -signal.SIGKILL:
        # The builder lives and says what failed; 0 where the process had done its work already.
        assert ended.code == 0 or (ended.code in (1, 3) and "error" in said), f"{text}: {ended.code}: {said}"
        assert "Traceback" not in said, f"{text}: {said}"
    ground.check(text, store, out, before)
    return bool(where)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kills_at_random_moments(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    kills = max(EACH // 3, 1)
    finished = on_memory_disk(lambda folder: _kill_randomly(_ground(folder / "kills", backend), kills), backend=backend)
    with capsys.disabled():
        print(f"\n{backend}: {kills} random kills, {finished} came after the end: nothing left, nothing torn")
    assert finished <= kills / 2, "the kills came too late to test anything"


def _kill_randomly(ground: Ground, kills: int) -> int:
    """Kill so often; gives how many builds had ended before."""
    chance = random.Random(20260101)
    before = ground.host()
    whole = min(_time(ground, number) for number in range(3))
    done = finished = 0
    while done < kills:
        # Up to three kills in a row: a build that repairs what an earlier kill left is killed as well.
        store, out = ground.fresh(f"random-{done}")
        moments = [chance.uniform(0, whole) for _ in range(min(chance.randint(1, 3), kills - done))]
        for moment in moments:
            shutil.rmtree(out / "tree", ignore_errors=True)
            body = ground.project.body(ground.project.words(store, out), ground.folder / "said")
            child = remains.start(body)
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
            finished += os.WIFEXITED(os.waitpid(child, 0)[1])
            assert remains.survivors() == [], f"killed after {moment:.4f} s"
        done += len(moments)
        ground.check(f"at random moments {moments} (seconds)", store, out, before)
    return finished


def _time(ground: Ground, number: int) -> float:
    """Seconds of an undisturbed build."""
    store, out = ground.fresh(f"whole-{number}")
    began = time.monotonic()
    assert ground.project.run(ground.project.words(store, out), ground.folder / "said") == 0
    return time.monotonic() - began


# --- that these tests can fail --------------------------------------------------------------------------------------


def test_a_left_process_is_seen(tmp_path: Path) -> None:
    def leave() -> None:
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            time.sleep(60)

    with remains.adopting():
        os.waitpid(remains.start(leave), 0)
        left = remains.survivors(0.2)
        assert len(left) == 1
        os.kill(int(left[0].split(":")[0]), signal.SIGKILL)
        assert remains.survivors() == []


def test_a_left_mount_is_seen(tmp_path: Path) -> None:
    def leave() -> None:
        for name in ("scratch", "left"):
            (tmp_path / name).mkdir()
        before = HostState.now(tmp_path / "scratch")
        assert before.changed(tmp_path / "scratch") == []
        # A builder in a mount namespace of its own that forgot to make it private.
        child = remains.start(
            lambda: (
                syscalls.unshare(syscalls.CLONE_NEWNS) or syscalls.mount("tmpfs", tmp_path / "left", "tmpfs", 0, None)
            )
        )
        assert os.waitpid(child, 0)[1] == 0
        assert len(before.changed(tmp_path / "scratch")) == 1

    in_own_mounts(leave)


def test_a_torn_file_is_seen() -> None:
    def tear(folder: Path) -> None:
        ground = _ground(folder / "kills", Backend.PRIVILEGED)
        store, out = ground.fresh("torn")
        assert ground.project.run(ground.project.words(store, out), ground.folder / "said") == 0
        assert crashes.torn(ground.project, store, out, ground.right) == []
        victim = next((store / "snapshots").glob("*/fs/files/file-0"))
        status = victim.stat()
        victim.write_bytes(b"x" + victim.read_bytes()[1:])
        os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert any("snapshot" in line for line in crashes.torn(ground.project, store, out, ground.right))
        (out / "archive").write_bytes((out / "archive").read_bytes()[:-1])
        assert crashes.torn(ground.project, store, out, ground.right) == ["archive"]

    in_memory(tear)
