"""The builder's side of a runtime: the protocol that builds are written against, and the one with a helper process.

Invariant: `run` may be called from several threads at once; when it returns or raises, every process of its step is
dead or dying by SIGKILL, and no descriptor of the step is left open here.
"""

import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from metalor_lang.errors import MachineError
from metalor_lang.kernel import process, seccomp, syscalls
from metalor_lang.runtime import protocol
from metalor_lang.runtime import terminal as terminals
from metalor_lang.runtime.protocol import MountOrder, Order
from metalor_lang.runtime.request import BindSpec, FileSpec, Mount, StepRequest, StepStatus, TmpfsSpec
from metalor_lang.runtime.validate import validate

_ZYGOTE = Path(__file__).with_name("zygote.py")
_CHUNK = 1 << 16


class RuntimeLost(MachineError):
    """The helper process or a step's init died without an answer."""


class Cancel:
    """One switch that ends every step it was given to; safe to fire from a signal handler or any thread.

    The first `fire` sends the signal to all processes of the step, which have the request's grace to end; the second
    kills at once. Steps that start after it end at once with `cancelled`.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._steps: set[socket.socket] = set()
        self._fired: int | None = None

    @property
    def fired(self) -> bool:
        """It has been fired."""
        return self._fired is not None

    def fire(self, number: int = signal.SIGINT) -> None:
        """Send signal `number` to the steps."""
        with self._lock:
            self._fired = int(number)
            for sock in tuple(self._steps):
                self._send(sock)

    def _send(self, sock: socket.socket) -> None:
        try:
            protocol.send(sock, protocol.CANCEL + str(self._fired).encode())
        except OSError:
            pass  # that step is over

    def _join(self, sock: socket.socket) -> None:
        with self._lock:
            self._steps.add(sock)
            if self._fired is not None:
                self._send(sock)

    def _leave(self, sock: socket.socket) -> None:
        with self._lock:
            self._steps.discard(sock)


class Runtime(Protocol):
    """Runs steps; a build is given one."""

    def run(
        self,
        view_fd: int,
        request: StepRequest,
        *,
        output: Callable[[bytes], None],
        errors: Callable[[bytes], None] | None = None,
        stdin: int | None = None,
        terminal: int | None = None,
        cancel: Cancel | None = None,
    ) -> StepStatus:
        """Run one step; see NamespaceRuntime.run."""
        ...

    def close(self) -> None:
        """End the runtime and every step that still runs."""
        ...


class _Descriptors:
    """What goes along with a message; a descriptor of ours is closed after the sending."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._ours: list[int] = []

    def lend(self, fd: int) -> int:
        self.numbers.append(fd)
        return len(self.numbers) - 1

    def give(self, fd: int) -> int:
        self._ours.append(fd)
        return self.lend(fd)

    def put(self, index: int, fd: int) -> None:
        self._ours.append(fd)
        self.numbers[index] = fd

    def close(self) -> None:
        for fd in self._ours:
            os.close(fd)
        self._ours.clear()


def _mount_order(mount: Mount, fds: _Descriptors) -> MountOrder:
    match mount:
        case BindSpec(source=str(path)):
            try:
                fd = fds.give(os.open(path, os.O_PATH | os.O_CLOEXEC))
            except OSError as error:
                raise MachineError(f"cannot bind {path} at {mount.target}: {error.strerror}") from error
            return MountOrder(kind="bind", target=mount.target, fd=fd, subpath=mount.subpath, readonly=mount.readonly)
        case BindSpec(source=int(number)):
            fd = fds.lend(number)
            return MountOrder(kind="bind", target=mount.target, fd=fd, subpath=mount.subpath, readonly=mount.readonly)
        case TmpfsSpec():
            return MountOrder(
                kind="tmpfs", target=mount.target, size=mount.size, mode=mount.mode, uid=mount.uid, gid=mount.gid
            )
        case FileSpec():
            fd = fds.give(protocol.to_memory(mount.content, "file"))
            return MountOrder(kind="file", target=mount.target, fd=fd, mode=mount.mode, uid=mount.uid, gid=mount.gid)
    raise AssertionError(mount)


class NamespaceRuntime:
    """Steps in namespaces of their own, started by a lean helper process. Make one with start_runtime()."""

    def __init__(self, child: process.Child, control: socket.socket) -> None:
        self._child = child
        self._control = control
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """The helper's process id."""
        return self._child.pid

    def run(
        self,
        view_fd: int,
        request: StepRequest,
        *,
        output: Callable[[bytes], None],
        errors: Callable[[bytes], None] | None = None,
        stdin: int | None = None,
        terminal: int | None = None,
        cancel: Cancel | None = None,
    ) -> StepStatus:
        """Run one step to its end, with `view_fd` (a detached mount or a directory) as its root.

        Args:
            view_fd: stays the caller's; may be used again.
            request: what to run.
            output: gets standard output and error as they come, in this thread.
            errors: gets standard error apart, when given.
            stdin: a descriptor for standard input, else it is empty.
            terminal: the user's terminal: the step gets one of its own, joined to it; `output` gets nothing then.
            cancel: a switch that ends the step.

        Raises:
            InvalidRequest: the request is wrong.
            RuntimeLost: the helper died, or the step's init was killed (out of memory).

        """
        validate(request)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fds = _Descriptors()
        readers: dict[int, Callable[[bytes], None]] = {}
        try:
            fds.lend(theirs.fileno())
            fds.lend(-1)  # the order's place
            order = Order(
                argv=list(request.argv), env=[list(pair) for pair in request.env], cwd=request.cwd, uid=request.uid,
                gid=request.gid, groups=list(request.groups), network=str(request.network), timeout=request.timeout,
                grace=request.grace, hostname=request.hostname, pipefail=request.pipefail,
                mounts=[_mount_order(mount, fds) for mount in request.mounts], view=fds.lend(view_fd),
            )  # fmt: skip
            if terminal is not None:
                order.terminal = list(terminals.size(terminal))
            else:
                order.stdin = -1 if stdin is None else fds.lend(stdin)
                order.output = self._pipe(request, fds, readers, output)
                order.errors = -1 if errors is None else self._pipe(request, fds, readers, errors)
            fds.put(1, protocol.to_memory(order.encode(), "order"))
            self._ask(fds.numbers)
            fds.close()
            theirs.close()
            if cancel is not None:
                cancel._join(ours)
            return self._follow(ours, readers, terminal)
        finally:
            if cancel is not None:
                cancel._leave(ours)
            ours.close()  # kills what still runs
            theirs.close()
            fds.close()
            for fd in readers:
                os.close(fd)

    @staticmethod
    def _pipe(
        request: StepRequest, fds: _Descriptors, readers: dict[int, Callable[[bytes], None]],
        callback: Callable[[bytes], None],
    ) -> int:  # fmt: skip
        """Make a pipe that every user of the step, also after `su`, may open anew as /dev/stdout."""
        read, write = os.pipe2(os.O_CLOEXEC)
        readers[read] = callback
        index = fds.give(write)
        os.fchown(write, request.uid, request.gid)
        os.fchmod(write, 0o666)
        return index

    def _ask(self, fds: list[int]) -> None:
        with self._lock:
            try:
                protocol.send(self._control, b"step", fds)
            except OSError as error:
                raise RuntimeLost("the helper process that runs steps is gone", help="run the build again") from error

    def _follow(
        self, sock: socket.socket, readers: dict[int, Callable[[bytes], None]], terminal: int | None
    ) -> StepStatus:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        for fd in readers:
            poll.register(fd, select.POLLIN)
        status: StepStatus | None = None
        listening = True
        while listening or readers:
            for fd, _ in poll.poll():
                if fd != sock.fileno():
                    self._read(fd, readers, poll)
                    continue
                payload, received = protocol.receive(sock)
                if payload == protocol.TERMINAL:
                    assert terminal is not None
                    terminals.join(terminal, received[0], sock)
                elif payload:
                    status = StepStatus(**json.loads(payload))
                else:
                    listening = False
                    poll.unregister(fd)
        if status is None:
            raise RuntimeLost(
                "the step was killed from outside before it could end",
                help="most often the machine ran out of memory: look at the end of `dmesg`",
            )
        return status

    @staticmethod
    def _read(fd: int, readers: dict[int, Callable[[bytes], None]], poll: select.poll) -> None:
        data = os.read(fd, _CHUNK)
        if data:
            readers[fd](data)
        else:
            poll.unregister(fd)
            del readers[fd]
            os.close(fd)

    def close(self) -> None:
        """End the helper and with it every step that still runs."""
        self._control.close()
        if self._child.wait(timeout=10) is None:
            self._child.kill()
            self._child.wait()

    def __enter__(self) -> "NamespaceRuntime":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def start_runtime() -> NamespaceRuntime:
    """Start the helper process; best from the main thread, before memory grows and threads exist.

    Raises:
        MachineError: this machine cannot run steps; says why.

    """
    if os.geteuid():
        raise MachineError(
            "running steps needs root", help="run it with sudo; `metalor check` and `metalor plan` need no root"
        )
    if syscalls.MACHINE not in seccomp.MACHINES:
        known = ", ".join(seccomp.MACHINES)
        raise MachineError(f"steps cannot be confined on {syscalls.MACHINE}", help=f"run them on one of: {known}")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        # A parent death signal comes when the starting *thread* ends (prctl(2)): only the main one lives long enough.
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else 0
        child = process.spawn(
            [sys.executable, "-I", "-S", "-X", "utf8", str(_ZYGOTE), str(theirs.fileno()), str(parent)],
            pass_fds=(theirs.fileno(),),
            env={},
        )
    return NamespaceRuntime(child, ours)
