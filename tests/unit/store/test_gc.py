import os
import time
from pathlib import Path

import pytest

from metalor_lang.store import KeepPolicy, LayerRecord, StepRecord, Store
from metalor_lang.store.gc import choose
from metalor_lang.store.records import Found

NOW = 1_000_000


def key(name: str) -> str:
    return "sha256:" + name[0] * 64


def found(name: str, used: int, chain: str, parent: str = "", inputs: str = "") -> Found[StepRecord]:
    record = StepRecord(key=name, chain=tuple(chain), parent=tuple(parent), inputs=tuple(inputs))
    return Found(record=record, path=Path(name), used=used * 10**9)


# base ← one ← two, and copy, which reads x; every step made its last snapshot.
RECORDS = (
    found("base", NOW - 100, "a"),
    found("one", NOW - 90, "ab", "a"),
    found("two", NOW - 10, "abc", "ab"),
    found("x", NOW - 50, "x"),
    found("copy", NOW - 5, "abcd", "abc", "x"),
    found("other", NOW - 70, "o"),
)
SIZES = dict.fromkeys("abcdxo", 10)


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (KeepPolicy(), "base one two x copy other"),
        (KeepPolicy(newest=0), ""),
        (KeepPolicy(newest=1), "base one two x copy"),
        (KeepPolicy(max_age=5), "base one two x copy"),
        (KeepPolicy(max_age=70), "base one two x copy other"),
        (KeepPolicy(max_age=4), ""),
        (KeepPolicy(max_bytes=50), "base one two x copy"),
        (KeepPolicy(max_bytes=60), "base one two x copy other"),
        (KeepPolicy(max_bytes=49), ""),
        (KeepPolicy(max_bytes=60, max_age=10), "base one two x copy"),
    ],
)
def test_what_a_policy_keeps(policy: KeepPolicy, kept: str) -> None:
    assert choose(RECORDS, SIZES, policy, NOW) == set(kept.split())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def step(store: Store, name: str, parent: tuple[str, ...] = ()) -> tuple[str, ...]:
    with store.snapshots.draft() as draft:
        (draft.fs / name).write_text(name * 10)
        chain = (*parent, draft.commit({}))
    store.steps.put(StepRecord(key=key(name), chain=chain, parent=parent, recipe=name))
    return chain


def test_without_limits_only_what_nothing_names_goes(store: Store) -> None:
    kept = step(store, "a")
    stray = store.snapshots.draft().commit({})
    blob = store.blobs.put_bytes(b"nobody's")
    store.close()
    report = Store.open(store.root).gc()
    assert (report.removed_steps, report.removed_snapshots, report.removed_blobs) == ((), (stray,), (blob,))
    assert report.freed == 8
    assert [info.id for info in store.snapshots.all()] == list(kept)


def test_a_living_build_keeps_what_it_was_given(store: Store) -> None:
    chain = step(store, "b", step(store, "a"))
    unrecorded = store.snapshots.draft().commit({})
    blob = store.blobs.put_bytes(b"x")
    store.close()
    with store.lease():
        assert store.steps.get(key("b")) is not None
        fresh = store.snapshots.draft().commit({})
        with Store.open(store.root) as other:
            report = other.gc(KeepPolicy(newest=0))
        assert report.removed_snapshots == (unrecorded,)
        assert report.removed_blobs == (blob,)
        assert {info.id for info in store.snapshots.all()} == {*chain, fresh}
        assert store.steps.get(key("b")) is not None
    report = store.gc(KeepPolicy(newest=0))
    assert set(report.removed_snapshots) == {*chain, fresh}
    assert os.listdir(store.root / "snapshots") == os.listdir(store.root / "steps") == os.listdir(store.tmp) == []


def test_a_dry_run_says_the_same_and_does_nothing(store: Store) -> None:
    step(store, "a")
    store.close()
    said = store.gc(KeepPolicy(newest=0), dry_run=True)
    assert store.steps.get(key("a")) is not None
    store.close()
    assert store.gc(KeepPolicy(newest=0)) == said


def test_layers_go_with_what_they_were_made_from(store: Store) -> None:
    (identity,) = step(store, "a")
    digest = store.blobs.put_bytes(b"layer")
    record = LayerRecord(key=key("1"), digest=digest, size=5, diff_id=digest, media_type="m", snapshots=(identity,))
    store.layers.put(record)
    store.close()
    assert store.gc().removed_blobs == ()
    assert store.gc(KeepPolicy(newest=0)).removed_blobs == (digest,)
    assert list(store.layers.all()) == []


def test_old_logs_of_forgotten_steps_go(store: Store) -> None:
    step(store, "a")
    for name in "ab":
        store.logs_path(key(name)).write_text("log")
    store.gc(KeepPolicy(leftovers=3600))
    assert store.logs_path(key("b")).exists()
    time.sleep(0.02)
    store.gc(KeepPolicy(leftovers=0))
    assert store.logs_path(key("a")).exists()
    assert not store.logs_path(key("b")).exists()


def test_usage_counts_shared_snapshots_once_in_the_total(store: Store) -> None:
    base = step(store, "a")
    step(store, "b", base)
    step(store, "c", base)
    store.blobs.put_bytes(b"12345")
    usage = store.usage()
    assert {recipe.recipe: recipe.size for recipe in usage.recipes} == {"a": 10, "b": 20, "c": 20}
    assert (usage.snapshot_bytes, usage.blobs, usage.blob_bytes, usage.layers) == (30, 1, 5, 0)
    assert [entry.recipes for entry in usage.snapshots if entry.info.id == base[0]] == [("a", "b", "c")]


def test_a_named_result_stays_until_limits_say_otherwise(store: Store) -> None:
    (identity,) = step(store, "a")
    (store.root / "refs" / "72.json").write_text(f'{{"layers": [{{"upper": ["{identity}"]}}]}}')
    store.steps.remove(key("a"))
    store.close()
    assert store.gc().removed_snapshots == ()
    assert store.gc(KeepPolicy(max_bytes=1000)).removed_snapshots == (identity,)
    assert os.listdir(store.root / "refs") == []


def test_a_workspace_is_safe_from_recovery_and_goes_with_its_context(store: Store) -> None:
    with store.workspace("output") as work:
        (work / "sub").mkdir()
        Store.open(store.root)
        assert os.listdir(work) == ["sub"]
    assert os.listdir(store.tmp) == []


def test_held_snapshots_stay_while_the_lease_lives(store: Store) -> None:
    one, two = step(store, "b", step(store, "a"))
    store.close()
    with store.lease():
        assert not store.snapshots.hold([one, "f" * 32])
        assert store.snapshots.hold([two])
        assert store.gc(KeepPolicy(newest=0)).removed_snapshots == ()
    with store.lease():
        assert store.snapshots.hold([one])
        store.steps.remove(key("b"))
        assert store.gc(KeepPolicy(newest=0)).removed_snapshots == (two,)
