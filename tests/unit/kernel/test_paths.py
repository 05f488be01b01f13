import errno
import os
import stat
from pathlib import Path

import pytest

from metalor_lang.kernel.paths import Root, copy_file_contents, remove_tree, set_mode, walk
from metalor_lang.kernel.trees import read_xattrs, write_xattrs


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary").write_text("untouched")
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/sh").write_text("shell")
    (root / "bin").symlink_to("usr/bin")
    (root / "abs").symlink_to("/usr/bin")
    (root / "up").symlink_to("../../../../usr")
    (root / "escape").symlink_to(outside)
    (root / "dotdot").symlink_to("../outside")
    (root / "dangling").symlink_to("/not/yet")
    (root / "loop").symlink_to("loop")
    return root


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("usr/bin/sh", b"shell"),
        ("/usr/bin/sh", b"shell"),
        ("//usr//bin/./sh", b"shell"),
        ("bin/sh", b"shell"),
        ("abs/sh", b"shell"),
        ("up/bin/sh", b"shell"),
        ("../../usr/bin/sh", b"shell"),
        ("bin/../bin/sh", b"shell"),
    ],
)
def test_links_resolve_inside(tree: Path, path: str, content: bytes) -> None:
    with Root.at(tree) as root:
        assert root.read_bytes(path, 100) == content


@pytest.mark.parametrize("path", ["escape/canary", "dotdot/canary", "../outside/canary", "usr/../../outside/canary"])
def test_nothing_outside_is_reachable(tree: Path, path: str) -> None:
    with Root.at(tree) as root:
        assert root.stat(path) is None
        with pytest.raises(FileNotFoundError):
            root.open(path, os.O_RDONLY)
        with pytest.raises(FileNotFoundError):
            root.remove(path)
    assert (tree.parent / "outside/canary").read_text() == "untouched"


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/", "/"),
        ("", "/"),
        ("..", "/"),
        ("bin", "/usr/bin"),
        ("abs/x/y", "/usr/bin/x/y"),
        ("up/../etc", "/etc"),
        ("dangling/z", "/not/yet/z"),
        ("usr/bin/sh", "/usr/bin/sh"),
    ],
)
def test_resolve(tree: Path, path: str, canonical: str) -> None:
    with Root.at(tree) as root:
        assert root.resolve(path) == canonical


def test_resolve_gives_up_on_a_loop(tree: Path) -> None:
    with Root.at(tree) as root, pytest.raises(OSError) as caught:
        root.resolve("loop/x")
    assert caught.value.errno == errno.ELOOP


def test_parent_creates_with_mode_owner_and_report(tree: Path) -> None:
    made: list[str] = []
    with Root.at(tree) as root:
        owner = (os.getuid(), os.getgid())
        fd, name = root.parent("/bin/a/b/file", create=True, mode=0o751, owner=owner, on_create=made.append)
        os.close(fd)
        assert name == "file"
        assert made == ["/usr/bin/a", "/usr/bin/a/b"]
        status = root.stat("/usr/bin/a/b")
        assert status is not None
        assert stat.S_IMODE(status.st_mode) == 0o751
        fd, name = root.parent("/escape/deep/file", create=True)
        os.close(fd)
    assert sorted(path.name for path in (tree.parent / "outside").iterdir()) == ["canary"]


def test_parent_of_the_root_is_refused(tree: Path) -> None:
    with Root.at(tree) as root, pytest.raises(IsADirectoryError):
        root.parent("/..")


def test_makedirs_refuses_a_file_in_the_way(tree: Path) -> None:
    with Root.at(tree) as root, pytest.raises(NotADirectoryError):
        root.makedirs("bin/sh/x")


def test_makedirs_fills_a_dangling_link_inside(tree: Path) -> None:
    with Root.at(tree) as root:
        assert root.makedirs("dangling/x") == ["/not", "/not/yet", "/not/yet/x"]


def test_links_are_read_not_followed(tree: Path) -> None:
    with Root.at(tree) as root:
        assert root.readlink("escape") == str(tree.parent / "outside")
        status = root.stat("bin")
        assert status is not None
        assert stat.S_ISLNK(status.st_mode)
        followed = root.stat("bin", follow=True)
        assert followed is not None
        assert stat.S_ISDIR(followed.st_mode)


def test_read_bytes_has_a_limit_and_never_waits(tree: Path) -> None:
    os.mkfifo(tree / "fifo")
    with Root.at(tree) as root:
        with pytest.raises(OSError) as caught:
            root.read_bytes("usr/bin/sh", 4)
        assert caught.value.errno == errno.EFBIG
        with pytest.raises(OSError) as caught:
            root.read_bytes("fifo", 4)
        assert caught.value.errno == errno.EINVAL


def test_remove_never_follows(tree: Path) -> None:
    (tree / "dir").mkdir()
    (tree / "dir/link").symlink_to("../../outside")
    (tree / "dir/closed").mkdir(mode=0o000)
    with Root.at(tree) as root:
        root.remove("dir")
        root.remove("escape")
        assert root.stat("dir") is None
        assert root.stat("escape") is None
    assert (tree.parent / "outside/canary").read_text() == "untouched"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_remove_tree_takes_plain_names_only(tree: Path, name: str) -> None:
    with Root.at(tree) as root, pytest.raises(ValueError):
        remove_tree(root.fd, name)


def test_remove_very_deep_trees(tmp_path: Path) -> None:
    with Root.at(tmp_path) as root:
        os.mkdir("deep", dir_fd=root.fd)
        fd = os.open("deep", os.O_RDONLY, dir_fd=root.fd)
        for _ in range(1500):
            os.mkdir("d" * 20, dir_fd=fd)
            child = os.open("d" * 20, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = child
        os.close(fd)
        root.remove("deep")
    assert list(tmp_path.iterdir()) == []


def test_walk_is_sorted_by_bytes_and_does_not_follow(tree: Path) -> None:
    (tree / "usr/bin-x").write_text("")
    (tree / os.fsdecode(b"\xff")).write_text("")
    with Root.at(tree) as root:
        paths = [entry.path for entry in walk(root.fd)]
    links = ["abs", "bin", "dangling", "dotdot", "escape", "loop", "up"]
    assert paths == [*links, "usr", "usr/bin", "usr/bin/sh", "usr/bin-x", "\udcff"]


def test_walk_enters_only_what_it_is_told_to(tree: Path) -> None:
    with Root.at(tree) as root:
        paths = [entry.path for entry in walk(root.fd, enter=lambda entry: entry.path != "usr")]
    assert "usr" in paths
    assert "usr/bin" not in paths


def test_copied_files_keep_content_and_holes(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        stream.write(b"start")
        stream.seek(64 << 20)
        stream.write(b"end")
        stream.truncate(65 << 20)
    source = os.open(tmp_path / "a", os.O_RDONLY)
    target = os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    try:
        assert copy_file_contents(source, target) == 65 << 20
        assert os.pread(target, 5, 0) == b"start"
        assert os.pread(target, 3, 64 << 20) == b"end"
        assert os.fstat(target).st_size == 65 << 20
        assert os.fstat(target).st_blocks < 10_000
    finally:
        os.close(source)
        os.close(target)


def test_xattrs_by_descriptor_and_name(tree: Path) -> None:
    with Root.at(tree / "usr/bin") as root:
        try:
            write_xattrs(root.fd, "sh", {"user.metalor": b"\0x"})
        except OSError as error:
            assert error.errno == errno.EOPNOTSUPP
            return
        assert read_xattrs(root.fd, "sh") == {"user.metalor": b"\0x"}


def test_the_mode_of_a_link_is_not_that_of_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o600)
    (tmp_path / "link").symlink_to("file")
    with Root.at(tmp_path) as root:
        set_mode(root.fd, "file", 0o640)
        with pytest.raises(OSError, match="link"):
            set_mode(root.fd, "link", 0o777)
    assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o640
