"""Check a step request as pure data, before anything is opened.

Invariant: a request that passes cannot be misread by the kernel: no NUL, no relative or unnormalised path, no
variable name with `=`, no mount on a place the runtime itself provides.
"""

import math
import re
from collections.abc import Iterable

from metalor_lang.errors import MetalorError
from metalor_lang.runtime.request import BindSpec, FileSpec, Mount, Network, StepRequest, TmpfsSpec

MAX_ID = 2**32 - 2  # 2**32 - 1 means "leave as it is" to chown(2) and setresuid(2)
MAX_MOUNTS = 200  # one message carries at most 253 descriptors (unix(7), SCM_MAX_FD)
LEAST_MEMORY = 8 << 20  # below that not even our own part of the step fits
MAX_WORD = 131072 - 1  # MAX_ARG_STRLEN: 32 pages with the NUL, execve(2)
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?\Z")
_OURS = ("/", "/dev", "/proc", "/sys")
_OURS_BELOW = ("/proc/", "/sys/", "/dev/pts/", "/dev/fd/")


class InvalidRequest(MetalorError):
    """A step request that no runtime may run; the message names the field."""


def _refuse(field: str, value: object, reason: str, help: str = "") -> InvalidRequest:
    shown = repr(value)
    return InvalidRequest(f"{field}: {shown if len(shown) < 200 else shown[:200] + '…'} {reason}", help=help)


def _no_nul(field: str, value: str) -> None:
    if "\0" in value:
        raise _refuse(field, value, "contains a NUL character")


def _path(field: str, value: str) -> None:
    _no_nul(field, value)
    if not value.startswith("/"):
        raise _refuse(field, value, "is not absolute", "write it from the root, for example /src")
    parts = value.split("/")[1:]
    if value != "/" and any(part in ("", ".", "..") for part in parts):
        raise _refuse(field, value, "has empty, `.` or `..` components", "write it without them, for example /src/app")
    if len(value.encode("utf-8", "surrogateescape")) > 4095:
        raise _refuse(field, value, "is longer than 4095 bytes")


def _id(field: str, value: int) -> None:
    if not 0 <= value <= MAX_ID:
        raise _refuse(field, value, f"is not a number from 0 to {MAX_ID}")


def _owner(field: str, spec: TmpfsSpec | FileSpec) -> None:
    _id(f"{field}.uid", spec.uid)
    _id(f"{field}.gid", spec.gid)
    if not 0 <= spec.mode <= 0o7777:
        raise _refuse(f"{field}.mode", oct(spec.mode), "is not a permission from 0 to 0o7777")


def _mount(field: str, spec: Mount) -> None:
    _path(f"{field}.target", spec.target)
    if spec.target in _OURS or spec.target.startswith(_OURS_BELOW):
        raise _refuse(
            f"{field}.target", spec.target, "is a place that every step is given by itself", "choose another path"
        )
    match spec:
        case BindSpec():
            if isinstance(spec.source, str):
                _path(f"{field}.source", spec.source)
            elif isinstance(spec.source, int) and spec.source < 0:
                raise _refuse(f"{field}.source", spec.source, "is not an open descriptor")
            _no_nul(f"{field}.subpath", spec.subpath)
        case TmpfsSpec():
            _owner(field, spec)
            if spec.size < 0:
                raise _refuse(f"{field}.size", spec.size, "is negative")
        case FileSpec():
            _owner(field, spec)


def _environment(pairs: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for name, value in pairs:
        if not name or "=" in name:
            raise _refuse("env", name, "is not a variable name")
        if name in seen:
            raise _refuse("env", name, "is given twice")
        seen.add(name)
        _no_nul("env", name)
        _no_nul(f"env {name}", value)
        if len(f"{name}={value}".encode("utf-8", "surrogateescape")) > MAX_WORD:
            raise _refuse("env", name, f"has a value that is longer than {MAX_WORD} bytes; the kernel takes no more")


def _seconds(field: str, value: float) -> None:
    if not math.isfinite(value) or value < 0:
        raise _refuse(field, value, "is not a number of seconds")


def validate(request: StepRequest) -> None:
    """Check the whole request.

    Raises:
        InvalidRequest: the first field that is wrong, with the reason.

    """
    if not request.argv or not request.argv[0]:
        raise _refuse("argv", request.argv, "names no command")
    for number, word in enumerate(request.argv):
        _no_nul(f"argv[{number}]", word)
        if len(word.encode("utf-8", "surrogateescape")) > MAX_WORD:
            raise _refuse(
                f"argv[{number}]", word, f"is longer than {MAX_WORD} bytes; the kernel takes no more",
                "put the text into a file with FILE and run that",
            )  # fmt: skip
    _environment(request.env)
    _path("cwd", request.cwd)
    _id("uid", request.uid)
    _id("gid", request.gid)
    for group in request.groups:
        _id("groups", group)
    if request.network not in tuple(Network):
        raise _refuse("network", request.network, "is neither `host` nor `none`")
    if request.timeout is not None:
        _seconds("timeout", request.timeout)
    _seconds("grace", request.grace)
    if not _HOSTNAME.match(request.hostname):
        raise _refuse("hostname", request.hostname, "is not a host name", "letters, digits, `-` and `.`, at most 64")
    if request.limits.memory is not None and request.limits.memory < LEAST_MEMORY:
        raise _refuse("limits.memory", request.limits.memory, f"is less than {LEAST_MEMORY} bytes")
    if request.limits.processes is not None and request.limits.processes < 1:
        raise _refuse("limits.processes", request.limits.processes, "is less than one process")
    if request.pipefail and "-c" not in request.argv[1:-1]:
        raise _refuse("pipefail", request.argv, "is not a shell command of the form SHELL … -c TEXT")
    if len(request.mounts) > MAX_MOUNTS:
        raise _refuse("mounts", len(request.mounts), f"are more than {MAX_MOUNTS}")
    targets: set[str] = set()
    for number, spec in enumerate(request.mounts):
        _mount(f"mounts[{number}]", spec)
        if spec.target in targets:
            raise _refuse(f"mounts[{number}].target", spec.target, "is used by an earlier mount")
        targets.add(spec.target)
