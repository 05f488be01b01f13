"""A caller of the isolated API with a private subcommand, and trees compared before and after."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metalor_lang import BindMount, ContainerRunCommand, ReexecCommand, build_unshare_reexec_command

CALLER = """\
import sys
from metalor_lang import MetalorError, parse_reexec_arguments, run_isolated_container_command

try:
    status = run_isolated_container_command(parse_reexec_arguments(sys.argv[2:]))
except MetalorError as refused:
    sys.exit(f"{type(refused).__name__}: {refused.message}")
if status.message:
    print(status.message, file=sys.stderr)
sys.exit(status.code)
"""
ENV = (("PATH", "/bin"),)


def snapshot(path: Path) -> list[tuple[str, int]]:
    """Every path below, with its modification time."""
    return sorted((str(one), one.lstat().st_mtime_ns) for one in (path, *path.rglob("*")))


class Caller:
    """A program with the private subcommand `internal-run`, and a prefix with its root."""

    def __init__(self, prefix: Path, root: Path, program: Path) -> None:
        self.prefix = prefix
        self.root = root
        self.program = program
        program.write_text(CALLER)

    def command(
        self,
        *argv: str,
        mounts: Sequence[BindMount] = (),
        env: Sequence[tuple[str, str]] = ENV,
        cwd: str = "/",
        emulator: str | None = None,
    ) -> ContainerRunCommand:
        return ContainerRunCommand(self.root, cwd, mounts, env, emulator, argv[0], argv[1:])

    def made(self, command: ContainerRunCommand) -> ReexecCommand:
        words = (sys.executable, str(self.program))
        return build_unshare_reexec_command(words, "internal-run", self.prefix, command)

    def run(self, *argv: str, **fields: Any) -> subprocess.CompletedProcess[str]:
        return self.start(self.made(self.command(*argv, **fields)))

    def sh(self, text: str, **fields: Any) -> subprocess.CompletedProcess[str]:
        return self.run("/bin/sh", "-c", text, **fields)

    @staticmethod
    def start(
        made: ReexecCommand, argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None, input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv or made.argv,
            env=made.environment() if env is None else {**os.environ, **env},
            input=input,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
