"""Mount targets and helpers in a root are looked at all together, before anything is mounted or made."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from metalor_lang import BindMount, ContainerRunCommand, PathRefused, build_unshare_reexec_command
from metalor_lang.isolated.targets import Source, open_sources, refuse_links
from tests.support.isolated import snapshot


def command(root: Path, *mounts: BindMount, emulator: str | None = None) -> ContainerRunCommand:
    return ContainerRunCommand(root, "/", mounts, [], emulator, "sh", [])


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "prefix" / "root").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "file").write_text("a file\n")
    return tmp_path / "prefix"


@contextmanager
def opened(root: Path, wanted: ContainerRunCommand) -> Iterator[tuple[int, tuple[Source, ...]]]:
    with ExitStack() as stack:
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        stack.callback(os.close, fd)
        yield fd, open_sources(wanted.mounts, stack)


def look(root: Path, wanted: ContainerRunCommand) -> None:
    with opened(root, wanted) as (fd, sources):
        refuse_links(fd, str(root), wanted, sources)


@pytest.mark.parametrize("place", ["link", "link/deeper", "a/link", "a/link/x"])
def test_a_symlinked_mount_target_is_refused_and_nothing_is_created(prefix: Path, place: str) -> None:
    root, outside = prefix / "root", prefix.parent / "outside"
    (root / "a").mkdir()
    (root / "link").symlink_to(outside)
    (root / "a" / "link").symlink_to("/absent")
    wanted = command(root, BindMount(outside, "/first/new/one", True), BindMount(outside, f"/{place}", True))
    before = snapshot(prefix.parent)
    with pytest.raises(PathRefused, match=f"container mount destination traverses a symbolic link: {root}/(a/)?link"):
        build_unshare_reexec_command("/tool", "run", prefix, wanted)
    with pytest.raises(PathRefused, match="container mount destination traverses a symbolic link"):
        look(root, wanted)
    assert snapshot(prefix.parent) == before


@pytest.mark.parametrize("planted", ["directory", "file"])
def test_a_symlinked_helper_directory_is_refused_and_nothing_is_created(
    prefix: Path, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metalor_lang import prepare_runtime_emulator

    root, outside = prefix / "root", prefix.parent / "outside"
    tools = prefix.parent / "tools"
    tools.mkdir()
    (tools / "qemu-riscv64-static").write_text("#!/bin/sh\n")
    (tools / "qemu-riscv64-static").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    if planted == "directory":
        (root / ".metalor-run").symlink_to(outside)
    else:
        (root / ".metalor-run").mkdir()
        (root / ".metalor-run" / "qemu-riscv64-static").symlink_to(outside / "written")
    before = snapshot(prefix.parent)
    with pytest.raises(PathRefused, match="runtime helper path traverses a symbolic link"):
        prepare_runtime_emulator(root, "x86_64", "riscv64")
    wanted = command(root, emulator="/.metalor-run/qemu-riscv64-static")
    with pytest.raises(PathRefused, match="runtime helper path traverses a symbolic link"):
        build_unshare_reexec_command("/tool", "run", prefix, wanted)
    assert snapshot(prefix.parent) == before


def test_an_explicit_mount_frees_an_automatic_target(prefix: Path) -> None:
    root = prefix / "root"
    (root / "etc").mkdir()
    (root / "etc" / "resolv.conf").symlink_to("../run/resolv.conf")
    with pytest.raises(PathRefused, match="auto-mount target"):
        look(root, command(root))
    (prefix.parent / "outside" / "resolv.conf").symlink_to("../run/resolv.conf")  # as it is on many machines
    look(root, command(root, BindMount(prefix.parent / "outside", "/etc", True)))


def test_a_target_below_an_explicit_mount_is_looked_at_in_its_source(prefix: Path) -> None:
    root, outside, file = prefix / "root", prefix.parent / "outside", prefix.parent / "file"
    (outside / "link").symlink_to("/etc")
    (outside / "real").mkdir()
    above = BindMount(outside, "/data", True)
    look(root, command(root, above, BindMount(outside, "/data/real", True)))
    with pytest.raises(PathRefused, match=r"traverses a symbolic link: .*/data/link leads to /etc"):
        look(root, command(root, above, BindMount(outside, "/data/link/x", True)))
    (root / "data").symlink_to("/etc")
    with pytest.raises(PathRefused, match=r"traverses a symbolic link: .*/root/data leads to /etc"):
        look(root, command(root, above))
    look(root, command(root, BindMount(file, "/other", True), BindMount(file, "/other-file", True)))


def test_kinds_must_match(prefix: Path) -> None:
    root, outside, file = prefix / "root", prefix.parent / "outside", prefix.parent / "file"
    (root / "d").mkdir()
    (root / "f").write_text("")
    look(root, command(root, BindMount(outside, "/d", True), BindMount(file, "/f", True)))
    with pytest.raises(PathRefused, match=r"/d: .*/root/d is a directory, and a file is to be mounted there"):
        look(root, command(root, BindMount(file, "/d", True)))
    with pytest.raises(PathRefused, match=r"/f: .*/root/f is a file, and a directory is to be mounted there"):
        look(root, command(root, BindMount(outside, "/f", True)))
    with pytest.raises(PathRefused, match="is not a directory"):
        look(root, command(root, BindMount(outside, "/f/x", True)))


def test_a_missing_source_is_named(prefix: Path) -> None:
    root = prefix / "root"
    with pytest.raises(PathRefused, match="bind mount source /absent/x cannot be opened: No such file or directory"):
        look(root, command(root, BindMount("/absent/x", "/x", True)))


def test_a_source_may_be_a_link_but_not_a_magic_one(prefix: Path) -> None:
    root = prefix / "root"
    (prefix.parent / "link").symlink_to("outside")
    look(root, command(root, BindMount(prefix.parent / "link", "/x", True)))
    with pytest.raises(PathRefused, match="cannot be opened"):
        look(root, command(root, BindMount("/proc/self/root/etc", "/x", True)))
