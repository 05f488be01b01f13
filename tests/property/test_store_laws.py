"""Laws of the store: what goes in comes out, whatever it is, and what is promised wrongly never stays."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalor_lang.store import DigestMismatch, KeepPolicy, StepRecord, Store
from metalor_lang.store.files import Damaged, seal, unseal
from metalor_lang.store.gc import choose
from metalor_lang.store.manifest import Row, compare, decode_contents, decode_rows, encode_contents, encode_rows
from metalor_lang.store.records import Found

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=10,
)
names = st.binary(min_size=1, max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as directory, Store.open(Path(directory) / "store") as opened:
        yield opened


@quick
@given(pieces=st.lists(st.binary(max_size=3000), max_size=5), step=st.integers(1, 4000))
def test_a_blob_comes_back(store: Store, pieces: list[bytes], step: int) -> None:
    whole = b"".join(pieces)
    with store.blobs.writer() as writer:
        for piece in pieces:
            writer.write(piece)
        digest, size = writer.commit(expected="sha256:" + hashlib.sha256(whole).hexdigest())
    assert size == len(whole) == store.blobs.size(digest)
    with store.blobs.open(digest) as stream:
        assert b"".join(iter(lambda: stream.read(step), b"")) == whole


@quick
@given(data=st.binary(max_size=100), other=st.binary(max_size=100))
def test_a_wrong_promise_is_refused(store: Store, data: bytes, other: bytes) -> None:
    promised = "sha256:" + hashlib.sha256(other + b"!").hexdigest()
    with store.blobs.writer() as writer:
        writer.write(data)
        if data == other + b"!":
            assert writer.commit(expected=promised) == (promised, len(data))
        else:
            with pytest.raises(DigestMismatch):
                writer.commit(expected=promised)


@quick
@given(key=text, parts=st.dictionaries(text, json, max_size=4), words=text, number=st.integers(0, 2**60))
def test_a_record_comes_back(store: Store, key: str, parts: dict[str, object], words: str, number: int) -> None:
    record = StepRecord(
        key=key, chain=(), parent=("0" * 32,), parts=parts, result=parts, text=words, created=number, duration_ms=number
    )  # type: ignore[arg-type]
    store.steps.put(record)
    assert store.steps.get(key) == record


@given(body=st.dictionaries(text, json, max_size=4), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_sealed_file_is_believed_only_whole(body: dict[str, object], at: int, bit: int) -> None:
    data = seal(body)  # type: ignore[arg-type]
    assert unseal(data) == body
    cut = at % len(data)
    for torn in (data[:cut], data[:cut] + bytes([data[cut] ^ 1 << bit]) + data[cut + 1 :]):
        try:
            assert unseal(torn) == body  # only white space or the way a character is written may differ
        except Damaged:
            pass


rows = st.builds(
    Row,
    path=names,
    mode=st.integers(0, 0o177777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    size=st.integers(0, 2**62),
    mtime=st.integers(-(2**62), 2**62),
    extra=names | st.just(""),
)


@given(table=st.lists(rows, max_size=5, unique_by=lambda row: row.path).map(tuple))
def test_a_manifest_comes_back_and_differs_from_any_other(table: tuple[Row, ...]) -> None:
    assert decode_rows(encode_rows(table)) == table
    assert compare(table, table) == ()
    assert len(compare(table, ())) == len(compare((), table)) == len(table)


@given(table=st.dictionaries(names, st.tuples(text, text), max_size=5))
def test_the_list_of_hashes_comes_back(table: dict[str, tuple[str, str]]) -> None:
    assert decode_contents(encode_contents((path, *pair) for path, pair in table.items())) == table


records = st.lists(
    st.tuples(st.integers(0, 50), st.lists(st.sampled_from("abcdef"), max_size=4), st.integers(0, 4)), max_size=8
)


@given(
    table=records,
    newest=st.none() | st.integers(0, 8),
    age=st.none() | st.integers(0, 50),
    room=st.none() | st.integers(0, 60),
)
def test_a_stricter_policy_keeps_no_more_and_never_cuts_a_parent(
    table: list[tuple[int, list[str], int]], newest: int | None, age: int | None, room: int | None
) -> None:
    found = []
    for index, (used, chain, parent) in enumerate(table):
        record = StepRecord(key=str(index), chain=tuple(chain), parent=tuple(chain[:parent]))
        found.append(Found(record=record, path=Path(str(index)), used=used * 10**9))
    sizes = dict.fromkeys("abcdef", 10)
    policy = KeepPolicy(newest=newest, max_age=age, max_bytes=room)
    kept = choose(found, sizes, policy, 50)
    assert kept <= choose(found, sizes, KeepPolicy(newest=newest), 50)
    assert choose(found, sizes, KeepPolicy(), 50) == {str(index) for index in range(len(table))}
    by_key = {entry.record.key: entry.record for entry in found}
    for key in kept:
        assert {other for other, record in by_key.items() if record.chain == by_key[key].parent} <= kept
    if room is not None:
        held = {name for key in kept for name in (*by_key[key].chain, *by_key[key].parent)}
        assert sum(sizes[name] for name in held) <= room
