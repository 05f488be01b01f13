"""Trees that COPY writes while it digests: what the digest says is what is copied, and nothing stays behind."""

import errno
import os
import struct
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from metalor_lang.build import watching
from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.growing import Growth
from metalor_lang.build.listed import Folder
from metalor_lang.build.nursery import Nursery
from metalor_lang.build.sources import SourceError
from metalor_lang.build.statcache import StatCache
from metalor_lang.build.watching import Watch
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.kernel import shared, spawn
from metalor_lang.runtime.rootfs import CopySnapshotter, OverlaySnapshotter
from metalor_lang.store.store import Store
from tests.support.copyshop import EPOCH, Shop, files, shop
from tests.support.copytrees import plant

pytestmark = pytest.mark.integration

BASE = {"etc/passwd": "root:x:0:0::/:/bin/sh\nmine:x:7:8::/:/bin/sh\n", "etc/group": "", "srv/": "2775", "opt/old": ""}
DEFAULT_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 7, 0xFFFFFFFF), (2, 7, 5), (4, 5, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 5, 0xFFFFFFFF))
)
"""A default access list (acl(5)): u::rwx, u:5:rwx, g::r-x, m::rwx, o::r-x."""


def everything(context: Path) -> None:
    """A context with all that one can hold, and names whose order as text is not that of their bytes."""
    plant(
        context,
        {f"src/d{number}/f{name}": f"{number}{name}" for number in range(4) for name in range(5)}
        | {"src/run": "755|#!/bin/sh", "src/l": "-> d0/f0", "src/a-b/x": "", "src/a/x": "", "src/a.x": "", "src/e/": ""}
        | {"src/secret": "600|s", "src/\U0001f600": "later in bytes", "src/\udcff": "not text"},
    )
    (context / "src/large").write_bytes(b"x" * (2 << 20))
    with (context / "src/d1/holes").open("wb") as sparse:
        sparse.truncate(1 << 20)


@pytest.mark.parametrize("snapshotter", [OverlaySnapshotter, CopySnapshotter])
@pytest.mark.parametrize(
    ("destination", "options", "place", "epoch"),
    [
        ("/new/", {}, "new", EPOCH),
        ("/new/deep/", {"chown": "7:8"}, "new/deep", 0),
        ("/opt/new", {"chown": "mine:8", "chmod": "u=rwX,go="}, "opt/new", EPOCH),
        ("/srv/new", {"chmod": "4755", "chown": "mine"}, "srv/new", EPOCH),
        ("/srv/new", {"excludes": ("f1", "d2")}, "srv/new", EPOCH),
        ("new", {"user": "mine"}, "new", 4_000_000_000),
    ],
)
def test_it_is_what_is_written_into_a_view(
    snapshotter: type, destination: str, options: dict[str, Any], place: str, epoch: int
) -> None:
    with shop(snapshotter) as at:
        base = at.base(BASE)
        everything(at.context)
        copy = files("src/", destination, **options)
        grown = at.facts(base, at.perform(base, copy, epoch=epoch))
        assert at.grown == [place]
        written = at.facts(base, at.perform(base, copy, epoch=epoch, anew=True))
        assert at.grown == [place]
        # With an epoch that is still to come the root keeps the time at which it was written to.
        assert grown == written if epoch <= EPOCH else grown[-1] == written[-1]


@pytest.mark.parametrize("processors", [{0}, {0, 1}])
def test_directories_of_several_batches(monkeypatch: pytest.MonkeyPatch, processors: set[int]) -> None:
    """Batches of one directory end in any order, some of them in the worker; what is known of it is in its own."""
    monkeypatch.setattr("metalor_lang.build.batches.BATCH", 3)
    monkeypatch.setattr("metalor_lang.build.statcache._YOUNG_NS", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: processors)
    with shop() as at:
        base = at.base(BASE)
        everything(at.context)
        plant(
            at.context, {f"src/d{number}/n{name:03}": f"{number} {name}" for number in range(4) for name in range(50)}
        )
        copy = files("src/", "/new/")
        cache = at.path / "cache"
        with watched(at, monkeypatch, StatCache(cache)) as contexts:
            digest = contexts.content(copy, 0)
            assert len(at.left()) == 1
        other = at.path / "other"
        with LocalContexts(at.context / "../recipe.metalor", default=at.context, cache=StatCache(other)) as contexts:
            assert contexts.content(copy) == digest
        assert cache.read_bytes() == other.read_bytes()
        assert at.facts(base, at.perform(base, copy)) == at.facts(base, at.perform(base, copy, anew=True))


def test_sources_side_by_side() -> None:
    with shop() as at:
        base = at.base(BASE)
        everything(at.context)
        plant(at.context, {"two/x": "X", "three": "a file"})
        copy = files("src two three", "/new/")
        after = at.perform(base, copy)
        assert sorted(at.grown) == ["new/src", "new/two"]
        assert at.facts(base, after) == at.facts(base, at.perform(base, copy, anew=True))


@pytest.mark.parametrize(("sources", "destination"), [("src/", "/opt"), ("src/ two/", "/new/"), ("src/", "/")])
def test_what_can_meet_others_is_written_into_the_view(sources: str, destination: str) -> None:
    with shop() as at:
        base = at.base(BASE)
        everything(at.context)
        plant(at.context, {"two/x": "X"})
        copy = files(sources, destination)
        after = at.perform(base, copy)
        assert at.grown == []
        assert at.facts(base, after) == at.facts(base, at.perform(base, copy, anew=True))


def test_a_link_of_the_image_may_lead_one_source_into_another() -> None:
    with shop() as at:
        base = at.base({"app/": "", "app/two": "-> /app"})
        plant(at.context, {"src/one/a": "A", "src/two/one/b": "B", "src/two/three/c": "C"})
        copy = files("src/*", "/app/")
        after = at.perform(base, copy)
        assert at.grown == []
        top = at.store.snapshots.fs_path(after[-1]) / "app"
        assert sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()) == [
            "one/a", "one/b", "three/c"
        ]  # fmt: skip
        assert at.facts(base, after) == at.facts(base, at.perform(base, copy, anew=True))
        plant(at.context, {"src/two/one/a": "another"})
        with pytest.raises(MetalorError, match="both land on"):
            at.perform(base, copy)


def test_an_access_list_is_passed_on_as_ever() -> None:
    with shop() as at:
        with at.snapshotter.draft(()) as draft:
            plant(draft.upper, BASE)
            os.setxattr(draft.upper / "opt", "system.posix_acl_default", DEFAULT_ACL)
            base = draft.commit({})
        everything(at.context)
        after = at.perform(base, files("src/", "/opt/new/"))
        assert at.grown == []
        assert os.getxattr(at.store.snapshots.fs_path(after[-1]) / "opt/new/d0/f0", "system.posix_acl_access")


# --- when -------------------------------------------------------------------------------------------------------------


def watched(at: Shop, monkeypatch: pytest.MonkeyPatch, cache: StatCache | None = None) -> LocalContexts:
    monkeypatch.setattr(shared, "WORTH", 1)
    return LocalContexts(
        at.context / "../recipe.metalor", default=at.context, cache=cache, ahead=partial(Nursery, at.store)
    )


def test_what_nobody_uses_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with shop() as at:
        everything(at.context)
        with watched(at, monkeypatch) as contexts:
            first = contexts.content(files("src/", "/new"), 0)
            (kept,) = at.left()
            assert contexts.content(files("src/", "/new"), 0) == first  # planned again
            assert len(at.left()) == 1
            assert at.left() != [kept]
        assert at.left() == []


def test_only_what_is_unknown_is_written_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metalor_lang.build.statcache._YOUNG_NS", 0)
    with shop() as at:
        everything(at.context)
        copy = files("src/", "/new")
        cache = at.path / "cache"
        with watched(at, monkeypatch, StatCache(cache)) as contexts:
            contexts.content(copy)
            assert at.left() == []  # nobody said that it will be built
        with watched(at, monkeypatch, StatCache(cache)) as contexts:
            contexts.content(copy, 0)
            assert at.left() == []
        for number in range(3):
            (at.context / f"src/d{number}/f0").write_text("edited")
        with watched(at, monkeypatch, StatCache(cache)) as contexts:
            contexts.content(copy, 0)
            assert at.left() == []
        cache.unlink()
        monkeypatch.setattr(watching, "_MOST", 1000)
        with watched(at, monkeypatch, StatCache(cache)) as contexts:
            contexts.content(copy, 0)
            assert at.left() == []  # too large
        cache.unlink()
        monkeypatch.setattr(watching, "_MOST", 1 << 30)
        with watched(at, monkeypatch, StatCache(cache)) as contexts:
            contexts.content(copy, 0)
            assert len(at.left()) == 1


def test_a_statement_that_was_copied_before_is_digested_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with shop() as at:
        base = at.base(BASE)
        everything(at.context)
        plant(at.context, {f"src/more/{number}": "" for number in range(30)})
        at.perform(base, files("src/", "/new"))
        with watched(at, monkeypatch) as contexts:
            contexts.content(files("src/", "/new"), 0)
            assert at.left() == []
            contexts.content(files("src/", "/other"), 0)
            assert len(at.left()) == 1


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_what_was_digested_is_what_is_copied() -> None:
    with shop() as at:
        base = at.base(BASE)
        everything(at.context)
        copy = files("src/", "/new")
        before = at.facts(base, at.perform(base, copy, anew=True))
        late = LocalContexts.listing

        def listing(contexts: LocalContexts, of: Any) -> Any:
            (at.context / "src/d0/f0").write_text("edited after the digest")
            return late(contexts, of)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LocalContexts, "listing", listing)
            assert at.facts(base, at.perform(base, copy)) == before
        assert at.grown == ["new"]


@pytest.mark.parametrize("text", ["short", "another text", "a longer text than it was"])
def test_a_change_while_it_is_read_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    see = Watch.see

    def edited(watch: Watch, origin: str, folder: Folder) -> None:
        if folder.path == "d3/":
            (at.context / "src/d3/f2").write_text(text)
        see(watch, origin, folder)

    with shop() as at:
        everything(at.context)
        (at.context / "src/d3/f2").write_text("the old text")
        monkeypatch.setattr(Watch, "see", edited)
        with watched(at, monkeypatch) as contexts:
            with pytest.raises(SourceError, match="`src/d3/f2` changed while it was copied"):
                contexts.content(files("src/", "/new"), 0)
            assert at.left() == []


def test_a_worker_that_dies_takes_nothing_along(monkeypatch: pytest.MonkeyPatch) -> None:
    real = spawn.spawn

    def killed(*words: Any, **more: Any) -> Any:
        child = real(*words, **more)
        os.kill(child.pid, 9)
        return child

    with shop() as at:
        base = at.base(BASE)
        everything(at.context)
        copy = files("src/", "/new")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
            patch.setattr(spawn, "spawn", killed)
            after = at.perform(base, copy)
        assert at.facts(base, after) == at.facts(base, at.perform(base, copy, anew=True))


def test_a_disk_without_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "d0/f0")

    with shop() as at:
        base = at.base(BASE)
        everything(at.context)
        monkeypatch.setattr(Growth, "finish", full)
        with pytest.raises(MachineError, match="`/new/d0/f0` cannot be written: No space left on device"):
            at.perform(base, files("src/", "/new"))
        assert at.left() == []


CHILD = """
import os, signal, sys
from functools import partial
from pathlib import Path
from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.growing import Growth
from metalor_lang.build.nursery import Nursery
from metalor_lang.kernel import shared
from metalor_lang.store.store import Store
from tests.support.copyshop import files

shared.WORTH = 1
Growth.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with Store.open(Path(sys.argv[1])) as store, store.lease():
    contexts = LocalContexts(Path(sys.argv[2]) / "r.metalor", ahead=partial(Nursery, store))
    contexts.content(files("src/", "/new"), 0)
"""


def test_a_killed_build_leaves_nothing(tmp_path: Path) -> None:
    everything(tmp_path / "ctx")
    command = [sys.executable, "-c", CHILD, str(tmp_path / "store"), str(tmp_path / "ctx")]
    assert subprocess.run(command, check=False).returncode == -9
    assert any("ahead" in name for name in os.listdir(tmp_path / "store/tmp"))
    end = time.monotonic() + 10
    while True:  # its worker may be at its last job still, and writes
        with Store.open(tmp_path / "store") as store:
            left = os.listdir(store.tmp)
        if not left:
            break
        assert time.monotonic() < end, left
