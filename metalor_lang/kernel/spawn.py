"""Start a program of ours that lives beside us, without the import of `subprocess`: a build waits for its helper.

Invariant: the child gets descriptors 0 to 2 and those that it is given, no others, and a session of its own.
"""

import os
import select
from _signal import SIGKILL, SIGPIPE, SIGXFSZ  # type: ignore[import-not-found]  # `signal` takes longer than a start
from collections.abc import Mapping, Sequence


class Child:
    """A process of ours that was started with `spawn`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._status: int | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    def poll(self) -> int | None:
        """Give its status (negative: a signal), or None while it runs."""
        return self._reap(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait at most `timeout` seconds; give the status, or None when it still runs."""
        if timeout is not None and self.poll() is None and not self._ends_within(timeout):
            return None
        return self._reap(0)

    def kill(self) -> None:
        """Send SIGKILL, if it was not waited for yet."""
        if self._status is None:
            os.kill(self._pid, SIGKILL)

    def _reap(self, flags: int) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self._pid, flags)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def _ends_within(self, timeout: float) -> bool:
        # A descriptor of the process tells at once.
        fd = os.pidfd_open(self._pid)
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(timeout * 1000))
        finally:
            os.close(fd)


def spawn(argv: Sequence[str], *, pass_fds: Sequence[int] = (), env: Mapping[str, str] | None = None) -> Child:
    """Start a long-running process in a session of its own, with empty input, and only `pass_fds` besides 0 to 2.

    Its standard output goes to our standard error, so that it never mixes with what we print.

    Raises:
        ToolMissing: the program is not installed.

    """
    program = argv[0]
    if not os.path.isabs(program):
        from metalor_lang.kernel.process import require_tool

        program = require_tool(program)
    actions: list[tuple[int, int] | tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, 2, 1),
        # Onto itself: it stays open at the exec (posix_spawn_file_actions_adddup2(3)).
        *((os.POSIX_SPAWN_DUP2, fd, fd) for fd in pass_fds),
        *((os.POSIX_SPAWN_CLOSE, fd) for fd in _inherited() if fd not in pass_fds and not _out_of_reach(fd)),
    ]
    return Child(
        os.posix_spawn(
            program,
            [program, *argv[1:]],
            os.environ if env is None else env,
            file_actions=actions,
            setsid=True,
            setsigdef=(SIGPIPE, SIGXFSZ),  # which Python ignores, and an exec would keep ignored
        )
    )


def _out_of_reach(fd: int) -> bool:
    """Whether a descriptor was left to us with a number above our limit, which no action may name: marked instead."""
    if fd < os.sysconf("SC_OPEN_MAX"):
        return False
    os.set_inheritable(fd, False)
    return True


def _inherited() -> list[int]:
    """What whoever started us left open for us: all that we open ourselves is close-on-exec."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and os.get_inheritable(fd):
                found.append(fd)
        except OSError:  # the directory's own, closed by now
            continue
    return found
