"""The power fails in the middle of a build: what was acknowledged is there, what is visible is whole.

A step is acknowledged when a listener has heard StepFinished, an output when it has heard Exported. `METALOR_CUTS` is
how many times the power is cut: half of them at named points (before a system call that changes something).
"""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from metalor_lang.kernel import syscalls
from tests.support import crashes, remains, tracer
from tests.support.crashes import Expected, Project
from tests.support.disks import LOGFLUSH, NOLOGFLUSH, Disk, in_memory
from tests.support.tracer import Call

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CUTS: Final = int(os.environ.get("METALOR_CUTS", "8"))
POINTS: Final = frozenset(
    {"openat", "write", "pwrite64", "copy_file_range", "fsync", "syncfs", "rename", "renameat2", "mkdir", "mkdirat"}
    | {"unlink", "unlinkat", "rmdir", "symlink", "symlinkat", "link", "linkat", "mknodat", "ftruncate"}
)
"""Calls before which the power is cut, when they are about the disk."""


@dataclass(slots=True)
class Tally:
    """What a series of cuts came to."""

    cuts: int = 0
    acknowledged: int = 0
    whole: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """A disk to be cut, and a project beside it."""

    folder: Path
    project: Project
    right: Expected
    disk: Disk
    spoil: Callable[[], None]

    def series(self, cuts: int) -> Tally:
        """Cut so often; every second time at a named point."""
        chance = random.Random(20260202)
        tally = Tally()
        points = self._count()
        began = time.monotonic()
        self._build("whole")
        whole = time.monotonic() - began
        for number in range(cuts):
            name = f"cut-{number}"
            (self.disk.path / name / "out").mkdir(parents=True)
            how = (NOLOGFLUSH, LOGFLUSH)[number // 2 % 2]
            # Other programs of a machine sync as well: without them the journal is written every five seconds only.
            with self._noise(chance.uniform(0.001, 0.02) if number // 4 % 2 else None):
                if number % 2:
                    self._cut_at(name, how, points * (number // 2) // max(cuts // 2, 1) + 1)
                else:
                    self._cut_after(name, how, chance.uniform(0, whole))
            assert remains.survivors() == []
            self.disk.unmount()
            self.disk.mount()
            self._judge(name, tally)
        self.disk.unmount()
        return tally

    def _body(self, name: str) -> Callable[[], int]:
        place = self.disk.path / name
        words = self.project.words(place / "store", place / "out", "--progress", "json")
        run = self.project.body(words, self.folder / "events")

        def body() -> int:
            self.spoil()
            return run()

        return body

    def _build(self, name: str) -> None:
        (self.disk.path / name / "out").mkdir(parents=True)
        assert os.waitpid(remains.start(self._body(name)), 0)[1] == 0, (self.folder / "events").read_text()
        assert crashes.outcome(self.disk.path / name / "out") == self.right
        shutil.rmtree(self.disk.path / name)

    def _is_point(self, call: Call) -> bool:
        return call.writes and call.path.startswith(str(self.disk.path))

    def _count(self) -> int:
        count = 0

        def look(root: int) -> tracer.Decide:
            def at(call: Call) -> None:
                nonlocal count
                count += self._is_point(call)

            return at

        (self.disk.path / "count" / "out").mkdir(parents=True)
        assert tracer.trace(self._body("count"), POINTS, look, limit=60).code == 0
        shutil.rmtree(self.disk.path / "count")
        return count

    def _cut_at(self, name: str, how: int, number: int) -> None:
        count, off = 0, False

        def cutter(root: int) -> tracer.Decide:
            def at(call: Call) -> None:
                nonlocal count, off
                count += self._is_point(call)
                if count == number and not off:
                    off = True
                    self.disk.cut(how)
                    os.kill(root, signal.SIGKILL)

            return at

        assert tracer.trace(self._body(name), POINTS, cutter, limit=60).left == ()
        if not off:  # this build made fewer calls than the first
            self.disk.cut(how)

    def _cut_after(self, name: str, how: int, seconds: float) -> None:
        child = remains.start(self._body(name))
        time.sleep(seconds)
        self.disk.cut(how)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    @contextmanager
    def _noise(self, pause: float | None) -> Iterator[None]:
        if pause is None:
            yield
            return

        def work() -> None:
            for number in range(10_000):
                try:
                    with open(self.disk.path / "noise", "w") as file:
                        file.write(str(number))
                        file.flush()
                        os.fsync(file.fileno())
                except OSError:
                    return  # the power is off
                time.sleep(pause)

        child = remains.start(work)
        try:
            yield
        finally:
            # It may have ended with the power, and be reaped by whoever waited for all.
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def _judge(self, name: str, tally: Tally) -> None:
        """Compare what is on the disk with what was heard; then build again."""
        store, out = self.disk.path / name / "store", self.disk.path / name / "out"
        out.mkdir(parents=True, exist_ok=True)  # made by the test, without a sync
        there = crashes.inspect(self.project, store)
        wrong = [*there.wrong, *crashes.torn_outputs(out, self.right)]
        lost = []
        for event in _events(self.folder / "events"):
            if event["event"] == "step-finished":
                tally.acknowledged += 1
                if str(event["key"]) not in there.keys:
                    lost.append(f"{name}: {event['text']!r}")
            elif event["event"] == "exported":
                tally.acknowledged += 1
                if not _is_there(str(event["output"]).partition(":")[0], out):
                    lost.append(f"{name}: {event['output']}")
        tally.cuts += 1
        tally.whole += there.objects
        tally.torn += [f"{name}: {line}" for line in wrong]
        tally.lost += lost
        if not wrong and not lost:
            problems = crashes.next_build(self.project, store, out, self.right, self.folder / "next")
            problems += crashes.torn(self.project, store, out, self.right)
            assert problems == [], f"after {name}"
        shutil.rmtree(self.disk.path / name)


def _is_there(kind: str, out: Path) -> bool:
    """Whether an output has appeared; whether it is whole `torn` has said."""
    if kind == "oci":
        index = out / "layout" / "index.json"
        return index.exists() and b'"x"' in index.read_bytes()
    return (out / {"oci-archive": "archive", "rootfs": "tree"}[kind]).exists()


def _events(path: Path) -> Iterator[dict[str, object]]:
    for line in path.read_text().splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            yield json.loads(line)


def _laboratory(cuts: int, spoil: Callable[[], None]) -> Tally:
    def work(folder: Path) -> Tally:
        # What is heard must not be on the disk, and the device below it must not wait for a slow one.
        project = crashes.make_project(folder / "project", crashes.backends()[0])
        right = crashes.expected(project, folder / "right")
        return Laboratory(folder=folder, project=project, right=right, disk=Disk(folder), spoil=spoil).series(cuts)

    return in_memory(work)


def test_power_cuts(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    tally = _laboratory(CUTS, lambda: None)
    with capsys.disabled():
        print(
            f"\n{tally.cuts} power cuts: {tally.acknowledged} acknowledged, {len(tally.lost)} lost; {tally.whole} "
            f"objects visible, {len(tally.torn)} torn; {time.monotonic() - began:.0f} s"
        )
    assert tally.torn == []
    assert tally.lost == []
    assert tally.acknowledged >= tally.cuts // 2, "the cuts came too early to test anything"


def _without_syncs() -> None:
    """Break the store's promise in this process: nothing is ever flushed."""
    os.fsync = lambda fd: None
    syscalls.syncfs = lambda fd: None


def test_a_store_that_does_not_sync_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    cuts = min(max(CUTS // 2, 4), 40)
    tally = _laboratory(cuts, _without_syncs)
    with capsys.disabled():
        print(
            f"\nthe same without a sync, {tally.cuts} cuts: {tally.acknowledged} acknowledged, {len(tally.lost)} lost, "
            f"{tally.whole} objects visible, {len(tally.torn)} torn"
        )
    assert tally.lost
