"""metalor: build recipes as a language, and the parser and runtime primitives it is built on.

The public names are loaded on first use, so that a helper process that needs one module pays for one module.
"""

TYPE_CHECKING = False  # type checkers know the name; the module `typing` would cost a helper a tenth of its start
if TYPE_CHECKING:
    from metalor_lang.checker.checker import check
    from metalor_lang.diagnostics.model import Diagnostic
    from metalor_lang.errors import MachineError, MetalorError, UsageError
    from metalor_lang.isolated.emulator import prepare_runtime_emulator
    from metalor_lang.isolated.errors import (
        CommandRefused,
        EmulatorMissing,
        NotIsolated,
        PathRefused,
        UnsupportedArchitecture,
    )
    from metalor_lang.isolated.image import prepare_oci_rootfs
    from metalor_lang.isolated.model import (
        RUN_HELPER_DIR,
        BindMount,
        ContainerRunCommand,
        ReexecCommand,
        helper_binary_path,
    )
    from metalor_lang.isolated.reexec import build_unshare_reexec_command, parse_reexec_arguments
    from metalor_lang.isolated.run import run_isolated_container_command
    from metalor_lang.plan.evaluator import evaluate
    from metalor_lang.primitives import (
        PrimitiveError,
        SignificantLine,
        interpolate_braced_variables,
        parse_exec_array,
        significant_lines,
        valid_identifier,
    )
    from metalor_lang.runtime.request import StepStatus
    from metalor_lang.source import Position, SourceFile, Span
    from metalor_lang.syntax.parser import parse

__version__ = "0.1.0"

_PUBLIC = {
    "SignificantLine": "primitives",
    "significant_lines": "primitives",
    "valid_identifier": "primitives",
    "parse_exec_array": "primitives",
    "interpolate_braced_variables": "primitives",
    "PrimitiveError": "primitives",
    "RUN_HELPER_DIR": "isolated.model",
    "helper_binary_path": "isolated.model",
    "BindMount": "isolated.model",
    "ContainerRunCommand": "isolated.model",
    "ReexecCommand": "isolated.model",
    "prepare_oci_rootfs": "isolated.image",
    "prepare_runtime_emulator": "isolated.emulator",
    "build_unshare_reexec_command": "isolated.reexec",
    "parse_reexec_arguments": "isolated.reexec",
    "run_isolated_container_command": "isolated.run",
    "StepStatus": "runtime.request",
    "CommandRefused": "isolated.errors",
    "PathRefused": "isolated.errors",
    "NotIsolated": "isolated.errors",
    "UnsupportedArchitecture": "isolated.errors",
    "EmulatorMissing": "isolated.errors",
    "MetalorError": "errors",
    "MachineError": "errors",
    "UsageError": "errors",
    "SourceFile": "source",
    "Position": "source",
    "Span": "source",
    "Diagnostic": "diagnostics.model",
    "parse": "syntax.parser",
    "check": "checker.checker",
    "evaluate": "plan.evaluator",
}

__all__ = [
    "RUN_HELPER_DIR",
    "BindMount",
    "CommandRefused",
    "ContainerRunCommand",
    "Diagnostic",
    "EmulatorMissing",
    "MachineError",
    "MetalorError",
    "NotIsolated",
    "PathRefused",
    "Position",
    "PrimitiveError",
    "ReexecCommand",
    "SignificantLine",
    "SourceFile",
    "Span",
    "StepStatus",
    "UnsupportedArchitecture",
    "UsageError",
    "__version__",
    "build_unshare_reexec_command",
    "check",
    "evaluate",
    "helper_binary_path",
    "interpolate_braced_variables",
    "parse",
    "parse_exec_array",
    "parse_reexec_arguments",
    "prepare_oci_rootfs",
    "prepare_runtime_emulator",
    "run_isolated_container_command",
    "significant_lines",
    "valid_identifier",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{module}"), name)
