"""Stores and builders of size: plain functions that give seconds, for the cases to put beside a floor."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from metalor_lang.store import KeepPolicy, StepRecord, Store

CHAIN = 50
"""Steps of each recipe of a made store."""


def fabricate(root: Path, snapshots: int) -> None:
    """Fill a store as builds of so many steps would, `CHAIN` to a recipe; the newer half is used later than the rest.

    Args:
        root: the store's directory; a new one.
        snapshots: how many steps, each with a snapshot of one file.

    """
    with Store.open(root) as store, store.lease():
        for number in range(snapshots):
            place = number % CHAIN
            if place == 0:
                chain: tuple[str, ...] = ()
            with store.snapshots.draft("overlay" if chain else "whole") as draft:
                (draft.fs / f"file-{number}").write_text("x")
                after = (*chain, draft.commit({}, durable=False))
            record = StepRecord(
                key=f"sha256:{number:064x}", chain=after, parent=chain, text=f"SH echo {number}",
                recipe=f"recipe-{number // CHAIN}", created=number, parts={"kind": "sh"},
            )  # fmt: skip
            store.publishing.put(record, _raise)
            chain = after
        store.publishing.settle()
        old, new = time.time_ns() - 10**15, time.time_ns()
        for number in range(snapshots):
            moment = old if number < snapshots // 2 else new
            os.utime(store.steps.path(f"sha256:{number:064x}"), ns=(moment, moment))


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error


def command(words: Sequence[str], env: Mapping[str, str], folder: Path) -> float:
    """A whole process, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(words, env=dict(env), cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


def gc_half(root: Path) -> float:
    """Collect what was used longest ago, half of a store that `fabricate` made."""
    with Store.open(root) as store:
        total = sum(1 for _ in store.snapshots.ids())
        began = time.perf_counter()
        report = store.gc(KeepPolicy(max_age=10**5))
        taken = time.perf_counter() - began
        if len(report.removed_snapshots) != total // 2:
            raise RuntimeError(f"{len(report.removed_snapshots)} of {total} snapshots went")
    return taken


def build_holding(megabytes: int, recipe: str, env: Mapping[str, str], folder: Path) -> float:
    """Seconds of an uncached build, in a process of its own that holds so much memory, without the process's start."""
    words = [sys.executable, "-m", "tests.bench.steps", str(megabytes), str(folder / recipe)]
    done = subprocess.run(
        words, env=dict(env), cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True
    )
    return float(done.stdout.splitlines()[-1])


def holding(megabytes: int, work: Callable[[], object]) -> float:
    """Time `work()` while this process holds so much memory, written to, as a builder with large heaps does."""
    held = [bytearray(os.urandom(1 << 20)) for _ in range(megabytes)]
    gc.collect()
    began = time.perf_counter()
    work()
    taken = time.perf_counter() - began
    assert len(held) == megabytes
    return taken


if __name__ == "__main__":
    from metalor_lang.cli.main import main

    taken = holding(int(sys.argv[1]), lambda: main(["build", sys.argv[2], "--no-cache", "--progress=plain"]))
    print(taken)
