"""What a caller says: a command in a root, its mounts, and the outer command that starts it.

Invariant: pure data; sequences become tuples, so that equal requests are equal and hashable. The names, the order of
the fields and their meaning are the reference's.
"""

import os
from collections.abc import Mapping, Sequence

from metalor_lang.hints import Final
from metalor_lang.isolated.errors import CommandRefused
from metalor_lang.record import dataclass

RUN_HELPER_DIR: Final = "/.metalor-run"
"""The directory in a root that holds helpers such as emulators."""

PRIVATE_VARIABLE: Final = "METALOR_PRIVATE_NS"
"""Set to 1 for the process that runs in private namespaces."""

PREFIX_VARIABLE: Final = "METALOR_RUNTIME_ROOT_PREFIX"
"""The prefix that the root was prepared under."""

HostPath = str | os.PathLike[str]


def helper_binary_path(name: str) -> str:
    """The path in a root of the helper program `name`: `helper_binary_path("x")` is `/.metalor-run/x`."""
    return f"{RUN_HELPER_DIR}/{name}"


@dataclass(frozen=True, slots=True)
class BindMount:
    """A file or directory of this machine shown in the root.

    Args:
        source: absolute path on this machine, without `..`; its links are followed.
        destination: absolute path in the root, without `..` and without links.
        read_only: nothing below can be written.

    """

    source: HostPath
    destination: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class ContainerRunCommand:
    """One command in one root.

    Args:
        root: absolute path of the root on this machine, below the prefix.
        cwd: absolute path of a directory in the root.
        mounts: shown in the root; each wins over what is given automatically at the same place.
        env: the whole environment as (name, value) pairs; the last of a name counts. `PATH` must be passed too.
        emulator: path in the root as `prepare_runtime_emulator` gave it, or None.
        executable: absolute path in the root, or a bare name that is searched in `PATH` of `env`.
        argv: the arguments, without the program's own name.

    Raises:
        CommandRefused: the arguments are one text, or the environment is a mapping.

    """

    root: HostPath
    cwd: str
    mounts: Sequence[BindMount]
    env: Sequence[tuple[str, str]]
    emulator: str | None
    executable: str
    argv: Sequence[str] = ()

    def __post_init__(self) -> None:
        if isinstance(self.argv, str):
            raise CommandRefused(
                f"container arguments are words, not one text: {self.argv!r}", help='argv=["-c", "echo hello"]'
            )
        if isinstance(self.env, Mapping):
            raise CommandRefused("container environment is pairs, not a mapping", help="env=list(variables.items())")
        object.__setattr__(self, "mounts", tuple(self.mounts))
        object.__setattr__(self, "env", tuple((name, value) for name, value in self.env))
        object.__setattr__(self, "argv", tuple(self.argv))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReexecCommand:
    """The outer command: run it as `subprocess.run(made.argv, env=made.environment())`.

    Args:
        argv: the command, beginning with `unshare`.
        env: the variables that must be set for it, on top of the caller's.

    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment: `base` (by default this process's own) with `env` on top."""
        return {**(os.environ if base is None else base), **dict(self.env)}
