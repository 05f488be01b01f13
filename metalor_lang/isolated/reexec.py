"""The outer command: `unshare … EXE SUBCOMMAND --root …`, and how the private subcommand reads it back.

Invariant: `parse_reexec_arguments` gives back the request that `build_unshare_reexec_command` was given, with the
canonical root; nothing has been made when either raises.
"""

import os
from collections.abc import Sequence

from metalor_lang.hints import Final
from metalor_lang.isolated import sentinel
from metalor_lang.isolated.errors import CommandRefused
from metalor_lang.isolated.model import (
    PREFIX_VARIABLE,
    PRIVATE_VARIABLE,
    BindMount,
    ContainerRunCommand,
    HostPath,
    ReexecCommand,
)
from metalor_lang.isolated.places import Prefix, inspect, make_directory, require_absent_or
from metalor_lang.isolated.targets import refuse_links
from metalor_lang.isolated.validate import validate_command
from metalor_lang.kernel.process import ToolMissing, find_tool
from metalor_lang.runtime import subids

UNSHARE: Final = "unshare"
NAMESPACES: Final = ("--fork", "--pid", "--mount", "--uts", "--ipc", "--")
AS_USER: Final = ("--map-root-user", "--map-auto")
"""What an ordinary user's command has besides: a user namespace in which he is the superuser and has his sub-ids."""
_MODES: Final = {"ro": True, "rw": False}


def build_unshare_reexec_command(
    current_exe: HostPath | Sequence[HostPath],
    subcommand: str,
    runtime_root_prefix: HostPath,
    command: ContainerRunCommand,
) -> ReexecCommand:
    """Check the request, prepare its root, write the root's sentinel, and give the command that runs it.

    Args:
        current_exe: the caller's own program; several words where it is started by an interpreter, for example
            `(sys.executable, "-m", "tool")`.
        subcommand: the caller's private subcommand, which gives its arguments to `parse_reexec_arguments`.
        runtime_root_prefix: an existing directory that all roots lie below; never `/`.
        command: what to run; its root is made when missing.

    Raises:
        CommandRefused: the request is wrong as data.
        PathRefused: the root or the sentinel would leave the prefix, or a place in the root is reached by a link.
        ToolMissing: there is no unshare.
        MachineError: an ordinary user has no subordinate ids; the help has the commands to run.

    """
    program = _program(current_exe)
    if not subcommand or "\0" in subcommand:
        raise CommandRefused(f"the private subcommand must be a word: {subcommand!r}", help="for example internal-run")
    validate_command(command)
    what = "container root"
    with Prefix(runtime_root_prefix) as prefix:
        root = prefix.below(command.root, what)
        require_absent_or("directory", prefix.fd, root, what, prefix.path)
        sentinel.refuse_planted(prefix, root)
        shown = f"{prefix.path}/{root}"
        there = inspect(prefix.fd, root, what, prefix.path)
        if there is not None:
            try:
                refuse_links(there, shown, command)
            finally:
                os.close(there)
        unshare = _unshare()
        root_fd = make_directory(prefix.fd, root, what, prefix.path)
        try:
            sentinel.write(prefix, root, root_fd)
        finally:
            os.close(root_fd)
        env = ((PRIVATE_VARIABLE, "1"), (PREFIX_VARIABLE, prefix.path))
        return ReexecCommand(argv=(*unshare, *program, subcommand, *_arguments(shown, command)), env=env)


def _unshare() -> tuple[str, ...]:
    if find_tool(UNSHARE) is None:
        raise ToolMissing("the program unshare is not installed", help="install it: apt-get install util-linux")
    if os.geteuid() == 0:
        return (UNSHARE, *NAMESPACES)
    subids.find()
    return (UNSHARE, *AS_USER, *NAMESPACES)


def _program(current_exe: HostPath | Sequence[HostPath]) -> tuple[str, ...]:
    given = (current_exe,) if isinstance(current_exe, str | os.PathLike) else current_exe
    words = tuple(os.fspath(word) for word in given)
    if not words or not words[0] or any("\0" in word for word in words):
        raise CommandRefused(f"the program for the re-exec is wrong: {words!r}", help="for example sys.argv[0]")
    return words


def _arguments(root: str, command: ContainerRunCommand) -> list[str]:
    words = ["--root", root, "--cwd", command.cwd]
    for mount in command.mounts:
        words += ["--mount-source", os.fspath(mount.source), "--mount-dest", mount.destination]
        words += ["--mount-mode", "ro" if mount.read_only else "rw"]
    for name, value in command.env:
        words += ["--env", f"{name}={value}"]
    if command.emulator is not None:
        words += ["--emulator", command.emulator]
    return [*words, "--executable", command.executable, *command.argv]


def parse_reexec_arguments(words: Sequence[str]) -> ContainerRunCommand:
    """Read the arguments of the private subcommand back, for example `sys.argv[2:]`.

    Raises:
        CommandRefused: they are not what `build_unshare_reexec_command` wrote.

    """
    single: dict[str, str] = {}
    env: list[tuple[str, str]] = []
    mounts: list[BindMount] = []
    source: str | None = None
    destination: str | None = None
    at = 0
    while "--executable" not in single:
        flag, value = _pair(words, at)
        at += 2
        match flag:
            case "--root" | "--cwd" | "--emulator" | "--executable" if flag not in single:
                single[flag] = value
            case "--mount-source" if source is None:
                source = value
            case "--mount-dest" if source is not None and destination is None:
                destination = value
            case "--mount-mode" if source is not None and destination is not None and value in _MODES:
                mounts.append(BindMount(source=source, destination=destination, read_only=_MODES[value]))
                source = destination = None
            case "--env" if "=" in value:
                name, _, text = value.partition("=")
                env.append((name, text))
            case _:
                raise CommandRefused(f"the private subcommand was given {flag} {value!r} out of place", help=_HELP)
    if source is not None or "--root" not in single or "--cwd" not in single:
        raise CommandRefused("the private subcommand was not given a whole request", help=_HELP)
    return ContainerRunCommand(
        root=single["--root"],
        cwd=single["--cwd"],
        mounts=tuple(mounts),
        env=tuple(env),
        emulator=single.get("--emulator"),
        executable=single["--executable"],
        argv=tuple(words[at:]),
    )


_HELP: Final = "it is started by the command that build_unshare_reexec_command() gives, and by nothing else"


def _pair(words: Sequence[str], at: int) -> tuple[str, str]:
    if at + 1 >= len(words):
        raise CommandRefused(
            f"the private subcommand's arguments end too early: {list(words[at:])} is no flag with a value", help=_HELP
        )
    return words[at], words[at + 1]
