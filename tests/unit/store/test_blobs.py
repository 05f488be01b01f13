import hashlib
import os
from pathlib import Path

import pytest

from metalor_lang.store import DamagedBlob, DigestMismatch, MissingObject, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def damage(path: Path, change: bytes, *, keep_size: bool = True) -> None:
    os.chmod(path, 0o644)
    data = path.read_bytes()
    path.write_bytes(change + data[len(change) :] if keep_size else change)


def test_written_in_pieces_read_as_one(store: Store) -> None:
    with store.blobs.writer() as writer:
        for piece in (b"ab", bytearray(b"cd"), memoryview(b"ef")):
            assert writer.write(piece) == 2
        digest, size = writer.commit()
    assert (digest, size) == ("sha256:" + hashlib.sha256(b"abcdef").hexdigest(), 6)
    assert store.blobs.has(digest)
    assert store.blobs.size(digest) == 6
    assert store.blobs.path(digest).stat().st_mode & 0o777 == 0o444
    with store.blobs.open(digest) as stream:
        assert stream.read() == b"abcdef"


def test_a_wrong_promise_keeps_nothing(store: Store) -> None:
    promised = "sha256:" + "0" * 64
    with pytest.raises(DigestMismatch, match=promised), store.blobs.writer() as writer:
        writer.write(b"other")
        writer.commit(expected=promised)
    assert list(store.blobs.all()) == []
    assert os.listdir(store.tmp) == []


def test_an_exception_while_writing_keeps_nothing(store: Store) -> None:
    with pytest.raises(KeyError), store.blobs.writer() as writer:
        writer.write(b"half")
        raise KeyError
    assert list(store.blobs.all()) == []
    assert os.listdir(store.tmp) == []


def test_the_same_bytes_twice_are_one_blob(store: Store) -> None:
    assert store.blobs.put_bytes(b"x") == store.blobs.put_bytes(b"x")
    assert len(list(store.blobs.all())) == 1


@pytest.mark.parametrize(
    "name", ["", "sha256:", "sha256:" + "A" * 64, "sha512:" + "0" * 128, "sha256:" + "../" * 21 + "x"]
)
def test_what_is_no_digest_never_becomes_a_path(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        store.blobs.path(name)


def test_a_missing_blob_is_named(store: Store) -> None:
    digest = "sha256:" + "1" * 64
    assert not store.blobs.has(digest)
    for read in (store.blobs.size, store.blobs.open):
        with pytest.raises(MissingObject, match=digest):
            read(digest)


@pytest.mark.parametrize("size", [1, 1 << 18, (1 << 18) + 1, 3 << 18])
@pytest.mark.parametrize("keep_size", [True, False])
def test_damage_is_told_before_the_last_byte_is_given(store: Store, size: int, keep_size: bool) -> None:
    digest = store.blobs.put_bytes(b"a" * size)
    damage(store.blobs.path(digest), b"b", keep_size=keep_size)
    stored = store.blobs.size(digest)
    given = 0
    with pytest.raises(DamagedBlob, match=digest), store.blobs.open(digest) as stream:
        while piece := stream.read(1000):
            given += len(piece)
    assert given < stored
    assert not store.blobs.has(digest)
    assert digest in store.notices[0]
    assert store.blobs.put_bytes(b"a" * size) == digest
    assert store.blobs.open(digest).read() == b"a" * size


def test_writing_again_replaces_a_truncated_blob(store: Store) -> None:
    digest = store.blobs.put_bytes(b"whole")
    damage(store.blobs.path(digest), b"", keep_size=False)
    store.blobs.put_bytes(b"whole")
    assert store.blobs.open(digest).read() == b"whole"
    assert len(os.listdir(store.root / "quarantine")) == 1
