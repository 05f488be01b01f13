"""Run tools of the machine (skopeo, umoci) to their end; the only module that uses subprocess.

Invariant: a command is a list of words, never shell text; a tool dies with the builder; a failed command is shown so
that it can be pasted back.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.record import dataclass

# The tools this project calls, and the Debian package that has each.
PACKAGES: Mapping[str, str] = {
    "skopeo": "skopeo",
    "umoci": "umoci",
    "git": "git",
    "newuidmap": "uidmap",
    "newgidmap": "uidmap",
    "unshare": "util-linux",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-riscv64-static": "qemu-user-static",
    "qemu-x86_64-static": "qemu-user-static",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedTool:
    """What a tool that ended with status 0 wrote."""

    stdout: bytes
    stderr: bytes
    status: int


class ToolMissing(MachineError):
    """A tool is not installed."""


class ToolFailed(MetalorError):
    """A tool ended with another status than 0, was killed, or took too long."""

    def __init__(self, message: str, *, argv: Sequence[str], status: int | None, stderr: bytes, help: str = "") -> None:
        super().__init__(message, help=help)
        self.argv = tuple(argv)
        self.status = status
        self.stderr = stderr


def find_tool(name: str) -> Path | None:
    """Find the program `name` in PATH, or None."""
    found = shutil.which(name)
    return Path(found) if found else None


def require_tool(name: str) -> str:
    """The path of the program `name`; raises ToolMissing, which says what to install."""
    found = shutil.which(name)
    if found:
        return found
    package = PACKAGES.get(name, name)
    raise ToolMissing(f"the program {name} is not installed", help=f"install it: apt-get install {package}")


def _with_death_signal(argv: Sequence[str]) -> list[str]:
    """Let the kernel kill the tool when the thread that started it dies (a SIGKILLed builder cannot do it)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else list(argv)


def _describe(argv: Sequence[str], status: int, stderr: bytes) -> str:
    ended = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    last = stderr.decode("utf-8", "replace").strip().splitlines()[-8:]
    said = "".join(f"\n  {line}" for line in last)
    return f"{argv[0]} {ended}: {shlex.join(argv)}{said}"


def run_tool(
    argv: Sequence[str],
    *,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
) -> CompletedTool:
    """Run a tool to its end and give what it wrote.

    Args:
        argv: the command; its first word is looked up in PATH.
        input: bytes for standard input (else it is empty).
        env: the whole environment (else ours).
        cwd: working directory (else ours).
        timeout: seconds.

    Raises:
        ToolMissing: the program is not installed; names the Debian package.
        ToolFailed: another status than 0, a signal or the timeout.

    """
    program = require_tool(argv[0])
    try:
        done = subprocess.run(
            _with_death_signal([program, *argv[1:]]),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            env=None if env is None else dict(env),
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(
            f"{argv[0]} did not end within {timeout:g} seconds: {shlex.join(argv)}",
            argv=argv, status=None, stderr=error.stderr or b"",
        ) from None  # fmt: skip
    if done.returncode:
        raise ToolFailed(
            _describe(argv, done.returncode, done.stderr), argv=argv, status=done.returncode, stderr=done.stderr
        )
    return CompletedTool(stdout=done.stdout, stderr=done.stderr, status=0)


def run_attached(argv: Sequence[str], *, user: tuple[int, int] | None = None) -> int:
    """Run a program that talks to the person at our terminal, such as an editor; give its status (128 + a signal).

    Args:
        argv: the command; its first word is looked up in PATH.
        user: (uid, gid) that it runs as; None for ours.

    Raises:
        ToolMissing: the program is not installed.

    """
    program = require_tool(argv[0])
    ids = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": ()}
    status = subprocess.run([program, *argv[1:]], check=False, **ids).returncode  # type: ignore[call-overload]
    return int(status) if status >= 0 else 128 - int(status)
