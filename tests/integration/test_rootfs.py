"""Both snapshotters, and a compacted chain, must show the same tree after the same work."""

import os
import random
import stat
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metalor_lang.kernel import syscalls
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import read_xattrs, walk
from metalor_lang.runtime import overlay
from metalor_lang.runtime.clamp import clamp
from metalor_lang.runtime.compaction import MAX_CHAIN
from metalor_lang.runtime.overlay import OverlayRefused
from metalor_lang.runtime.rootfs import CopySnapshotter, OverlaySnapshotter, Snapshotter, choose_snapshotter
from metalor_lang.store import Store, StoreFull
from tests.support.worlds import make_device

pytestmark = pytest.mark.integration

EPOCH = 1_000_000_000
OLD = EPOCH - 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as opened:
        yield opened


def tree(root: Root) -> dict[str, tuple[object, ...]]:
    """Everything an image could show of a tree, hard links as the first of their names."""
    first: dict[tuple[int, int], str] = {}
    found: dict[str, tuple[object, ...]] = {}
    for entry in walk(root.fd):
        status = entry.stat
        content: object = None
        link = ""
        if stat.S_ISREG(status.st_mode):
            content = root.read_bytes(entry.path, 1 << 20)
            link = first.setdefault((status.st_dev, status.st_ino), entry.path)
        elif stat.S_ISLNK(status.st_mode):
            content = root.readlink(entry.path)
        attributes = {k: v for k, v in read_xattrs(entry.dirfd, entry.name).items() if "overlay" not in k}
        found[entry.path] = (
            status.st_mode, status.st_uid, status.st_gid, status.st_rdev, status.st_mtime_ns, attributes, content, link
        )  # fmt: skip
    own = os.fstat(root.fd)
    found[""] = (own.st_mode, own.st_uid, own.st_gid, own.st_mtime_ns)
    return found


def run(snapshotter: Snapshotter, steps: list[Callable[[str], None]], chain: tuple[str, ...] = ()) -> tuple[str, ...]:
    for step in steps:
        with snapshotter.draft(chain) as draft:
            # The tests alone walk by path; whatever they make has no links out of the view.
            step(f"/proc/self/fd/{draft.root.fd}")
            chain = draft.commit({}, epoch=EPOCH)
    return chain


def settle(path: str, when: int = OLD) -> None:
    os.utime(path, (when, when), follow_symlinks=False)


def write(path: str, text: str, mode: int = 0o644) -> None:
    Path(path).write_text(text)
    os.chmod(path, mode)
    settle(path)


# --- one example of each thing a layer can say ---------------------------------------------------------------------


def base(at: str) -> None:
    for name in ("etc", "lib/deep/er", "opaque", "swap", "gone"):
        os.makedirs(f"{at}/{name}")
    for name in ("etc/passwd", "lib/deep/er/file", "opaque/hidden", "swap/inside", "gone/a", "gone/b", "plain"):
        write(f"{at}/{name}", name)
    os.link(f"{at}/etc/passwd", f"{at}/etc/passwd-")
    os.symlink("/etc/passwd", f"{at}/link")
    os.mkfifo(f"{at}/fifo")
    make_device(f"{at}/null", 1, 3)
    write(f"{at}/setuid", "s")
    os.chown(f"{at}/setuid", 12, 34)
    os.chmod(f"{at}/setuid", 0o6755)
    os.setxattr(f"{at}/setuid", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
    os.setxattr(f"{at}/etc", "user.note", b"base")
    with open(f"{at}/sparse", "wb") as stream:
        stream.seek(300_000)
        stream.write(b"end")
    os.chmod(at, 0o751)


def change(at: str) -> None:
    os.unlink(f"{at}/plain")
    for name in ("a", "b"):
        os.unlink(f"{at}/gone/{name}")
    os.rmdir(f"{at}/gone")
    os.unlink(f"{at}/opaque/hidden")
    os.rmdir(f"{at}/opaque")
    os.mkdir(f"{at}/opaque")
    write(f"{at}/opaque/new", "new")
    os.unlink(f"{at}/swap/inside")
    os.rmdir(f"{at}/swap")
    write(f"{at}/swap", "now a file")
    os.unlink(f"{at}/etc/passwd")  # written in place, overlay would part it from its other name
    write(f"{at}/etc/passwd", "changed")
    os.chmod(f"{at}/lib/deep", 0o700)
    os.removexattr(f"{at}/etc", "user.note")


def undo(at: str) -> None:
    os.mkdir(f"{at}/gone")
    write(f"{at}/gone/c", "only me")
    os.unlink(f"{at}/swap")
    os.mkdir(f"{at}/swap")
    write(f"{at}/plain", "again")
    os.unlink(f"{at}/link")
    os.mkdir(f"{at}/link")
    os.chown(f"{at}/lib", 5, 6)
    os.unlink(f"{at}/etc/passwd-")
    os.unlink(f"{at}/opaque/new")


def again(at: str) -> None:
    os.rmdir(f"{at}/swap")
    os.unlink(f"{at}/gone/c")
    os.rmdir(f"{at}/gone")
    os.mkdir(f"{at}/gone")
    os.link(f"{at}/plain", f"{at}/plain2")


STEPS = [base, change, undo, again]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("longest", [64, 2])
def test_copies_and_overlays_give_the_same_tree(store: Store, count: int, longest: int) -> None:
    by_overlay = OverlaySnapshotter(store, longest=longest)
    by_copy = CopySnapshotter(store)
    one, two = run(by_overlay, STEPS[:count]), run(by_copy, STEPS[:count])
    with by_overlay.view(one) as left, by_copy.view(two) as right:
        assert tree(left) == tree(right)
    assert len(two) == 1
    # Each also reads what the other one made.
    with by_copy.view(one) as left, by_overlay.view(two) as right:
        assert tree(left) == tree(right)
    assert store.verify().damaged == ()


def random_step(seed: int) -> Callable[[str], None]:
    def step(at: str) -> None:
        rng = random.Random(seed)
        names = [f"{a}{b}" for a in ("", "d/", "d/e/", "f/") for b in "xyz"] + ["d", "d/e", "f"]
        for _ in range(12):
            path = f"{at}/{rng.choice(names)}"
            try:
                match rng.randrange(7):
                    case 0 | 1:
                        write(path, str(rng.random()), rng.choice([0o600, 0o755]))
                    case 2:
                        os.makedirs(path)
                    case 3:
                        subprocess.run(["rm", "-rf", path], check=True)
                    case 4:
                        os.link(f"{at}/{rng.choice(names)}", path)
                    case 5:
                        os.rename(f"{at}/{rng.choice(names)}", path)
                    case _:
                        os.symlink(rng.choice(["d", "../x"]), path)
            except OSError:
                continue
        for folder, _, _ in os.walk(f"{at}/."):  # the tree, not the link in /proc that leads there
            settle(folder)

    return step


@pytest.mark.parametrize("seed", range(12))
def test_random_work_gives_the_same_tree_compacted_or_not(store: Store, seed: int) -> None:
    steps = [random_step(1000 * seed + index) for index in range(8)]
    plain = OverlaySnapshotter(store)
    short = OverlaySnapshotter(store, longest=3)
    one, two = run(plain, steps), run(short, steps)
    assert len(one) == 8
    assert len(two) <= 4
    with plain.view(one) as left, plain.view(two) as middle, CopySnapshotter(store).view(one) as right:
        assert contents(middle) == contents(left)
        assert contents(right) == contents(left)


def contents(root: Root) -> dict[str, tuple[object, ...]]:
    # Without the grouping of hard links: overlay itself parts the names when it copies one of them up.
    return {path: row[:-1] if path else row for path, row in tree(root).items()}


def test_a_chain_of_a_hundred_steps(store: Store) -> None:
    snapshotter = OverlaySnapshotter(store)

    def numbered(number: int) -> Callable[[str], None]:
        def step(at: str) -> None:
            write(f"{at}/file{number}", str(number))
            if number:
                os.unlink(f"{at}/file{number - 1}")

        return step

    chain = run(snapshotter, [numbered(number) for number in range(100)])
    assert len(chain) <= MAX_CHAIN + 1
    with snapshotter.view(chain) as root:
        assert root.listdir("/") == ["file99"]


# --- drafts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [OverlaySnapshotter, CopySnapshotter])
def test_a_run_that_is_thrown_away_leaves_nothing(store: Store, kind: type[OverlaySnapshotter]) -> None:
    snapshotter = kind(store)
    chain = run(snapshotter, [base])
    with snapshotter.view(chain) as root:
        before = tree(root)
    with snapshotter.draft(chain) as draft:
        change(f"/proc/self/fd/{draft.root.fd}")
    with snapshotter.view(chain) as root:
        assert tree(root) == before
    assert os.listdir(store.tmp) == []
    assert len(store.snapshots.all()) == 1


@pytest.mark.parametrize("kind", [OverlaySnapshotter, CopySnapshotter])
def test_an_empty_chain_is_an_empty_tree(store: Store, kind: type[OverlaySnapshotter]) -> None:
    with kind(store).view(()) as root:
        assert root.listdir("/") == []
        with pytest.raises(OSError, match="No such file"):
            os.mkdir("x", dir_fd=root.fd)
    assert os.listdir(store.tmp) == []


def test_a_folded_view_goes_away_with_its_root(store: Store) -> None:
    chain = run(OverlaySnapshotter(store), [base, change])
    root = CopySnapshotter(store).view(chain)
    assert len(os.listdir(store.tmp)) == 1
    root.close()
    root.close()
    assert os.listdir(store.tmp) == []


def test_where_overlay_is_refused_views_are_copied_and_that_is_said_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    assert choose_snapshotter(store, on_notice=said.append).name == "overlay"
    assert said == []

    def refused(*_: object) -> int:
        raise OverlayRefused("overlay mounts are refused here")

    monkeypatch.setattr(overlay, "mount_view", refused)
    assert choose_snapshotter(store, on_notice=said.append).name == "copy"
    assert len(said) == 1
    assert os.listdir(store.tmp) == []


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs"])
def test_any_file_system_will_do(tmp_path: Path, kind: str) -> None:
    """tmpfs carries overlay's marks since Linux 6.6, ramfs never does."""

    def body() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount(kind, tmp_path, kind)
        said: list[str] = []
        with Store.open(tmp_path / "store") as store:
            snapshotter = choose_snapshotter(store, on_notice=said.append)
            assert (snapshotter.name == "copy") == bool(said)
            if kind == "ramfs":
                assert snapshotter.name == "copy"
            chain = run(snapshotter, [small, shrink])
            with snapshotter.view(chain) as root:
                assert root.listdir("/") == ["folder"]
                assert root.listdir("folder") == ["new"]
            assert os.listdir(store.tmp) == []

    in_a_child(body)


def test_copying_to_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    def body() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("tmpfs", tmp_path, "tmpfs", 0, "size=3m")
        with Store.open(tmp_path / "store") as store:
            with store.snapshots.draft("whole") as draft:
                (draft.fs / "file").write_bytes(os.urandom(2_000_000))
                chain = (draft.commit({}),)
            with pytest.raises(StoreFull):
                CopySnapshotter(store).draft(chain)
            with pytest.raises(StoreFull):
                CopySnapshotter(store).view((*chain, OverlaySnapshotter(store).draft(chain).commit({})[-1]))
            assert os.listdir(store.tmp) == []

    in_a_child(body)


def in_a_child(body: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            body()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def small(at: str) -> None:
    os.mkdir(f"{at}/folder")
    write(f"{at}/folder/old", "old")
    write(f"{at}/file", "file")


def shrink(at: str) -> None:
    os.unlink(f"{at}/file")
    os.unlink(f"{at}/folder/old")
    os.rmdir(f"{at}/folder")
    os.mkdir(f"{at}/folder")
    write(f"{at}/folder/new", "new")


# --- times --------------------------------------------------------------------------------------------------------


def compile_module(at: str, name: str, when: int) -> Path:
    source = Path(at, f"{name}.py")
    source.write_text(f"print({name!r})\n")
    os.utime(source, (when, when))
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "timestamp", str(source)], check=True
    )
    (compiled,) = Path(at, "__pycache__").glob(f"{name}.cpython-*.pyc")
    return compiled


def recorded(compiled: Path) -> int:
    return int(struct.unpack("<4sIII", compiled.read_bytes()[:16])[2])


def clamped(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return clamp(fd, EPOCH)
    finally:
        os.close(fd)


@pytest.mark.parametrize("name", ["Upper", "lower"])
def test_compiled_files_stay_valid(tmp_path: Path, name: str) -> None:
    # Bytewise, __pycache__ sorts between these two names: the order of the walk must not matter.
    compiled = compile_module(str(tmp_path), name, EPOCH + 50)
    assert recorded(compiled) == EPOCH + 50
    clamped(tmp_path)
    assert recorded(compiled) == EPOCH == int((tmp_path / f"{name}.py").stat().st_mtime)
    assert compiled.stat().st_mtime == EPOCH
    before = compiled.read_bytes()
    seen = subprocess.run(
        [sys.executable, "-v", "-c", f"import {name}"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"matches {tmp_path}" in seen.stderr.replace("\\", "/")
    assert compiled.read_bytes() == before


@pytest.mark.parametrize("case", ["stale", "old source", "no source", "by hash", "short", "elsewhere"])
def test_other_compiled_files_keep_their_bytes(tmp_path: Path, case: str) -> None:
    compiled = compile_module(str(tmp_path), "module", OLD if case == "old source" else EPOCH + 50)
    match case:
        case "stale":
            os.utime(tmp_path / "module.py", (EPOCH + 60, EPOCH + 60))
        case "no source":
            (tmp_path / "module.py").unlink()
        case "by hash":
            data = bytearray(compiled.read_bytes())
            data[4] = 1
            compiled.write_bytes(data)
        case "short":
            compiled.write_bytes(compiled.read_bytes()[:12])
        case "elsewhere":
            (tmp_path / "other").mkdir()
            compiled = compiled.rename(tmp_path / "other" / compiled.name)
    before = compiled.read_bytes()
    clamped(tmp_path)
    assert compiled.read_bytes() == before
    assert compiled.stat().st_mtime == EPOCH


def test_links_are_not_followed_and_older_times_stay(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.write_text("")
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "link.py").symlink_to(outside)
    write(str(inside / "old"), "")
    before = outside.stat().st_mtime_ns
    assert clamped(inside) == 3
    assert outside.stat().st_mtime_ns == before
    assert (inside / "link").lstat().st_mtime == (inside / "link.py").lstat().st_mtime == EPOCH
    assert (inside / "old").stat().st_mtime == OLD
    assert inside.stat().st_mtime == EPOCH
    assert clamped(inside) == 0


def test_copying_clamps_only_what_the_step_changed(store: Store) -> None:
    def newer(at: str) -> None:
        for name in ("same", "changed", "mode"):
            write(f"{at}/{name}", name)
            settle(f"{at}/{name}", EPOCH + 500)

    def second(at: str) -> None:
        Path(at, "changed").write_text("other")
        os.chmod(f"{at}/mode", 0o600)

    for snapshotter in (OverlaySnapshotter(store), CopySnapshotter(store)):
        with snapshotter.draft(()) as draft:
            newer(f"/proc/self/fd/{draft.root.fd}")
            chain = draft.commit({})
        chain = run(snapshotter, [second], chain)
        with snapshotter.view(chain) as root:
            times = {name: root.stat(name) for name in ("same", "changed", "mode")}
        assert {name: status and int(status.st_mtime) - EPOCH for name, status in times.items()} == {
            "same": 500, "changed": 0, "mode": 0,
        }, snapshotter.name  # fmt: skip
