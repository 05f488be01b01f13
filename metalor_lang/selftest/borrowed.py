"""Run the machine's own Python and programs in an empty root: what a step must be shown for it, read-only.

Invariant: nothing is copied, and no directory is shown that holds more than programs and libraries: the system's own
(`/usr`, `/lib*`, `/bin`, `/nix/store` …), that of this interpreter, or the single directory of a library elsewhere.
"""

import os
import stat
import sys
import sysconfig
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from metalor_lang.errors import MachineError
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.process import find_tool
from metalor_lang.runtime.request import BindSpec, FileSpec, Mount

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
_CODE: Final = "/metalor"
_MODULES: Final = ("__init__", "calls", "acts", "attempts", "facts", "main")

PYTHON_ARGUMENTS: Final = (
    "-I",
    "-S",
    "-B",
    "-c",
    f"import sys; sys.path.insert(0, {_CODE!r}); from metalor_lang.selftest.inside.main import main; main()",
)


def python() -> str:
    """The interpreter itself, not the link in a virtual environment."""
    return os.path.realpath(sys.executable)


def program(name: str) -> str:
    """A program of the machine.

    Raises:
        MachineError: it is not there.

    """
    found = find_tool(name)
    if found is None:
        raise MachineError(f"the program {name} is not installed", help="it is in the package coreutils or busybox")
    return str(found)


def _mapped() -> set[str]:
    """The files of which this process is made: interpreter, loader, libraries (proc_pid_maps(5))."""
    lines = Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines()
    paths = {fields[5] for fields in (line.split(maxsplit=5) for line in lines) if len(fields) == 6}
    return {path for path in paths if path.startswith("/") and os.path.isfile(path)}


def directories(needed: Iterable[str], own: str, system: Iterable[str] = _SYSTEM) -> tuple[str, ...]:
    """The fewest directories that hold all files needed.

    Args:
        needed: absolute paths.
        own: where this interpreter is installed (`sys.base_prefix`).
        system: directories that hold nothing but programs.

    """
    known = [path for path in (*system, own) if path != "/"]
    found = {
        next((folder for folder in known if path == folder or path.startswith(f"{folder}/")), os.path.dirname(path))
        for path in needed
    }
    return tuple(sorted(one for one in found if not any(one.startswith(f"{other}/") for other in found)))


def mounts() -> tuple[Mount, ...]:
    """What a step needs that runs `python()` with PYTHON_ARGUMENTS, or a program of the system."""
    import _ctypes  # noqa: F401, RUF100  (its libraries are needed inside)
    import _socket  # noqa: F401, RUF100

    library = sysconfig.get_path("stdlib")
    needed = {*_mapped(), python(), library, *(path for path in _SYSTEM if os.path.isdir(path))}
    shown = directories(needed, os.path.realpath(sys.base_prefix))
    code = resources.files("metalor_lang.selftest.inside")
    files = {f"{_CODE}/metalor_lang/__init__.py": b"", f"{_CODE}/metalor_lang/selftest/__init__.py": b""}
    for name in _MODULES:
        files[f"{_CODE}/metalor_lang/selftest/inside/{name}.py"] = (code / f"{name}.py").read_bytes()
    return (
        *(BindSpec(target=path, source=path) for path in shown if not os.path.islink(path)),
        *(FileSpec(target=path, content=content, mode=0o444) for path, content in files.items()),
    )


def furnish(root: Root) -> None:
    """Make in an empty root what mounts cannot give: the system's own links (`/lib` to `usr/lib`), and /tmp."""
    os.mkdir("tmp", 0o1777, dir_fd=root.fd)
    for path in _SYSTEM:
        if os.path.islink(path) and stat.S_ISDIR(os.stat(path).st_mode):
            os.symlink(os.readlink(path), path[1:], dir_fd=root.fd)
