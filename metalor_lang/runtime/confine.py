"""Turn a forked process into the step's command: identity, capabilities, limits, filter, exec.

Invariant: whatever fails before the exec is told over the error pipe as a status and a sentence; nothing of ours
(descriptors, signals, capabilities, environment) reaches the command. Lean: imported by the helper.
"""

import errno
import fcntl
import os
import resource
import termios

from metalor_lang.kernel import seccomp, syscalls
from metalor_lang.runtime import protocol
from metalor_lang.runtime.plain import signal
from metalor_lang.runtime.protocol import Order

# Numbers of capabilities(7): what package installation needs, and nothing that reaches the machine.
CAPABILITIES = {
    "CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_FSETID": 4, "CAP_KILL": 5, "CAP_SETGID": 6,
    "CAP_SETUID": 7, "CAP_SETPCAP": 8, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_CHROOT": 18, "CAP_AUDIT_WRITE": 29,
    "CAP_SETFCAP": 31,
}  # fmt: skip
KEPT = frozenset(CAPABILITIES.values())
MASK = sum(1 << number for number in KEPT)
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Signals that the helper or a step's init treats in a way of its own.
HANDLED = (signal.SIGCHLD, signal.SIGINT)
_FILTER = seccomp.program()
_LIMITS = (
    (resource.RLIMIT_CORE, 0, 0),
    (resource.RLIMIT_NOFILE, 1024, 524288),
    (resource.RLIMIT_STACK, 8 << 20, resource.RLIM_INFINITY),
)


class Failed(Exception):
    """The command cannot start; `code` is the step's status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def prepare() -> None:
    """Do once in the helper what every command inherits: default signals and limits."""
    for number in range(1, signal.NSIG):  # not signal.valid_signals(): the C library's own two are missing there
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            syscalls.set_disposition(number)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for name, soft, hard in _LIMITS:
        _, most = resource.getrlimit(name)
        top = hard if most == resource.RLIM_INFINITY else most if hard == resource.RLIM_INFINITY else min(hard, most)
        low = soft if top == resource.RLIM_INFINITY else min(soft, top)
        resource.setrlimit(name, (low, top))


def bound(*, no_new_privileges: bool) -> None:
    """Limit what every command can ever gain; acts at an exec only, so the helper itself loses nothing it needs.

    With `no_new_privileges` not even a setuid program gains anything. In a user namespace it need not be: there `sudo`
    can work, and makes nobody more than the superuser of the step.
    """
    syscalls.drop_bounding_except(KEPT)
    syscalls.clear_ambient()
    if no_new_privileges:
        syscalls.set_no_new_privileges()


def _identity(order: Order) -> None:
    os.setgroups(order.groups)
    os.setresgid(order.gid, order.gid, order.gid)
    os.setresuid(order.uid, order.uid, order.uid)
    mask = 0 if order.uid else MASK
    syscalls.capset(mask, mask, 0)
    syscalls.set_parent_death_signal(signal.SIGKILL)  # the kernel forgets it at a change of ids


def _streams(stdin: int, stdout: int, stderr: int, terminal: bool) -> None:
    for number, fd in enumerate((stdin, stdout, stderr)):
        os.dup2(fd, number, inheritable=True)
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _exec(argv: "list[str]", environment: "dict[str, str]") -> None:
    """Run `argv`, its first word searched in PATH of `environment`; comes back only with Failed."""
    name = argv[0]
    path = environment.get("PATH", DEFAULT_PATH)
    candidates = [name] if "/" in name else [os.path.join(folder or ".", name) for folder in path.split(":")]
    refused: OSError | None = None
    for candidate in candidates:
        try:
            os.execve(candidate, argv, environment)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.exists(candidate):
                raise Failed(
                    protocol.NOT_FOUND,
                    f"{candidate} is there, but the interpreter or loader it names is not in the image",
                ) from None
        except OSError as error:
            refused = refused or error
    if refused is None:
        where = "" if "/" in name else f" in PATH={path}"
        raise Failed(protocol.NOT_FOUND, f"the image has no command {name}{where}")
    if refused.errno == errno.ENOEXEC:
        raise Failed(
            protocol.NOT_EXECUTABLE,
            f"{refused.filename} is no program for this machine, nor a script with a first line such as #!/bin/sh",
        )
    if refused.errno == errno.E2BIG:
        raise Failed(protocol.OURS, "the command and its environment are too long for the kernel")
    raise Failed(protocol.NOT_EXECUTABLE, f"{refused.filename} cannot be executed: {refused.strerror}")


def _has_pipefail(shell: str, environment: "dict[str, str]") -> bool:
    """Ask the shell itself, in a child that says nothing.

    The child shares our memory until its exec: after a fork the kernel would copy what either of us touches.

    Args:
        shell: an absolute path, as that of the default shell is.
        environment: of the command.

    """
    silent = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(3)]
    try:
        pid = os.posix_spawn(shell, [shell, "-c", "set -o pipefail"], environment, file_actions=silent)
    except OSError:
        return False  # the exec of the command says why
    return os.waitpid(pid, 0)[1] == 0


def with_pipefail(argv: "list[str]") -> "list[str]":
    """Insert `-o pipefail` before the first `-c`."""
    place = argv.index("-c", 1)
    return [*argv[:place], "-o", "pipefail", *argv[place:]]


def ready() -> None:
    """Do to this process what is the same for every command."""
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)  # an ignored signal would survive the exec (execve(2))
    os.setsid()
    os.umask(0o022)
    # Without no_new_privs it takes CAP_SYS_ADMIN (seccomp(2)), which the change of user gives up.
    syscalls.install_seccomp(_FILTER)


def become(order: Order, stdin: int, stdout: int, stderr: int) -> None:
    """Confine this process, which is ready, and exec the command; comes back only with Failed or OSError."""
    _streams(stdin, stdout, stderr, order.terminal is not None)
    for kind, most in order.rlimits:
        resource.setrlimit(kind, (most, most))
    try:
        os.chdir(order.cwd)
    except OSError as error:
        raise Failed(protocol.OURS, f"the working directory {order.cwd} cannot be entered: {error.strerror}") from error
    _identity(order)
    # From 3 on everything closes at the exec, also what a library may have opened without O_CLOEXEC.
    syscalls.close_range(3, flags=syscalls.CLOSE_RANGE_CLOEXEC)
    environment = dict(order.env)
    argv = order.argv
    if order.pipefail and _has_pipefail(argv[0], environment):
        argv = with_pipefail(argv)
    _exec(argv, environment)
