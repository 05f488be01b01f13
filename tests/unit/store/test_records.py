import json
import os
from pathlib import Path

import pytest

from metalor_lang.store import LayerRecord, MissingObject, StepRecord, Store
from metalor_lang.store.leases import read_lease

KEY = "sha256:" + "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def snapshot(store: Store, text: str = "x", **meta: int) -> str:
    with store.snapshots.draft() as draft:
        (draft.fs / "file").write_text(text)
        return draft.commit(meta)


def test_a_snapshot_tells_what_it_holds(store: Store) -> None:
    with store.snapshots.draft("whole") as draft:
        (draft.fs / "sub").mkdir()
        (draft.fs / "sub" / "a").write_bytes(b"12345")
        os.link(draft.fs / "sub" / "a", draft.fs / "b")
        os.symlink("nowhere", draft.fs / "link")
        identity = draft.commit({"note": [1, None, "é"]})
    info = store.snapshots.info(identity)
    assert (info.kind, info.size, info.entries, info.meta) == ("whole", 5, 4, {"note": [1, None, "é"]})
    assert store.snapshots.exists(identity)
    assert store.snapshots.all() == (info,)
    assert sorted(os.listdir(store.snapshots.path(identity))) == ["fs", "manifest", "snapshot.json"]


def test_a_draft_that_is_left_leaves_nothing(store: Store) -> None:
    with store.snapshots.draft() as draft:
        (draft.fs / "a").mkdir()
    assert os.listdir(store.tmp) == []
    assert store.snapshots.all() == ()
    with pytest.raises(RuntimeError):
        draft.commit({})


@pytest.mark.parametrize("name", ["", "..", "../../etc", "A" * 32, "0" * 31])
def test_what_is_no_id_never_becomes_a_path(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="snapshot id"):
        store.snapshots.fs_path(name)


def test_file_names_of_any_bytes_survive(store: Store) -> None:
    with store.snapshots.draft() as draft:
        Path(os.fsdecode(os.fsencode(draft.fs) + b"/\xff\n\xfe")).write_bytes(b"1")
        identity = draft.commit({}, seal=True)
    assert store.verify(full=True).damaged == ()
    assert store.snapshots.info(identity).entries == 1


def test_a_step_record_comes_back_as_it_was(store: Store) -> None:
    chain = (snapshot(store), snapshot(store))
    record = StepRecord(
        key=KEY, chain=chain, parent=chain[:1], inputs=(), parts={"a": [1]}, result={"env": {"A": "ü"}},
        text="RUN x", created=5, duration_ms=6, recipe="r",
    )  # fmt: skip
    assert store.steps.get(KEY) is None
    store.steps.put(record)
    assert store.steps.get(KEY) == record
    assert Store.open(store.root).steps.get(KEY) == record


def test_a_newer_record_replaces_an_older_one(store: Store) -> None:
    one, two = snapshot(store), snapshot(store)
    store.steps.put(StepRecord(key=KEY, chain=(one,)))
    store.steps.put(StepRecord(key=KEY, chain=(two,)))
    found = store.steps.get(KEY)
    assert found is not None
    assert found.chain == (two,)
    assert store.steps.remove(KEY)
    assert not store.steps.remove(KEY)


def test_a_record_without_its_snapshot_is_not_returned(store: Store) -> None:
    store.steps.put(StepRecord(key=KEY, chain=(snapshot(store), "f" * 32)))
    assert store.steps.get(KEY) is None
    store.steps.put(StepRecord(key=KEY, chain=("../../etc",)))
    assert store.steps.get(KEY) is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"null",
        b"[" * 100_000,
        b'{"body": {}, "digest": "sha256:0", "format": 1}',
        b'{"body": {"key": 1.5}, "digest": "x", "format": 1}',
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_record_is_put_aside_with_one_line(store: Store, damage: bytes) -> None:
    store.steps.put(StepRecord(key=KEY, chain=(snapshot(store),)))
    store.steps.path(KEY).write_bytes(damage)
    assert store.steps.get(KEY) is None
    assert len(store.notices) == 1
    assert "step record" in store.notices[0]
    assert not store.steps.path(KEY).exists()
    assert len(os.listdir(store.root / "quarantine")) == 1


def test_an_edited_record_is_not_believed(store: Store) -> None:
    store.steps.put(StepRecord(key=KEY, chain=(snapshot(store),), recipe="mine"))
    path = store.steps.path(KEY)
    path.write_text(path.read_text().replace("mine", "evil"))
    assert store.steps.get(KEY) is None
    assert "its own digest" in store.notices[0]


def test_a_record_under_a_wrong_name_is_not_returned(store: Store) -> None:
    other = "sha256:" + "b" * 64
    store.steps.put(StepRecord(key=KEY, chain=(snapshot(store),)))
    os.rename(store.steps.path(KEY), store.steps.path(other))
    assert store.steps.get(other) is None


def test_many_records_at_once_are_what_each_is_alone(store: Store) -> None:
    one, two = snapshot(store), snapshot(store)
    keys = ["sha256:" + letter * 64 for letter in "abcdefg"]
    sound, long, torn, edited, gone, renamed, absent = keys
    store.steps.put(StepRecord(key=sound, chain=(one,)))
    store.steps.put(StepRecord(key=long, chain=(one, two)))
    store.steps.put(StepRecord(key=torn, chain=(one,)))
    store.steps.path(torn).write_bytes(b"{")
    store.steps.put(StepRecord(key=edited, chain=(one,), recipe="mine"))
    store.steps.path(edited).write_text(store.steps.path(edited).read_text().replace("mine", "evil"))
    store.steps.put(StepRecord(key=gone, chain=(one, "f" * 32)))
    store.steps.put(StepRecord(key=absent, chain=(one,)))
    os.rename(store.steps.path(absent), store.steps.path(renamed))
    os.utime(store.steps.path(sound), (1, 1))
    store.close()  # what was written is pinned no more
    with store.lease() as lease:
        found = store.steps.get_all([*keys, sound])
        assert sorted(found) == [sound, long]
        assert [found[key].chain for key in (sound, long)] == [(one,), (one, two)]
        pinned = read_lease(store.root / "leases" / lease.token).pins
        assert pinned == {one, two}
    assert store.steps.path(sound).stat().st_mtime > 1_000_000
    assert len(store.notices) == 2
    assert {name.partition("-")[0] for name in os.listdir(store.root / "quarantine")} == {
        store.steps.path(key).name for key in (torn, edited)
    }
    assert {key: store.steps.get(key) for key in keys} == {key: found.get(key) for key in keys}


def test_a_damaged_snapshot_description_is_put_aside(store: Store) -> None:
    identity = snapshot(store)
    path = store.snapshots.path(identity) / "snapshot.json"
    body = json.loads(path.read_text())
    body["body"]["kind"] = "whole"
    path.write_text(json.dumps(body))
    with pytest.raises(MissingObject, match=identity):
        store.snapshots.info(identity)
    assert not store.snapshots.exists(identity)
    assert identity in store.notices[0]


def test_a_layer_record_needs_its_blob(store: Store) -> None:
    digest = store.blobs.put_bytes(b"layer")
    record = LayerRecord(key=KEY, digest=digest, size=5, diff_id=digest, media_type="m", snapshots=("0" * 32,))
    store.layers.put(record)
    assert store.layers.get(KEY) == record
    store.blobs.path(digest).unlink()
    assert store.layers.get(KEY) is None


def test_keys_of_any_text_have_safe_file_names(store: Store) -> None:
    for key in ("base:../../x", "", "a/b", "x" * 5000):
        store.steps.put(StepRecord(key=key, chain=()))
        assert store.steps.get(key) is not None
        assert store.steps.path(key).parent == store.root / "steps"
        assert store.logs_path(key).parent == store.root / "logs"
