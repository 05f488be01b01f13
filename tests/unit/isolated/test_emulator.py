"""Staging the emulator of another architecture, and the names of architectures."""

import os
import stat
from pathlib import Path

import pytest

from metalor_lang import EmulatorMissing, PathRefused, UnsupportedArchitecture, prepare_runtime_emulator
from metalor_lang.isolated.architectures import TABLE, architecture
from metalor_lang.runtime import emulation


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in PATH where each emulator is a link to a program kept elsewhere, as packages have it."""
    kept, tools = tmp_path / "kept", tmp_path / "tools"
    kept.mkdir()
    tools.mkdir()
    for row in TABLE:
        program = kept / f"{row.emulator}-7.2"
        program.write_bytes(b"\x7fELF" + row.machine.encode() * 1000)
        program.chmod(0o751)
        (tools / row.emulator).symlink_to(program)
    monkeypatch.setenv("PATH", str(tools))
    return tools


@pytest.mark.parametrize(
    ("host", "guest"), [("x86_64", "amd64"), ("amd64", "x86_64"), ("arm64", "aarch64"), ("riscv64", "riscv64")]
)
def test_equal_architectures_need_no_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, guest: str
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert prepare_runtime_emulator(tmp_path / "root", host, guest) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("guest", "name"),
    [
        ("aarch64", "qemu-aarch64-static"),
        ("arm64", "qemu-aarch64-static"),
        ("riscv64", "qemu-riscv64-static"),
        ("amd64", "qemu-x86_64-static"),
    ],
)
def test_the_right_emulator_is_staged_under_the_helper_directory(
    tools: Path, tmp_path: Path, guest: str, name: str
) -> None:
    host = "arm64" if guest == "amd64" else "x86_64"
    root = tmp_path / "root"
    assert prepare_runtime_emulator(root, host, guest) == f"/.metalor-run/{name}"
    assert [one.name for one in (root / ".metalor-run").iterdir()] == [name]


def test_the_emulator_s_symlinks_are_resolved_and_its_mode_is_kept(tools: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    old = os.umask(0o077)
    try:
        inside = prepare_runtime_emulator(root, "amd64", "arm64")
    finally:
        os.umask(old)
    staged = root / str(inside).lstrip("/")
    assert stat.S_ISREG(staged.lstat().st_mode)
    assert stat.S_IMODE(staged.lstat().st_mode) == 0o751
    assert staged.read_bytes() == (tools / "qemu-aarch64-static").read_bytes()
    with staged.open("rb") as running:  # a running one is replaced, not overwritten
        prepare_runtime_emulator(root, "amd64", "arm64")
        assert os.fstat(running.fileno()).st_ino != staged.stat().st_ino


def test_a_missing_emulator_is_an_error_that_names_guest_host_and_binary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulatorMissing) as caught:
        prepare_runtime_emulator(tmp_path / "root", "amd64", "riscv64")
    assert caught.value.message == "running riscv64 programs on x86_64 needs qemu-riscv64-static in PATH"
    assert caught.value.help == "install it: apt-get install qemu-user-static"
    assert list(tmp_path.iterdir()) == []


def test_the_architectures_and_their_aliases() -> None:
    names = {name: architecture(name).machine for name in ("x86_64", "amd64", "aarch64", "arm64", "riscv64")}
    assert names == {
        "x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64", "riscv64": "riscv64",
    }  # fmt: skip
    assert {row.oci: row.machine for row in TABLE} == {
        name: machine for name, (machine, _) in emulation.ARCHITECTURES.items()
    }
    assert {row.emulator for row in TABLE} == {emulation.names(row.oci)[0] for row in TABLE}


@pytest.mark.parametrize("name", ["", "AMD64", "x86", "arm", "s390x", "linux/amd64", "riscv64 "])
def test_other_architectures_are_refused(tmp_path: Path, name: str) -> None:
    for pair in ((name, "amd64"), ("amd64", name)):
        with pytest.raises(UnsupportedArchitecture, match=f"unsupported architecture {name!r}") as caught:
            prepare_runtime_emulator(tmp_path / "root", *pair)
        assert caught.value.help == "supported are x86_64 (amd64), aarch64 (arm64), riscv64"
    assert list(tmp_path.iterdir()) == []


def test_the_root_for_an_emulator_is_never_the_filesystem_root(tools: Path) -> None:
    with pytest.raises(PathRefused, match="must not be /"):
        prepare_runtime_emulator("/", "amd64", "arm64")
