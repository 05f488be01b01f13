"""Real steps on real views: what they leave in a snapshot, whichever way the view was made."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalor_lang.runtime import overlay
from metalor_lang.runtime.client import NamespaceRuntime, start_runtime
from metalor_lang.runtime.overlay import TIER_VARIABLE, Tier
from metalor_lang.runtime.request import StepRequest, Streams
from metalor_lang.runtime.rootfs import Chain, CopySnapshotter, OverlaySnapshotter, Snapshotter
from metalor_lang.store import Store

pytestmark = pytest.mark.integration

EPOCH = 1_000_000_000
WAYS = [*(tier.value for tier in Tier), "copy"]


@pytest.fixture(scope="module")
def busybox() -> Path:
    found = shutil.which("busybox")
    assert found, "needs busybox: apt-get install busybox-static"
    return Path(found)


@pytest.fixture(scope="module")
def runtime() -> Iterator[NamespaceRuntime]:
    started = start_runtime()
    yield started
    started.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture(params=WAYS)
def snapshotter(request: pytest.FixtureRequest, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Snapshotter]:
    overlay._chosen.clear()
    if request.param == "copy":
        yield CopySnapshotter(store)
    else:
        monkeypatch.setenv(TIER_VARIABLE, request.param)
        yield OverlaySnapshotter(store, longest=4)


def base(snapshotter: Snapshotter, busybox: Path) -> Chain:
    with snapshotter.draft(()) as draft:
        (draft.upper / "bin").mkdir()
        shutil.copy(busybox, draft.upper / "bin" / "busybox")
        (draft.upper / "bin" / "sh").symlink_to("busybox")
        (draft.upper / "dir").mkdir()
        (draft.upper / "dir" / "old").write_text("old")
        return draft.commit({}, epoch=EPOCH)


def step(snapshotter: Snapshotter, runtime: NamespaceRuntime, chain: Chain, script: str) -> Chain:
    said: list[bytes] = []
    request = StepRequest(argv=("/bin/sh", "-ec", script), env=(("PATH", "/bin"),), cwd="/")
    with snapshotter.draft(chain) as draft:
        status = runtime.run(draft.root.fd, request, Streams(output=said.append))
        assert status.code == 0, (status, b"".join(said))
        return draft.commit({}, epoch=EPOCH)


def test_steps_leave_their_changes_and_nothing_else(
    snapshotter: Snapshotter, runtime: NamespaceRuntime, store: Store, busybox: Path
) -> None:
    chain = base(snapshotter, busybox)
    with snapshotter.view(chain) as root:
        before = {name: root.stat(name) for name in ("/", "bin", "bin/busybox")}
    chain = step(snapshotter, runtime, chain, "busybox rm -r dir; busybox mkdir dir; echo new > dir/new")
    chain = step(snapshotter, runtime, chain, "echo more >> dir/new; busybox chmod 4755 dir/new; echo x > /dev/null")
    for number in range(6):
        script = f"[ $(busybox ls dir | busybox wc -l) = {number + 1} ]; echo > dir/{number}"
        chain = step(snapshotter, runtime, chain, script)
    with snapshotter.view(chain) as root:
        assert root.listdir("/") == ["bin", "dir"]
        assert root.listdir("dir") == [*"012345", "new"]
        assert root.read_bytes("dir/new", 100) == b"new\nmore\n"
        changed = root.stat("dir/new")
        assert changed is not None
        assert changed.st_mode & 0o7777 == 0o4755
        assert changed.st_mtime == EPOCH
        after = {name: root.stat(name) for name in before}
    for name, was in before.items():
        now = after[name]
        assert was is not None
        assert now is not None
        assert (was.st_mode, was.st_uid, was.st_mtime_ns) == (now.st_mode, now.st_uid, now.st_mtime_ns), name
    assert store.verify().damaged == ()
    assert os.listdir(store.tmp) == []


def test_stages_run_at_once(snapshotter: Snapshotter, runtime: NamespaceRuntime, store: Store, busybox: Path) -> None:
    start = base(snapshotter, busybox)
    chains: dict[int, Chain] = {}

    def stage(number: int) -> None:
        chain = start
        for turn in range(5):
            chain = step(snapshotter, runtime, chain, f"echo {number} >> mine; echo > {number}-{turn}")
        chains[number] = chain

    threads = [threading.Thread(target=stage, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(chains) == [0, 1, 2, 3]
    for number, chain in chains.items():
        with snapshotter.view(chain) as root:
            assert root.read_bytes("mine", 100) == f"{number}\n".encode() * 5
            assert root.listdir("/") == sorted([*(f"{number}-{turn}" for turn in range(5)), "bin", "dir", "mine"])
    assert os.listdir(store.tmp) == []
