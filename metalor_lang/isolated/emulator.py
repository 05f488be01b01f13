"""Put the program that runs another architecture's programs into a root.

Invariant: it appears whole under `/.metalor-run`, with the mode it has here; no link in the root is followed.
"""

import contextlib
import os
import stat

from metalor_lang.hints import Final
from metalor_lang.isolated.architectures import architecture
from metalor_lang.isolated.errors import EmulatorMissing, PathRefused
from metalor_lang.isolated.model import RUN_HELPER_DIR, HostPath, helper_binary_path
from metalor_lang.isolated.paths import absolute
from metalor_lang.isolated.places import filesystem_root, make_directory, require_absent_or
from metalor_lang.kernel.paths import copy_file_contents
from metalor_lang.kernel.process import find_tool

_ROOT: Final = "runtime root for emulator staging"
_WHAT: Final = "runtime helper path"


def prepare_runtime_emulator(runtime_root: HostPath, host_arch: str, guest_arch: str) -> str | None:
    """Stage the emulator that `guest_arch` programs need on `host_arch`.

    Args:
        runtime_root: absolute path of the root on this machine, without links; made when missing; never `/`.
        host_arch: this machine's: `x86_64` or `amd64`, `aarch64` or `arm64`, `riscv64`.
        guest_arch: the programs', by the same names.

    Returns:
        its path in the root, for `ContainerRunCommand.emulator`; None when the architectures are the same.

    Raises:
        UnsupportedArchitecture: a name is none of these.
        CommandRefused: the root is no absolute path.
        PathRefused: the root is `/`, or a link or something else is in the way.
        EmulatorMissing: the emulator is not in PATH.

    """
    host, guest = architecture(host_arch), architecture(guest_arch)
    if host == guest:
        return None
    root = absolute(runtime_root, _ROOT)
    if root == "/":
        raise PathRefused(f"{_ROOT} must not be /", help="name the root that the programs lie in")
    found = find_tool(guest.emulator)
    if found is None:
        raise EmulatorMissing(
            f"running {guest.machine} programs on {host.machine} needs {guest.emulator} in PATH",
            help="install it: apt-get install qemu-user-static",
        )
    inside = helper_binary_path(guest.emulator)
    helpers = RUN_HELPER_DIR.lstrip("/")
    with filesystem_root() as top:
        relative = root.lstrip("/")
        require_absent_or("directory", top, f"{relative}/{helpers}", _WHAT, "/")
        require_absent_or("file", top, relative + inside, _WHAT, "/")
        folder = make_directory(top, f"{relative}/{helpers}", _WHAT, "/")
    try:
        _stage(os.path.realpath(found), folder, guest.emulator)
    except OSError as error:
        raise PathRefused(f"{found} cannot be copied to {root}{inside}: {error.strerror}") from None
    finally:
        os.close(folder)
    return inside


def _stage(program: str, folder: int, name: str) -> None:
    """Copy the program into the directory; a running one is replaced, not overwritten."""
    source = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
    temporary = f".{name}-{os.urandom(6).hex()}"
    try:
        target = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            copy_file_contents(source, target)
            os.fchmod(target, stat.S_IMODE(os.fstat(source).st_mode))
        finally:
            os.close(target)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(source)
