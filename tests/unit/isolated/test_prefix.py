"""Roots lie below a declared prefix, are reached by no link, and nothing is made on a refused path."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from metalor_lang import (
    CommandRefused,
    ContainerRunCommand,
    MetalorError,
    PathRefused,
    build_unshare_reexec_command,
    prepare_oci_rootfs,
    prepare_runtime_emulator,
)
from metalor_lang.isolated import sentinel
from metalor_lang.isolated.places import Prefix, make_directory
from tests.support.isolated import snapshot


def prepare_root(prefix: Path | str, root: Path | str) -> None:
    command = ContainerRunCommand(root, "/", [], [], None, "sh", [])
    build_unshare_reexec_command("/tool", "run", prefix, command)


def prepare_package(prefix: Path | str, root: Path | str) -> None:
    prepare_oci_rootfs("oci:/nowhere/at/all", prefix, root)


def prepare_emulator(prefix: Path | str, root: Path | str) -> None:
    prepare_runtime_emulator(root, "x86_64", "riscv64")


BOTH = pytest.mark.parametrize("prepare", [prepare_root, prepare_package])
Prepare = Callable[[Path | str, Path | str], None]


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Path]:
    """A prefix, and a place outside that nothing may be made in."""
    prefix, outside = tmp_path / "prefix", tmp_path / "outside"
    prefix.mkdir()
    outside.mkdir()
    return prefix, outside


@BOTH
def test_roots_and_package_roots_stay_under_the_declared_prefix(prepare: Prepare, world: tuple[Path, Path]) -> None:
    prefix, outside = world
    (prefix.parent / "prefixed").mkdir()
    before = snapshot(prefix.parent)
    for wrong in (outside / "r", prefix.parent / "prefixed" / "r", prefix, prefix / "x" / ".." / ".." / "r", "r", "/"):
        with pytest.raises(MetalorError):
            prepare(prefix, wrong)
        assert snapshot(prefix.parent) == before, wrong
    with pytest.raises(PathRefused, match=r"outside/r must live under the runtime root prefix .*/prefix"):
        prepare(prefix, outside / "r")


@BOTH
def test_the_prefix_is_never_the_filesystem_root(prepare: Prepare, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    (tmp_path / "link").symlink_to("/")
    for prefix in ("/", "/.", "//", tmp_path / "link", "/proc/self/root"):
        with pytest.raises(PathRefused, match="must not"):
            prepare(prefix, tmp_path / "r")
    for prefix in ("relative", f"{tmp_path}/..", "/tmp\0"):
        with pytest.raises(CommandRefused):
            prepare(prefix, tmp_path / "r")
    (tmp_path / "link").unlink()
    assert [name for name, _ in snapshot(tmp_path)] == [name for name, _ in before]


@BOTH
def test_a_missing_prefix_is_not_made(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(PathRefused, match="cannot be opened: No such file") as caught:
        prepare(tmp_path / "none", tmp_path / "none" / "r")
    assert caught.value.help == f"make it first: mkdir {tmp_path}/none"
    assert list(tmp_path.iterdir()) == []


def test_a_prefix_may_be_a_link_and_roots_are_canonical(world: tuple[Path, Path]) -> None:
    prefix, _ = world
    (prefix.parent / "alias").symlink_to("prefix")
    command = ContainerRunCommand(prefix.parent / "alias" / "r", "/", [], [], None, "sh", [])
    made = build_unshare_reexec_command("/tool", "run", prefix.parent / "alias", command)
    assert made.argv[made.argv.index("--root") + 1] == f"{prefix}/r"
    assert dict(made.env)["METALOR_RUNTIME_ROOT_PREFIX"] == str(prefix)


@BOTH
@pytest.mark.parametrize("place", ["link", "link/r", "a/link/r", "dangling/r", "loop/r", "inside/r", "file/r", "file"])
def test_a_symlinked_root_is_refused_and_nothing_is_created(
    prepare: Prepare, world: tuple[Path, Path], place: str
) -> None:
    prefix, outside = world
    (prefix / "a").mkdir()
    (prefix / "real").mkdir()
    (prefix / "file").write_text("")
    (prefix / "link").symlink_to(outside)
    (prefix / "a" / "link").symlink_to(outside)
    (prefix / "dangling").symlink_to(outside / "not-there")
    (prefix / "loop").symlink_to("loop")
    (prefix / "inside").symlink_to("real")
    before = snapshot(prefix.parent)
    with pytest.raises(PathRefused, match=r"traverses a symbolic link|is not a directory"):
        prepare(prefix, prefix / place)
    assert snapshot(prefix.parent) == before


@pytest.mark.parametrize("part", ["oci", "oci/bundle"])
def test_a_symlink_in_the_package_root_is_refused(world: tuple[Path, Path], part: str) -> None:
    prefix, outside = world
    link = prefix / "p" / part
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    before = snapshot(prefix.parent)
    with pytest.raises(PathRefused, match=f"OCI package root traverses a symbolic link: {link} leads to {outside}"):
        prepare_package(prefix, prefix / "p")
    assert snapshot(prefix.parent) == before


def test_a_symlinked_cache_root_is_refused(world: tuple[Path, Path]) -> None:
    prefix, outside = world
    (prefix.parent / "cache").symlink_to(outside)
    before = snapshot(prefix.parent)
    with pytest.raises(PathRefused, match="OCI cache root traverses a symbolic link"):
        prepare_oci_rootfs("oci:/nowhere", prefix, prefix / "p", prefix.parent / "cache" / "deep")
    with pytest.raises(PathRefused, match="must not be /"):
        prepare_oci_rootfs("oci:/nowhere", prefix, prefix / "p", "/")
    assert snapshot(prefix.parent) == before


@pytest.mark.parametrize("what", ["folder", "file", "directory", "fifo"])
def test_a_symlinked_sentinel_is_refused_and_nothing_is_created(world: tuple[Path, Path], what: str) -> None:
    prefix, outside = world
    prepare_root(prefix, prefix / "r")
    folder = prefix / sentinel.FOLDER
    (file,) = folder.iterdir()
    file.unlink()
    match what:
        case "folder":
            folder.rmdir()
            folder.symlink_to(outside)
        case "file":
            file.symlink_to(outside / "written")
        case "directory":
            file.mkdir()
        case _:
            os.mkfifo(file)
    (prefix / "r").rmdir()
    before = snapshot(prefix.parent)
    with pytest.raises(PathRefused, match="runtime root sentinel"):
        prepare_root(prefix, prefix / "r")
    assert snapshot(prefix.parent) == before


def test_a_root_among_the_sentinels_is_refused(world: tuple[Path, Path]) -> None:
    prefix, _ = world
    for place in (sentinel.FOLDER, f"{sentinel.FOLDER}/r"):
        with pytest.raises(PathRefused, match="is kept for sentinels"):
            prepare_root(prefix, prefix / place)
    assert list(prefix.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["etc", "etc/resolv.conf", "etc/hosts", "dev", "dev/null", "dev/zero", "dev/random", "dev/urandom", "proc", "sys"],
)
@pytest.mark.parametrize("leads", ["outside", "dangling", "relative", "loop"])
def test_a_symlinked_automatic_mount_target_is_refused_and_nothing_is_created(
    world: tuple[Path, Path], name: str, leads: str
) -> None:
    prefix, outside = world
    link = prefix / "r" / name
    link.parent.mkdir(parents=True)
    link.symlink_to({"outside": outside, "dangling": outside / "x", "relative": "../r", "loop": link.name}[leads])
    before = snapshot(prefix.parent)
    with pytest.raises(PathRefused, match=f"container auto-mount target traverses a symbolic link: {link} leads to"):
        prepare_root(prefix, prefix / "r")
    assert snapshot(prefix.parent) == before


def test_a_fifo_under_the_emulator_s_name_is_refused(world: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    prefix, outside = world
    (outside / "qemu-riscv64-static").write_text("#!/bin/sh\n")
    (outside / "qemu-riscv64-static").chmod(0o755)
    monkeypatch.setenv("PATH", str(outside))
    (prefix / "r" / ".metalor-run").mkdir(parents=True)
    os.mkfifo(prefix / "r" / ".metalor-run" / "qemu-riscv64-static")
    before = snapshot(prefix.parent)
    with pytest.raises(PathRefused, match="is not a file"):
        prepare_emulator(prefix, prefix / "r")
    assert snapshot(prefix.parent) == before


def test_a_link_that_appears_between_look_and_making_is_not_followed(world: tuple[Path, Path]) -> None:
    prefix, outside = world
    with Prefix(prefix) as opened:
        fd = make_directory(opened.fd, "a/b", "root", opened.path)
        os.close(fd)
        (prefix / "a" / "b").rmdir()
        (prefix / "a" / "b").symlink_to(outside)
        with pytest.raises(PathRefused):
            make_directory(opened.fd, "a/b/c", "root", opened.path)
    assert list(outside.iterdir()) == []
