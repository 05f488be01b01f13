"""Let this process, and what it starts, run programs of the architecture that a staged emulator is for.

Invariant: the kernel's rule lives in a user namespace of our own, in which every id is what it was; the machine never
knows of it, and it is gone with this process.
"""

import contextlib
import os
from collections.abc import Iterator

from metalor_lang.errors import MachineError
from metalor_lang.hints import Final
from metalor_lang.isolated.architectures import by_emulator
from metalor_lang.isolated.errors import PathRefused
from metalor_lang.isolated.paths import absolute
from metalor_lang.isolated.places import inspect
from metalor_lang.kernel import syscalls, userns
from metalor_lang.runtime import emulation

_WHAT: Final = "runtime helper path"
_STAGE: Final = "stage it with prepare_runtime_emulator()"
_MAPS: Final = ("uid_map", "gid_map")


def enter() -> None:
    """Move this process into a user and a mount namespace of its own; what was opened before cannot be mounted there.

    Raises:
        MachineError: this machine allows no user namespace.

    """
    # /proc is still that of the outer pid namespace, which counts this process in its own way (proc_pid(5)).
    number = int(os.readlink("/proc/self"))
    maps = {name: _same_ids(name) for name in _MAPS}

    def write(pid: int) -> None:
        for name, text in maps.items():
            # At once, and not through a buffer: a map is set by one write (user_namespaces(7)).
            fd = os.open(f"/proc/{number}/{name}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, text)
            finally:
                os.close(fd)

    try:
        userns.enter(syscalls.CLONE_NEWNS, write)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    except OSError as error:
        raise MachineError(
            f"programs of another architecture need a user namespace, and there is none: {error.strerror}",
            help="allow them: sysctl user.max_user_namespaces=1000",
        ) from None


def _same_ids(name: str) -> bytes:
    """The map in which every id that this process knows is what it was."""
    with open(f"/proc/self/{name}", encoding="ascii") as file:
        rows = [tuple(int(word) for word in line.split()) for line in file]
    return userns.map_text(tuple((inside, inside, count) for inside, _, count in rows))


@contextlib.contextmanager
def rule(root_fd: int, emulator: str, outside: tuple[int, int]) -> Iterator[None]:
    """Meanwhile the kernel runs programs of the emulator's architecture with it.

    Args:
        root_fd: the root, opened after `enter`.
        emulator: path in the root, as `prepare_runtime_emulator` gave it.
        outside: `emulation.user_namespace()` from before `enter`.

    Raises:
        PathRefused: the emulator is not in the root.
        MachineError: the kernel cannot do it, or the emulator cannot be run.

    """
    path = absolute(emulator, "container emulator")
    helpers, name = os.path.split(path)
    folder = inspect(root_fd, helpers.lstrip("/"), _WHAT, "")
    if folder is None:
        raise PathRefused(f"{_WHAT} {path} does not exist", help=_STAGE)
    try:
        held = emulation.take(f"/proc/self/fd/{folder}/{name}")
    except FileNotFoundError:
        raise PathRefused(f"{_WHAT} {path} does not exist", help=_STAGE) from None
    except OSError as error:
        raise MachineError(f"{_WHAT} {path} cannot be used: {error.strerror}", help=_STAGE) from None
    finally:
        os.close(folder)
    try:
        instance = emulation.register(by_emulator(name).oci, held, outside)
    except emulation.NoEmulator as error:
        raise MachineError(error.message, help=error.help) from None
    finally:
        os.close(held)
    try:
        yield
    finally:
        os.close(instance)
