import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalor_lang.kernel.paths import Root
from metalor_lang.runtime import overlay
from metalor_lang.runtime.overlay import TIER_VARIABLE, OverlayRefused, Tier, mount_view, probe

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _forget_the_tier() -> Iterator[None]:
    overlay._chosen.clear()
    yield
    overlay._chosen.clear()


@pytest.fixture(params=[tier.value for tier in Tier])
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(TIER_VARIABLE, request.param)
    return str(request.param)


def layers(base: Path, count: int) -> list[Path]:
    made = []
    for index in range(count):
        path = base / f"layer {index}, with: odd\\signs"
        path.mkdir(parents=True)
        (path / f"only{index}").write_text(str(index))
        (path / "all").write_text(str(index))
        made.append(path)
    return made


def writable(base: Path) -> tuple[Path, Path]:
    upper, work = base / "upper", base / "work"
    upper.mkdir()
    work.mkdir()
    return upper, work


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def test_the_top_layer_is_the_last_one(tmp_path: Path, tier: str) -> None:
    with Root(mount_view(layers(tmp_path, 3))) as root:
        assert root.listdir("/") == ["all", "only0", "only1", "only2"]
        assert root.read_bytes("all", 10) == b"2"


def test_changes_go_to_the_upper_directory_alone(tmp_path: Path, tier: str) -> None:
    lowers = layers(tmp_path, 2)
    upper, work = writable(tmp_path)
    with Root(mount_view(lowers, upper, work)) as root:
        os.unlink("only0", dir_fd=root.fd)
        os.mkdir("new", dir_fd=root.fd)
        assert root.listdir("/") == ["all", "new", "only1"]
    assert sorted(os.listdir(upper)) == ["new", "only0"]
    gone = (upper / "only0").lstat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    assert (lowers[0] / "only0").read_text() == "0"


def test_mounting_leaves_no_trace_in_the_upper_directory(tmp_path: Path, tier: str) -> None:
    lowers = layers(tmp_path, 2)
    upper, work = writable(tmp_path)
    before = upper.stat()
    os.close(mount_view(lowers, upper, work))
    after = upper.stat()
    assert os.listdir(upper) == []
    assert [name for name in os.listxattr(upper) if not name.startswith("user.overlay.")] == []
    assert (before.st_mtime_ns, before.st_mode, before.st_uid) == (after.st_mtime_ns, after.st_mode, after.st_uid)


def test_nothing_is_seen_in_any_mount_table(tmp_path: Path, tier: str) -> None:
    before, where = mounts(), os.getcwd()
    upper, work = writable(tmp_path)
    fd = mount_view(layers(tmp_path, 2), upper, work)
    assert mounts() == before
    os.close(fd)
    assert mounts() == before
    assert os.getcwd() == where


def test_many_layers_of_long_names(tmp_path: Path, tier: str) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    lowers = layers(deep, 66)
    with Root(mount_view(lowers)) as root:
        assert len(root.listdir("/")) == 67
        assert root.read_bytes("all", 10) == b"65"


def test_threads_mount_at_once(tmp_path: Path, tier: str) -> None:
    lowers = layers(tmp_path, 2)
    failures: list[BaseException] = []

    def work(index: int) -> None:
        try:
            base = tmp_path / f"thread{index}"
            base.mkdir()
            for turn in range(5):
                (base / str(turn)).mkdir()
                upper, scratch = writable(base / str(turn))
                with Root(mount_view(lowers, upper, scratch)) as root:
                    os.mkdir(f"by{index}", dir_fd=root.fd)
                    assert root.listdir("/") == ["all", f"by{index}", "only0", "only1"]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_overlay_that_comes_up_read_only_is_refused(tmp_path: Path, tier: str) -> None:
    # overlayfs falls back to reading when it cannot make its own directory inside the work directory.
    lowers = layers(tmp_path, 2)
    upper, work = writable(tmp_path)
    (work / "work").mkdir()
    (work / "work" / "incompat").mkdir()
    (work / "work" / "incompat" / "unheard-of").mkdir()
    with pytest.raises(OverlayRefused):
        mount_view(lowers, upper, work)


def test_one_layer_alone_is_its_directory(tmp_path: Path) -> None:
    (lower,) = layers(tmp_path, 1)
    with Root(mount_view([lower])) as root:
        assert root.listdir("/") == ["all", "only0"]
        found = root.stat("/")
        assert found is not None
        assert found.st_ino == lower.stat().st_ino
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("made", dir_fd=root.fd)
    upper, work = writable(tmp_path)
    with Root(mount_view([], upper, work)) as root:
        os.mkdir("made", dir_fd=root.fd)
    assert os.listdir(upper) == ["made"]


def test_a_missing_layer_is_named(tmp_path: Path, tier: str) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        mount_view([*layers(tmp_path, 1), tmp_path / "absent"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_machine_lacks_is_not_said_of_overlays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.delenv(TIER_VARIABLE, raising=False)
    monkeypatch.setattr(overlay, "_WAYS", dict.fromkeys(Tier, failing))
    with pytest.raises(OSError, match=os.strerror(number)):
        mount_view(layers(tmp_path, 2))
    with pytest.raises(OSError, match=os.strerror(number)):
        probe(tmp_path)


def test_the_trial_finds_the_first_way_and_remembers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TIER_VARIABLE, raising=False)

    def refused(*_: object) -> int:
        raise OSError(22, "Invalid argument")

    asked: list[str] = []
    string_way = overlay._WAYS[Tier.STRING]

    def counted(*arguments: object) -> int:
        asked.append("string")
        return string_way(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(overlay, "_WAYS", {Tier.FD: refused, Tier.STRING: counted, Tier.MOUNT: refused})
    assert probe(tmp_path) is Tier.STRING
    monkeypatch.setattr(overlay, "_WAYS", {Tier.STRING: counted})
    other = tmp_path / "again"
    other.mkdir()
    assert probe(other) is Tier.STRING
    assert asked == ["string", "string"]


def test_where_no_way_works_each_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(1, "Operation not permitted")

    monkeypatch.delenv(TIER_VARIABLE, raising=False)
    monkeypatch.setattr(overlay, "_WAYS", dict.fromkeys(Tier, refused))
    with pytest.raises(OverlayRefused, match=r"fd: Operation not.*string: Operation not.*mount: Operation not"):
        probe(tmp_path)


def test_a_forced_way_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TIER_VARIABLE, "fuse")
    with pytest.raises(OverlayRefused, match="fuse") as caught:
        mount_view(layers(tmp_path, 2))
    assert caught.value.help == "use one of: fd, string, mount"
