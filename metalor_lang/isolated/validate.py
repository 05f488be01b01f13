"""Check a container command as pure data, before the re-exec and again inside it.

Invariant: what passes can neither name a place outside the root nor be read by the kernel as something else.
"""

from metalor_lang.hints import Final
from metalor_lang.isolated.architectures import by_emulator
from metalor_lang.isolated.errors import CommandRefused
from metalor_lang.isolated.model import RUN_HELPER_DIR, ContainerRunCommand
from metalor_lang.isolated.paths import absolute, covers

_GIVEN: Final = ("/", "/dev", "/proc", "/sys")
_GIVEN_BELOW: Final = ("/proc", "/sys", "/dev/pts", "/dev/fd")


def validate_command(command: ContainerRunCommand) -> None:
    """Check the whole command but for its root, which needs the prefix.

    Raises:
        CommandRefused: the first field that is wrong, with the reason.
        UnsupportedArchitecture: the emulator's name is none that we know.

    """
    if absolute(command.root, "container root") == "/":
        raise CommandRefused("container root must not be /", help="name a directory below the runtime root prefix")
    absolute(command.cwd, "container cwd")
    _executable(command.executable)
    for number, word in enumerate(command.argv):
        if "\0" in word:
            raise CommandRefused(f"container argument {number} must not contain NUL characters: {word!r}")
    _environment(command)
    if command.emulator is not None:
        _emulator(command.emulator)
    _mounts(command)


def _executable(executable: str) -> None:
    what = "container executable"
    if executable.startswith("/"):
        if absolute(executable, what) == "/":
            raise CommandRefused(f"{what} must name a program: {executable!r}", help="for example /bin/sh")
        return
    if ".." in executable.split("/"):
        raise CommandRefused(f"{what} must not contain '..': {executable!r}", help="for example /bin/sh or sh")
    if "\0" in executable:
        raise CommandRefused(f"{what} must not contain NUL characters: {executable!r}")
    if "/" in executable or executable in ("", "."):
        raise CommandRefused(
            f"{what} must be absolute or a bare command name: {executable!r}", help="for example /bin/sh or sh"
        )


def _emulator(emulator: str) -> None:
    path = absolute(emulator, "container emulator")
    if not path.startswith(f"{RUN_HELPER_DIR}/"):
        raise CommandRefused(
            f"container emulator must live under {RUN_HELPER_DIR}: {emulator!r}",
            help="use the path that prepare_runtime_emulator() gives",
        )
    by_emulator(path.removeprefix(f"{RUN_HELPER_DIR}/"))


def _environment(command: ContainerRunCommand) -> None:
    what = "container environment"
    for name, value in command.env:
        if not name:
            raise CommandRefused(f"{what} keys must not be empty (the value is {value!r})", help='("PATH", "/bin")')
        if "=" in name:
            raise CommandRefused(f"{what} keys must not contain '=': {name!r}", help='("NAME", "value=with=signs")')
        if "\0" in name:
            raise CommandRefused(f"{what} keys must not contain NUL characters: {name!r}")
        if "\0" in value:
            raise CommandRefused(f"{what} values must not contain NUL characters: {name!r}")


def _mounts(command: ContainerRunCommand) -> None:
    seen: set[str] = set()
    for mount in command.mounts:
        absolute(mount.source, "bind mount source")
        destination = absolute(mount.destination, "container mount destination")
        if destination in _GIVEN or any(covers(place, destination) for place in _GIVEN_BELOW):
            raise CommandRefused(
                f"container mount destination {destination} is a place that every command is given by itself",
                help="mount single files such as /dev/null, or choose another directory",
            )
        if destination in seen:
            raise CommandRefused(
                f"container mount destination {destination} is used twice", help="leave one of the mounts out"
            )
        seen.add(destination)
