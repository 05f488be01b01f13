"""The builder's side of a runtime: the protocol that builds are written against, and the one with a helper process.

Invariant: `run` may be called from several threads at once; when it returns or raises, every process of its step is
dead or dying by SIGKILL, and no descriptor of the step is left open here.
"""

import errno
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
from metalor_lang.runtime.overlay import tiers
from metalor_lang.runtime.protocol import MountOrder, Order
from metalor_lang.runtime.request import (
    BindSpec,
    FileSpec,
    LayeredView,
    Mount,
    Network,
    StepRequest,
    StepStatus,
    TmpfsSpec,
)
from metalor_lang.runtime.validate import validate
from metalor_lang.runtime.world import COUNT, Backend, World, detached

_INSIDE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_ZYGOTE = Path(__file__).with_name("zygote.py")
_CHUNK = 1 << 16
_LARGEST_RESOLVER = 1 << 16


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
        view: int | LayeredView,
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


def _layers(view: LayeredView) -> "list[list[str] | str | None]":
    return [list(view.lowers), view.upper, view.work]


def _bound(mount: BindSpec, world: World | None) -> tuple[int, str]:
    """A detached copy of what a bind shows, and the path below it that the helper must still resolve."""
    if isinstance(mount.source, str):
        return detached(syscalls.AT_FDCWD, mount.source, world=world, readonly=mount.readonly), ""
    assert isinstance(mount.source, int)
    if not mount.subpath:
        return detached(mount.source, world=world, readonly=mount.readonly), ""
    inside = syscalls.openat2(mount.source, mount.subpath, os.O_PATH, resolve=_INSIDE)
    try:
        return detached(inside, world=world, readonly=mount.readonly), ""
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.dup(mount.source), mount.subpath  # a mount that this kernel cannot copy in parts
    finally:
        os.close(inside)


def _mount_order(mount: Mount, fds: _Descriptors, world: World | None) -> MountOrder:
    match mount:
        case BindSpec(source=LayeredView() as view):
            return MountOrder(
                kind="bind", target=mount.target, layers=_layers(view), subpath=mount.subpath, readonly=mount.readonly
            )
        case BindSpec():
            try:
                fd, subpath = _bound(mount, world)
            except OSError as error:
                where = mount.source if isinstance(mount.source, str) else mount.subpath or "a directory"
                raise MachineError(f"cannot bind {where} at {mount.target}: {error.strerror}") from error
            return MountOrder(
                kind="bind", target=mount.target, fd=fds.give(fd), subpath=subpath, readonly=mount.readonly
            )
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

    def __init__(self, child: process.Child, control: socket.socket, world: World | None = None) -> None:
        self._child = child
        self._control = control
        self._world = world
        self._lock = threading.Lock()
        self._greeted = False

    @property
    def pid(self) -> int:
        """The helper's process id."""
        return self._child.pid

    def run(
        self,
        view: int | LayeredView,
        request: StepRequest,
        *,
        output: Callable[[bytes], None],
        errors: Callable[[bytes], None] | None = None,
        stdin: int | None = None,
        terminal: int | None = None,
        cancel: Cancel | None = None,
    ) -> StepStatus:
        """Run one step to its end.

        Args:
            view: its root: a tree of the store that was given to start_runtime(), or a descriptor of a directory or a
                detached mount, which stays the caller's and may be used again.
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
                mounts=[_mount_order(mount, fds, self._world) for mount in request.mounts],
                resolver=_resolver() if request.network == Network.HOST else "",
            )  # fmt: skip
            if isinstance(view, LayeredView):
                order.layers = _layers(view)
            else:
                order.view = fds.give(detached(view, world=self._world, safe=False))
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

    def _pipe(
        self, request: StepRequest, fds: _Descriptors, readers: dict[int, Callable[[bytes], None]],
        callback: Callable[[bytes], None],
    ) -> int:  # fmt: skip
        """Make a pipe that every user of the step, also after `su`, may open anew as /dev/stdout."""
        read, write = os.pipe2(os.O_CLOEXEC)
        readers[read] = callback
        index = fds.give(write)
        shift = self._world.shift if self._world is not None else 0
        if max(request.uid, request.gid) < COUNT or not shift:
            os.fchown(write, request.uid + shift, request.gid + shift)
        os.fchmod(write, 0o666)
        return index

    def _ask(self, fds: list[int]) -> None:
        with self._lock:
            try:
                self._greet()
                protocol.send(self._control, b"step", fds)
            except OSError as error:
                raise RuntimeLost("the helper process that runs steps is gone", help="run the build again") from error

    def _greet(self) -> None:
        """Wait, before the first step only, until the helper has settled."""
        if self._greeted:
            return
        said, _ = protocol.receive(self._control)
        if said != protocol.READY:
            if not said:
                raise RuntimeLost("the helper process that runs steps ended at once", help="see `metalor doctor`")
            raise MachineError(said.decode("utf-8", "replace"), help="see `metalor doctor`")
        self._greeted = True

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


def _resolver() -> str:
    """The machine's resolv.conf, or ""."""
    try:
        with open("/etc/resolv.conf", "rb") as file:
            return file.read(_LARGEST_RESOLVER).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def start_runtime(world: World | None = None, *, store: Path | None = None) -> NamespaceRuntime:
    """Start the helper process; best from the main thread, before memory grows and threads exist.

    Args:
        world: what this process has entered; None runs steps with the ids of this machine (backend `privileged`).
        store: without a world, the store that views may lie in.

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
    disk = os.open(store, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if world is None and store is not None else -1
    try:
        # A parent death signal comes when the starting *thread* ends (prctl(2)): only the main one lives long enough.
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else 0
        place = world.disk if world is not None else disk
        options = {
            "control_fd": theirs.fileno(), "parent": parent, "store": place,
            "shift": world.shift if world is not None else 0, "count": COUNT,
            "no_new_privileges": world is None or world.backend is Backend.PRIVILEGED, "tiers": tiers(),
        }  # fmt: skip
        child = process.spawn(
            [sys.executable, "-I", "-S", "-X", "utf8", str(_ZYGOTE), json.dumps(options)],
            pass_fds=(theirs.fileno(), *((place,) if place >= 0 else ())),
            env={},
        )
    finally:
        theirs.close()
        if disk >= 0:
            os.close(disk)
    return NamespaceRuntime(child, ours, world)
