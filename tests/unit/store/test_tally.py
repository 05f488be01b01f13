"""The sums that are kept are those that reading every record gives."""

import os
import random
import time
from pathlib import Path

import pytest

from metalor_lang.store import KeepPolicy, StepRecord, Store


def expected(store: Store) -> tuple[dict[str, tuple[int, int, int]], int, int]:
    usage = store.usage()
    recipes = {one.recipe: (len(one.steps), one.size, one.used) for one in usage.recipes}
    return recipes, len(usage.snapshots), usage.snapshot_bytes


def kept(store: Store) -> tuple[dict[str, tuple[int, int, int]], int, int]:
    tally = store.tally()
    return {one.recipe: (one.steps, one.size, one.used) for one in tally.recipes}, tally.snapshots, tally.snapshot_bytes


def step(store: Store, key: str, recipe: str, parent: tuple[str, ...], size: int) -> tuple[str, ...]:
    with store.snapshots.draft("overlay" if parent else "whole") as draft:
        (draft.fs / "file").write_bytes(bytes(size))
        chain = (*parent, draft.commit({}, durable=False))
    store.steps.put(StepRecord(key=key, chain=chain, parent=parent, recipe=recipe))
    return chain


@pytest.mark.parametrize("seed", range(6))
def test_sums_are_right_after_whatever_happened(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    root = tmp_path / "store"
    chains: list[tuple[str, ...]] = [()]
    for number in range(60):
        with Store.open(root) as store:
            match rng.randrange(8):
                case 0 | 1 | 2 | 3:
                    key = f"key {rng.randrange(20)}"  # some replace an older one
                    chains.append(step(store, key, f"r{rng.randrange(3)}", rng.choice(chains), rng.randrange(100)))
                case 4:
                    store.steps.get(f"key {rng.randrange(20)}")
                case 5:
                    store.steps.remove(f"key {rng.randrange(20)}")
                case 6 if number > 30:
                    store.gc(KeepPolicy(newest=5))
                    there = set(store.snapshots.names())
                    chains = [chain for chain in chains if there.issuperset(chain)]
                case 7:
                    time.sleep(0.15)  # long enough for what is kept to be believed
                    store.tally()
            sums, snapshots, size = kept(store)
            right, count, total = expected(store)
            assert (snapshots, size) == (count, total)
            assert {name: row[:2] for name, row in sums.items()} == {name: row[:2] for name, row in right.items()}
            for name, row in sums.items():
                assert abs(row[2] - right[name][2]) < 60 * 10**9  # seconds pass on a busy machine


def test_nothing_is_read_again_while_nothing_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path / "store") as store:
        chain = step(store, "a", "r", (), 10)
        time.sleep(0.15)
        first = kept(store)
        read: list[str] = []
        monkeypatch.setattr(type(store.steps), "read_file", lambda self, name: read.append(name))
        assert kept(store) == first
        assert read == []
        monkeypatch.undo()
        step(store, "b", "r", chain, 5)
        assert kept(store)[0]["r"][:2] == (2, 15)


@pytest.mark.parametrize("damage", [b"", b"{}", b"sha256:0\n{}", b"\xff" * 100])
@pytest.mark.parametrize("name", ["tally.json", "tally-details.json"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, name: str, damage: bytes) -> None:
    with Store.open(tmp_path / "store") as store:
        chain = step(store, "a", "r", (), 10)
        time.sleep(0.15)
        before = kept(store)
        (store.root / name).write_bytes(damage)
        assert kept(store) == before
        step(store, "b", "r", chain, 5)
        (store.root / name).write_bytes(damage)
        assert kept(store)[0]["r"][:2] == (2, 15)


def test_the_use_of_an_older_record_counts(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with Store.open(root) as store:
        step(store, "a", "r", (), 10)
        old = time.time_ns() - 10**15
        os.utime(store.steps.path("a"), ns=(old, old))
        for path in (root / "used").iterdir():
            os.utime(path, ns=(old, old))
        time.sleep(0.15)
        assert kept(store)[0]["r"][2] == old
    with Store.open(root) as store:
        assert store.steps.get("a") is not None
        assert time.time_ns() - kept(store)[0]["r"][2] < 10**10
