"""Which emulator runs what, how its rule is written, and what is said when there is none."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.runtime import emulation

MACHINE = {"amd64": 62, "arm64": 183, "riscv64": 243}


def elf(machine: int, *segments: int, bits: int = 2, kind: int = 3) -> bytes:
    """A 64 bit ELF header with program headers of the given types."""
    ident = b"\x7fELF" + bytes([bits, 1, 1, 0]) + bytes(8)
    head = struct.pack("<16sHHIQQQIHHHHHH", ident, kind, machine, 1, 0, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    return head + b"".join(struct.pack("<IIQQQQQQ", each, 5, 0, 0, 0, 0, 0, 0) for each in segments)


def program(path: Path, data: bytes, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    return path


def matches(guest: str, head: bytes) -> bool:
    """As the kernel compares (binfmt_misc.rst)."""
    return all(not (one ^ other) & bits for one, other, bits in zip(emulation.magic(guest), head, emulation.mask()))


STATIC = elf(62, 1, 2)


@pytest.mark.parametrize(
    ("host", "guest", "wanted"),
    [
        ("x86_64", "amd64", False),
        ("x86_64", "386", False),
        ("x86_64", "arm64", True),
        ("x86_64", "riscv64", True),
        ("aarch64", "arm64", False),
        ("aarch64", "amd64", True),
        ("aarch64", "386", True),
        ("riscv64", "riscv64", False),
        ("ppc64le", "ppc64le", False),
        ("ppc64le", "amd64", True),
    ],
)
def test_when_an_emulator_is_needed(host: str, guest: str, wanted: bool) -> None:
    assert emulation.needed(host, guest) is wanted


@pytest.mark.parametrize(
    ("guest", "name"),
    [
        ("amd64", "qemu-x86_64-static"),
        ("x86_64", "qemu-x86_64-static"),
        ("arm64", "qemu-aarch64-static"),
        ("aarch64", "qemu-aarch64-static"),
        ("riscv64", "qemu-riscv64-static"),
    ],
)
def test_names_of_the_emulators(guest: str, name: str) -> None:
    assert emulation.names(guest) == (name, name.removesuffix("-static"))


@pytest.mark.parametrize("guest", MACHINE)
@pytest.mark.parametrize("kind", [2, 3])
def test_the_magic_takes_programs_of_its_machine_alone(guest: str, kind: int) -> None:
    for other, number in MACHINE.items():
        assert matches(guest, elf(number, kind=kind)[:20]) is (other == guest)
    head = bytearray(elf(MACHINE[guest], kind=kind)[:20])
    head[7:16] = bytes([3, 1, 0x41, 0x49, 2, 9, 9, 9, 9])  # EI_OSABI of GNU, an AppImage's mark in the padding
    assert matches(guest, bytes(head))
    for place in range(20):
        if place not in range(7, 16):
            wrong = bytearray(head)
            wrong[place] ^= 0x80
            assert not matches(guest, bytes(wrong)), place


@pytest.mark.parametrize("kind", [0, 1, 4])
def test_the_magic_leaves_object_files_alone(kind: int) -> None:
    assert not matches("arm64", elf(183, kind=kind)[:20])


def test_the_magic_leaves_32_bit_programs_alone() -> None:
    assert not matches("riscv64", elf(243, bits=1)[:20])


def test_a_real_program_of_this_machine_matches() -> None:
    head = Path(sys.executable).resolve().read_bytes()[:20]
    here = emulation.architecture(os.uname().machine)
    assert [guest for guest in MACHINE if matches(guest, head)] == [here]


def test_the_rule_is_one_line_that_the_kernel_takes() -> None:
    line = emulation.rule("arm64", "qemu-aarch64-static")
    assert line == (
        rb":metalor-arm64:M:0:"
        rb"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
        rb"\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff:"
        rb"qemu-aarch64-static:OCFP"
    )


def test_the_emulator_is_found_in_path_and_its_links_are_resolved(tmp_path: Path) -> None:
    real = program(tmp_path / "real" / "qemu", STATIC)
    (tmp_path / "bin").mkdir()
    (tmp_path / "middle").symlink_to(real)
    (tmp_path / "bin" / "qemu-aarch64-static").symlink_to("../middle")
    program(tmp_path / "later" / "qemu-aarch64-static", STATIC)
    path = f"/nowhere:{tmp_path}/bin:{tmp_path}/later"
    assert emulation.find("x86_64", "aarch64", path) == str(real)


def test_path_of_the_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = program(tmp_path / "qemu-riscv64-static", STATIC)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert emulation.find("amd64", "riscv64") == str(here)


def test_a_relative_folder_of_path_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "qemu-riscv64-static", STATIC)
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", ":"):
        with pytest.raises(emulation.NoEmulator):
            emulation.find("amd64", "riscv64", path)


def test_the_plain_name_is_taken_when_it_is_static(tmp_path: Path) -> None:
    program(tmp_path / "a" / "qemu-aarch64", STATIC)
    fit = program(tmp_path / "b" / "qemu-aarch64-static", STATIC)
    assert emulation.find("amd64", "arm64", f"{tmp_path}/a:{tmp_path}/b") == str(fit)
    assert emulation.find("amd64", "arm64", f"{tmp_path}/a") == str(tmp_path / "a" / "qemu-aarch64")


@pytest.mark.parametrize(
    ("data", "mode", "why"),
    [
        (elf(62, 6, 3, 1), 0o755, "is not statically linked, so it cannot run inside an image"),
        (elf(183, 1), 0o755, "is built for another machine"),
        (b"#!/bin/sh\n", 0o755, "is no 64 bit ELF program"),
        (STATIC[:30], 0o755, "is no 64 bit ELF program"),
        (STATIC, 0o644, ""),
    ],
)
def test_an_unfit_emulator_is_named_with_the_reason(tmp_path: Path, data: bytes, mode: int, why: str) -> None:
    file = program(tmp_path / "qemu-aarch64", data, mode)
    with pytest.raises(emulation.NoEmulator) as error:
        emulation.find("x86_64", "arm64", str(tmp_path))
    expected = "programs for arm64 cannot run on this amd64 machine: there is no qemu-aarch64-static in PATH"
    assert error.value.message == expected + (f"; {file} {why}" if why else "")
    assert error.value.help == "install Debian's package qemu-user-static: apt-get install qemu-user-static"


def test_an_architecture_without_an_emulator_lists_those_that_have_one() -> None:
    with pytest.raises(emulation.NoEmulator) as error:
        emulation.find("x86_64", "s390x", "/usr/bin")
    assert error.value.message == (
        "programs for s390x cannot run on this amd64 machine: emulated are amd64, arm64, riscv64"
    )


def test_the_module_is_lean() -> None:
    code = (
        "import metalor_lang.runtime; before = set(sys.modules); import metalor_lang.runtime.emulation;"
        "print(*sorted({'dataclasses', 'typing', 'subprocess', 'pathlib', 'enum'} & (set(sys.modules) - before)))"
    )
    root = Path(emulation.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
