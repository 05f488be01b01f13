"""PID 1 of a step: makes the root, starts the command, reaps, obeys the time limit and orders, and tells the status.

It is made before its step is known, and waits with all done that is the same for every step.

Invariant: it ends when its socket or the helper does, and with it, by the kernel, every process of the step; the status
is sent only after all other processes are dead and the created mount points are gone. Lean: runs in the helper's fork.
"""

import fcntl
import os
import select
import struct
import termios
import time

from metalor_lang.kernel import syscalls
from metalor_lang.runtime import assemble, protocol
from metalor_lang.runtime.command import Command
from metalor_lang.runtime.furniture import Furniture
from metalor_lang.runtime.plain import Socket, adopted, signal, socket
from metalor_lang.runtime.protocol import Order

_NAMESPACES = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
"""Of every step; the pid namespace was entered by the fork, those for network and control groups come as needed."""
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
# KILL to end other users' processes; DAC_OVERRIDE, FOWNER, SYS_ADMIN to take mount points away again.
_CAPABILITIES = 1 << 5 | 1 << 1 | 1 << 3 | 1 << 21
_TIOCSPTLCK, _TIOCGPTN = 0x40045431, 0x80045430  # ioctl_tty(2); not in Python's termios


def run(hand: Socket, alive: int, tiers: "tuple[str, ...]", kind: bytes) -> None:
    """Make everything ready for a step, wait for its order, run it.

    Args:
        hand: gives the step's message: its socket, the order, then what the order names by index.
        alive: its end of file says that the helper is gone.
        tiers: the ways to mount an overlay.
        kind: which namespaces the step wants; see protocol.kind.

    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored by the kernel for PID 1, whoever sends it
    syscalls.set_parent_death_signal(signal.SIGKILL)
    syscalls.set_dumpable(False)
    ready: _Ready | None = None
    answer = b""
    try:
        ready = _Ready(own_network=b" network" in kind, grouped=b" groups" in kind)
    except Exception as error:
        answer = _refusal(error)
    payload, fds = protocol.receive(hand)
    hand.close()
    if not payload:
        return  # it is not wanted any more
    sock = adopted(fds[0])
    if ready is not None:
        try:
            order = Order.decode(protocol.from_memory(fds[1]), fds)
            answer = _Step(sock, order, fds[1], ready, alive, tiers).run()
        except Exception as error:
            answer = _refusal(error)
    try:
        protocol.send(sock, answer)
    except OSError:
        pass  # nobody listens any more
    sock.close()  # now: the builder goes on while the kernel takes us apart


def _refusal(error: Exception) -> bytes:
    if isinstance(error, assemble.Refused):
        return protocol.encode_status(protocol.OURS, message=str(error))
    if isinstance(error, OSError):
        what = f" ({error.filename})" if error.filename else ""
        return protocol.encode_status(protocol.OURS, message=f"the step cannot be set up: {error.strerror}{what}")
    return protocol.encode_status(protocol.OURS, message=f"the step cannot be set up: {error!r}")


class _Ready:
    """What can be done before the order is known: namespaces, what every step gets, the command's process."""

    def __init__(self, *, own_network: bool, grouped: bool) -> None:
        os.umask(0)
        syscalls.unshare(
            _NAMESPACES | (syscalls.CLONE_NEWNET if own_network else 0) | (0 if grouped else syscalls.CLONE_NEWCGROUP)
        )
        if own_network:
            _loopback_up()  # while /proc is there
        self.furniture = Furniture()
        self._command = None if grouped else Command()
        protocol.rehearse()  # after the fork, which makes the kernel copy anew

    def command(self, control_groups: "list[int]") -> Command:
        """Give the command's process, once this one is in its control groups: a child begins where its parent is."""
        if self._command is None:
            for fd in control_groups:
                os.write(fd, b"0")  # before the cgroup namespace, whose root this becomes
                os.close(fd)
            syscalls.unshare(syscalls.CLONE_NEWCGROUP)
            self._command = Command()
        return self._command


def _loopback_up() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(sock, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))
    finally:
        sock.close()
    # The network is the step's alone: everybody in it may ping and serve on any port (ip_sysctl, icmp(7)).
    for name, value in (("ping_group_range", b"0 65535"), ("ip_unprivileged_port_start", b"0")):
        try:
            with open(f"/proc/sys/net/ipv4/{name}", "wb", buffering=0) as file:
                file.write(value)
        except OSError:
            pass  # a comfort that a kernel may not have, or a masked /proc may not allow


def _kill_all(number: int) -> None:
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        pass


class _Step:
    """One step from the fork to its status."""

    def __init__(
        self, sock: Socket, order: Order, written: int, ready: _Ready, alive: int, tiers: "tuple[str, ...]"
    ) -> None:
        self._sock = sock
        self._order = order
        self._written = written
        self._ready = ready
        self._alive = alive
        self._tiers = tiers
        self._command = 0
        self._ended: int | None = None  # wait status of the command
        self._timed_out = False
        self._cancelled = False
        self._deadline = None if order.timeout is None else time.monotonic() + order.timeout
        self._kill_at: float | None = None

    def run(self) -> bytes:
        """Give the encoded status."""
        command = self._ready.command(self._order.control_groups)
        self._command = command.pid
        furniture = self._ready.furniture
        assembly = assemble.Assembly(self._order, self._tiers, scratch=furniture.scratch)
        try:
            assembly.build(furniture)
            assembly.enter()
        except BaseException:
            assembly.abandon()
            raise
        socket.sethostname(self._order.hostname)
        command.start(self._written, self._streams())
        syscalls.capset(_CAPABILITIES, _CAPABILITIES, 0)
        syscalls.set_dumpable(False)
        self._watch(command.wake)
        _kill_all(signal.SIGKILL)
        self._reap(block=True)
        failure = command.failure()
        assembly.undo()
        return self._status(failure)

    def _streams(self) -> "tuple[int, int, int]":
        order = self._order
        if order.terminal is not None:
            return self._terminal(order.terminal)
        stdin = order.stdin if order.stdin >= 0 else os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        return stdin, order.output, order.errors if order.errors >= 0 else order.output

    def _terminal(self, size: "list[int]") -> "tuple[int, int, int]":
        """Make a terminal in the step's own /dev/pts and hand its master side to the builder."""
        master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        number = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, struct.pack("i", 0)))[0]
        slave = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        os.fchown(slave, self._order.uid, 5)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))
        protocol.send(self._sock, protocol.TERMINAL, [master])
        os.close(master)
        return slave, slave, slave

    # -- while it runs ------------------------------------------------------------------------------------------

    def _watch(self, wake: int) -> None:
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self._sock, select.POLLIN)
        poll.register(self._alive, select.POLLIN)
        while True:
            self._reap(block=False)
            if self._ended is not None:
                return
            for fd, _ in poll.poll(self._patience()):
                if fd == wake:
                    os.read(wake, 4096)
                elif fd == self._alive or not self._obey():
                    os._exit(1)  # the kernel kills the rest of the namespace
            self._check_time()

    def _patience(self) -> "float | None":
        times = [at for at in (self._deadline, self._kill_at) if at is not None]
        return max(0.0, (min(times) - time.monotonic()) * 1000 + 1) if times else None

    def _check_time(self) -> None:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._timed_out = True
            self._ask(signal.SIGTERM)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            _kill_all(signal.SIGKILL)

    def _ask(self, number: int) -> None:
        """Ask every process of the step to end; kill it after the grace, or at once when asked again."""
        _kill_all(number)
        _kill_all(signal.SIGCONT)  # a stopped process would not see it
        self._kill_at = time.monotonic() + (self._order.grace if self._kill_at is None else 0)

    def _obey(self) -> bool:
        """Read one order; False when the builder is gone."""
        try:
            payload, _ = protocol.receive(self._sock)
        except OSError:
            return False
        if payload.startswith(protocol.CANCEL):
            self._cancelled = True
            self._ask(int(payload[len(protocol.CANCEL) :]))
        return bool(payload)

    def _reap(self, *, block: bool) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, 0 if block else os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._command:
                self._ended = status

    def _status(self, failure: bytes) -> bytes:
        if failure:
            code, _, _, _, message = protocol.decode_status(failure)
            return protocol.encode_status(code, cancelled=self._cancelled, message=message)
        assert self._ended is not None
        code = os.waitstatus_to_exitcode(self._ended)
        number = -code if code < 0 else None
        if self._timed_out:
            message = f"the time limit of {self._order.timeout:g} s was reached"
            return protocol.encode_status(protocol.TIMED_OUT, signal=number, timed_out=True, message=message)
        return protocol.encode_status(
            code if number is None else 128 + number, signal=number, cancelled=self._cancelled
        )
