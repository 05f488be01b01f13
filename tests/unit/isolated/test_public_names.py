"""The names of the library: there, lazy, and visible to type checkers."""

import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import metalor_lang
from metalor_lang import BindMount, ContainerRunCommand

COMMAND = ContainerRunCommand("/p/r", "/", [], [], None, "sh")


def test_the_reference_s_names_are_public() -> None:
    signatures = {
        "prepare_oci_rootfs": "reference runtime_root_prefix runtime_package_root cache_root requested_arch",
        "prepare_runtime_emulator": "runtime_root host_arch guest_arch",
        "build_unshare_reexec_command": "current_exe subcommand runtime_root_prefix command",
        "run_isolated_container_command": "command",
        "helper_binary_path": "name",
        "significant_lines": "source",
        "valid_identifier": "value",
        "parse_exec_array": "raw",
        "interpolate_braced_variables": "value variables kind",
    }
    for name, parameters in signatures.items():
        assert list(inspect.signature(getattr(metalor_lang, name)).parameters) == parameters.split(), name
    assert metalor_lang.RUN_HELPER_DIR == "/.metalor-run"
    assert metalor_lang.helper_binary_path("qemu-riscv64-static") == "/.metalor-run/qemu-riscv64-static"
    assert [field.name for field in dataclasses.fields(BindMount)] == ["source", "destination", "read_only"]
    fields = [field.name for field in dataclasses.fields(ContainerRunCommand)]
    assert fields == ["root", "cwd", "mounts", "env", "emulator", "executable", "argv"]
    number, text = dataclasses.fields(metalor_lang.SignificantLine)
    assert (number.name, text.name) == ("number", "text")


@pytest.mark.parametrize("name", metalor_lang.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(metalor_lang, name) is not None


def test_the_names_are_listed_once_and_for_type_checkers_too() -> None:
    text = Path(metalor_lang.__file__).read_text(encoding="utf-8")
    typed = text.split("if TYPE_CHECKING:")[1].split("__version__ =")[0]
    seen = set(re.findall(r"\b([A-Za-z_]+)\b(?=,|\n)", re.sub(r"from \S+ import", "", typed)))
    assert seen == set(metalor_lang._PUBLIC)
    assert sorted(metalor_lang.__all__) == sorted(["__version__", *metalor_lang._PUBLIC])
    for name, module in metalor_lang._PUBLIC.items():
        assert hasattr(importlib.import_module(f"metalor_lang.{module}"), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'prepare'"):
        metalor_lang.prepare  # noqa: B018


def test_the_import_loads_none_of_the_machine() -> None:
    code = "import sys, metalor_lang; print([name for name in sys.modules if name.startswith('metalor_lang.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_requests_are_equal_by_value_and_hashable() -> None:
    mount = BindMount("/a", "/b", True)
    one = ContainerRunCommand("/p/r", "/", [mount], [("A", "1")], None, "sh", ["-c", "x"])
    two = ContainerRunCommand(
        root="/p/r", cwd="/", mounts=(mount,), env=(("A", "1"),), emulator=None, executable="sh", argv=("-c", "x")
    )
    assert one == two
    assert len({one, two}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.cwd = "/tmp"  # type: ignore[misc]


def test_dir_lists_what_can_be_used() -> None:
    assert set(metalor_lang.__all__) <= set(dir(metalor_lang))
