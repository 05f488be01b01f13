"""The emulators that plans need, asked for before anything runs."""

from pathlib import Path

import pytest

from metalor_lang.build.foreign import emulators
from metalor_lang.errors import Exit, MachineError
from tests.unit.build.test_several import AMD64, ARM64, RISCV64, plans
from tests.unit.runtime.test_emulation import STATIC, program

FILES = "FROM scratch AS app\nCOPY --from=more /y /y\n"
MORE = "FROM --platform=linux/amd64 scratch AS more\nSH more\n"


def test_only_foreign_stages_that_run_something_need_one(tmp_path: Path) -> None:
    arm = program(tmp_path / "qemu-aarch64-static", STATIC)
    riscv = program(tmp_path / "qemu-riscv64-static", STATIC)
    run = "FROM scratch AS app\nSH x\n"
    assert emulators(plans(MORE + FILES, ARM64, RISCV64), "x86_64", "") == {}
    assert emulators(plans(run, AMD64, ARM64), "x86_64", str(tmp_path)) == {"arm64": str(arm)}
    both = {"arm64": str(arm), "riscv64": str(riscv)}
    assert emulators(plans(run, RISCV64, AMD64, ARM64), "x86_64", str(tmp_path)) == both
    assert emulators(plans(run, ARM64), "aarch64", "") == {}
    assert emulators(plans("FROM scratch AS app\nTEST SH x\n", ARM64), "x86_64", "", tests=False) == {}
    assert emulators(plans(run, ARM64), "x86_64", str(tmp_path), tests=False) == {"arm64": str(arm)}


def test_a_missing_one_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as error:
        emulators(plans("FROM scratch AS app\nTEST SH x\n", ARM64), "x86_64", str(tmp_path))
    assert error.value.exit is Exit.MACHINE
    assert "programs for arm64 cannot run on this amd64 machine: there is no qemu-aarch64-static" in error.value.message
    assert error.value.help.endswith("apt-get install qemu-user-static")
