import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from metalor_lang.kernel.paths import Root
from metalor_lang.oci.candidates import Candidates, candidates
from metalor_lang.oci.changes import ChangeKind
from metalor_lang.oci.copytree import copy_tree
from metalor_lang.oci.diff import diff
from metalor_lang.oci.errors import NotExportable


def build(root: Path) -> None:
    (root / "etc/deep").mkdir(parents=True)
    (root / "etc/conf").write_text("one")
    (root / "etc/deep/file").write_text("deep")
    (root / "lib").symlink_to("usr/lib")
    (root / "usr/lib").mkdir(parents=True)
    (root / "twin-a").write_text("twin")
    os.link(root / "twin-a", root / "twin-b")
    for path in [*root.rglob("*"), root]:
        os.utime(path, (1000, 1000), follow_symlinks=False)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    upper.mkdir()
    build(lower)
    with Root.at(lower) as one, Root.at(upper) as two:
        copy_tree(one, two.fd)
    return lower, upper


def restore(path: Path) -> None:
    os.utime(path, (1000, 1000))


def changes(lower: Path, upper: Path, where: Candidates | None = None) -> list[tuple[str, str]]:
    with Root.at(lower) as one, Root.at(upper) as two:
        return [(change.path, change.kind.value) for change in diff(one, two, where)]


def write_in_place(root: Path) -> None:
    (root / "etc/conf").write_text("two")


def replace_file_by_directory(root: Path) -> None:
    (root / "etc/conf").unlink()
    (root / "etc/conf").mkdir()
    (root / "etc/conf/inner").write_text("")
    restore(root / "etc")


def replace_directory_by_file(root: Path) -> None:
    (root / "etc/deep/file").unlink()
    (root / "etc/deep").rmdir()
    (root / "etc/deep").write_text("")
    restore(root / "etc")


def replace_link_by_directory(root: Path) -> None:
    (root / "lib").unlink()
    (root / "lib").mkdir()
    (root / "lib/x").write_text("")


def delete_tree(root: Path) -> None:
    (root / "etc/deep/file").unlink()
    (root / "etc/deep").rmdir()


def break_twins(root: Path) -> None:
    (root / "twin-b").unlink()
    (root / "twin-b").write_text("twin")
    restore(root / "twin-b")


def third_twin(root: Path) -> None:
    os.link(root / "twin-b", root / "etc/twin-c")
    restore(root / "etc")


def change_twins(root: Path) -> None:
    (root / "twin-a").chmod(0o600)


def only_time(root: Path) -> None:
    os.utime(root / "etc/deep/file", (1000, 2000))


def same_size_and_time(root: Path) -> None:
    (root / "etc/conf").write_text("two")
    restore(root / "etc/conf")


def reserved_dot_names(root: Path) -> None:
    (root / "etc/.who").write_text("")
    restore(root / "etc")


TABLE: list[tuple[Callable[[Path], None], list[tuple[str, str]]]] = [
    (lambda root: None, []),
    (write_in_place, [("etc", "parent"), ("etc/conf", "modify")]),
    (same_size_and_time, [("etc", "parent"), ("etc/conf", "modify")]),
    (replace_file_by_directory, [("etc", "parent"), ("etc/conf", "modify"), ("etc/conf/inner", "add")]),
    (replace_directory_by_file, [("etc", "parent"), ("etc/deep", "modify")]),
    (replace_link_by_directory, [("lib", "delete"), ("lib", "modify"), ("lib/x", "add")]),
    (delete_tree, [("etc", "modify"), ("etc/deep", "delete")]),
    (break_twins, [("twin-b", "modify")]),
    (third_twin, [("etc", "parent"), ("etc/twin-c", "add"), ("twin-a", "link"), ("twin-b", "link")]),
    (change_twins, [("twin-a", "modify"), ("twin-b", "link")]),
    (only_time, [("etc", "parent"), ("etc/deep", "parent"), ("etc/deep/file", "modify")]),
    (reserved_dot_names, [("etc", "parent"), ("etc/.who", "add")]),
    (lambda root: (root / "etc").chmod(0o700), [("etc", "modify")]),
    (lambda root: root.chmod(0o711), [("", "modify")]),
]


@pytest.mark.parametrize(("act", "expected"), TABLE, ids=[act.__name__ for act, _ in TABLE])
def test_changes(pair: tuple[Path, Path], act: Callable[[Path], None], expected: list[tuple[str, str]]) -> None:
    lower, upper = pair
    act(upper)
    assert changes(lower, upper) == expected


def test_names_sort_by_their_bytes_directory_by_directory(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    for name in ("a-b", "a/b", "a.b", "Z", "é", os.fsdecode(b"\xff")):
        path = upper / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert [path for path, _ in changes(lower, upper)] == ["Z", "a", "a/b", "a-b", "a.b", "é", "\udcff"]


def test_sockets_are_left_out_with_a_notice(pair: tuple[Path, Path]) -> None:
    lower, upper = pair
    (upper / "etc/conf").unlink()
    etc = os.open(upper / "etc", os.O_PATH)
    with socket.socket(socket.AF_UNIX) as plug:
        # The directory's own path may be too long for a socket's address.
        plug.bind(f"/proc/self/fd/{etc}/conf")
    os.close(etc)
    restore(upper / "etc")
    notices: list[str] = []
    with Root.at(lower) as one, Root.at(upper) as two:
        found = [(change.path, change.kind) for change in diff(one, two, notice=notices.append)]
    assert found == [("etc", ChangeKind.PARENT), ("etc/conf", ChangeKind.DELETE)]
    assert notices == ["the socket /etc/conf was left out: layers cannot hold sockets"]


@pytest.mark.parametrize("name", [".wh.x", ".wh..wh..opq", "etc/.wh."])
def test_names_of_whiteouts_cannot_be_exported(pair: tuple[Path, Path], name: str) -> None:
    lower, upper = pair
    (upper / name).write_text("")
    with pytest.raises(NotExportable, match="mark deleted files"):
        changes(lower, upper)


def test_overlay_marks_are_no_difference(pair: tuple[Path, Path]) -> None:
    lower, upper = pair
    try:
        os.setxattr(upper / "etc", "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("this file system has no user attributes")
    assert changes(lower, upper) == []
    os.setxattr(upper / "etc", "user.kept", b"y")
    assert changes(lower, upper) == [("etc", "modify")]


def test_candidates_narrow_the_search(pair: tuple[Path, Path], tmp_path: Path) -> None:
    lower, upper = pair
    write_in_place(upper)
    (upper / "new").write_text("")
    touched = tmp_path / "touched"
    (touched / "etc").mkdir(parents=True)
    (touched / "etc/conf").write_text("two")
    where = candidates([touched])
    assert where.children["etc"].children["conf"].everything
    assert changes(lower, upper, where) == [("etc", "parent"), ("etc/conf", "modify")]


def test_candidates_of_an_opaque_directory_are_everything_below(pair: tuple[Path, Path], tmp_path: Path) -> None:
    lower, upper = pair
    delete_tree(upper)
    touched = tmp_path / "touched"
    (touched / "etc").mkdir(parents=True)
    try:
        os.setxattr(touched / "etc", "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("this file system has no user attributes")
    assert changes(lower, upper, candidates([touched])) == [("etc", "modify"), ("etc/deep", "delete")]


def test_several_upper_directories_add_up(tmp_path: Path) -> None:
    for path in ("one/a/b", "two/a", "two/c/d"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "two/a/b").write_text("a file over a directory")
    where = candidates([tmp_path / "one", tmp_path / "two"])
    assert sorted(where.children) == ["a", "c"]
    assert where.children["a"].children["b"].everything
    assert not where.children["c"].everything
