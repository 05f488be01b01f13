"""metalor: build recipes as a language, and the parser and runtime primitives it is built on.

The public names are loaded on first use, so that a helper process that needs one module pays for one module.
"""

from importlib import import_module
from typing import Final

__version__ = "0.1.0"

_PUBLIC: Final = {
    "SignificantLine": "primitives",
    "significant_lines": "primitives",
    "valid_identifier": "primitives",
    "parse_exec_array": "primitives",
    "interpolate_braced_variables": "primitives",
    "SourceFile": "source",
    "Position": "source",
    "Span": "source",
    "Diagnostic": "diagnostics.model",
    "parse": "syntax.parser",
    "check": "checker.checker",
    "evaluate": "plan.evaluator",
    "build": "build.builder",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> object:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
