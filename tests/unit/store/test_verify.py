import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from metalor_lang.store import LayerRecord, StepRecord, Store
from metalor_lang.store.errors import StoreError

KEY = "sha256:" + "a" * 64


def keeping_times(path: Path, change: Callable[[], object]) -> None:
    status = path.lstat()
    change()
    if path.exists():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    keeping_times(path, lambda: path.write_bytes(data))


def add(path: Path) -> None:
    keeping_times(path.parent, lambda: (path.parent / "extra").write_text(""))


def relink(path: Path) -> None:
    link = path.parent / "link"
    status = link.lstat()

    def change() -> None:
        link.unlink()
        link.symlink_to("elsewhere")
        os.utime(link, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)

    keeping_times(path.parent, change)


DAMAGES = {
    "flipped": (flip, True, "/dir/file has other bytes"),
    "emptied": (lambda p: keeping_times(p, lambda: p.write_text("")), False, "/dir/file has 0 bytes instead of 7"),
    "chmod": (lambda p: os.chmod(p, 0o600), False, "/dir/file has mode 600 instead of 644"),
    "touched": (lambda p: os.utime(p, (1, 1)), False, "/dir/file was changed"),
    "added": (add, False, "/dir/extra was added"),
    "removed": (lambda p: keeping_times(p.parent, p.unlink), False, "/dir/file is missing"),
    "relinked": (relink, False, "/dir/link points to elsewhere instead of file"),
    "attribute": (lambda p: os.setxattr(p, "user.x", b"2"), True, "/dir/file has other extended attributes"),
    "replaced": (lambda p: (p.unlink(), p.mkdir()), False, "/dir/file is of another type"),
    "manifest": (lambda p: (p.parents[2] / "manifest").write_text("[]\n"), False, "its manifest does not match"),
    "no manifest": (lambda p: (p.parents[2] / "manifest").unlink(), False, "No such file"),
    "no json": (lambda p: (p.parents[2] / "snapshot.json").unlink(), False, "it has no snapshot.json"),
    "hashes": (lambda p: (p.parents[2] / "contents").write_text("x"), True, "its list of hashes"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_put_aside_and_forgotten(tmp_path: Path, name: str) -> None:
    damage, needs_full, cause = DAMAGES[name]
    store = Store.open(tmp_path / "store")
    with store.snapshots.draft() as draft:
        (draft.fs / "dir").mkdir()
        (draft.fs / "dir" / "file").write_text("content")
        os.chmod(draft.fs / "dir" / "file", 0o644)
        os.setxattr(draft.fs / "dir" / "file", "user.x", b"1")
        (draft.fs / "dir" / "link").symlink_to("file")
        identity = draft.commit({})
    with store.snapshots.draft() as draft:
        (draft.fs / "fine").write_text("fine")
        sound = draft.commit({})
    store.steps.put(StepRecord(key=KEY, chain=(identity,)))
    store.steps.put(StepRecord(key="next", chain=(identity, sound), parent=(identity,)))
    store.steps.put(StepRecord(key="sound", chain=(sound,)))
    assert store.verify(full=True).sealed == 2

    damage(store.snapshots.fs_path(identity) / "dir" / "file")
    if needs_full:
        assert store.verify().damaged == ()
    report = store.verify(full=needs_full)

    (found,) = report.damaged
    assert (found.kind, found.name) == ("snapshot", identity)
    assert any(said.startswith(cause) for said in found.causes), found.causes
    assert found.dropped == tuple(sorted((KEY, "next")))
    assert identity in store.notices[-1]
    assert not store.snapshots.exists(identity)
    assert store.steps.get("next") is None
    assert store.steps.get("sound") is not None
    assert store.verify(full=True).damaged == ()


def test_a_sealed_snapshot_needs_no_first_verify(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    with store.snapshots.draft() as draft:
        (draft.fs / "file").write_text("content")
        identity = draft.commit({}, seal=True)
    flip(store.snapshots.fs_path(identity) / "file")
    (found,) = store.verify(full=True).damaged
    assert found.causes == ("/file has other bytes",)


@pytest.mark.parametrize(("data", "full"), [(b"laye", False), (b"lAyer", True)])
def test_a_damaged_blob_takes_its_layer_record_with_it(tmp_path: Path, data: bytes, full: bool) -> None:
    store = Store.open(tmp_path / "store")
    digest = store.blobs.put_bytes(b"layer")
    store.layers.put(LayerRecord(key=KEY, digest=digest, size=5, diff_id=digest, media_type="m"))
    assert store.verify(full=True).damaged == ()
    os.chmod(store.blobs.path(digest), 0o600)
    store.blobs.path(digest).write_bytes(data)
    (found,) = store.verify(full=full).damaged
    assert (found.kind, found.name, found.dropped) == ("blob", digest, (KEY,))
    assert not store.blobs.has(digest)


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let every open fail with EMFILE."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("look", ["verify", "info", "get", "all"])
def test_nothing_is_called_damaged_because_we_have_too_many_files_open(tmp_path: Path, look: str) -> None:
    store = Store.open(tmp_path / "store")
    with store.snapshots.draft() as draft:
        identity = draft.commit({})
    store.steps.put(StepRecord(key=KEY, chain=(identity,)))
    looks: dict[str, Callable[[], object]] = {
        "verify": store.verify,
        "info": lambda: store.snapshots.info(identity),
        "get": lambda: store.steps.get(KEY),
        "all": lambda: list(store.steps.all()),
    }
    with no_more_files(), pytest.raises((OSError, StoreError)) as caught:
        looks[look]()
    assert os.strerror(errno.EMFILE) in str(caught.value)
    assert os.listdir(store.root / "quarantine") == []
    assert store.notices == ()
    assert store.steps.get(KEY) is not None
