"""The builder's side of a runtime: the protocol that builds are written against, and the one with a helper process.

Invariant: `run` may be called from several threads at once; when it returns or raises, every process of its step is
dead or dying by SIGKILL, and no descriptor of the step is left open here.
"""

import os
import select
import sys
from _thread import get_native_id
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.errors import MachineError
from metalor_lang.guards import Closing, Lock
from metalor_lang.hints import Protocol
from metalor_lang.kernel import seccomp, syscalls
from metalor_lang.kernel.spawn import Child, spawn
from metalor_lang.record import replace
from metalor_lang.runtime import cgroups, protocol
from metalor_lang.runtime.cancel import Cancel
from metalor_lang.runtime.limits import Limits
from metalor_lang.runtime.ordering import Descriptors, order_of
from metalor_lang.runtime.overlay import tiers
from metalor_lang.runtime.plain import Socket, pair
from metalor_lang.runtime.request import (
    LayeredView,
    StepRequest,
    StepStatus,
    Streams,
)
from metalor_lang.runtime.validate import validate
from metalor_lang.runtime.world import COUNT, Backend, World

_ZYGOTE = Path(__file__).with_name("zygote.py")
_CHUNK = 1 << 16


class RuntimeLost(MachineError):
    """The helper process or a step's init died without an answer."""


class Runtime(Protocol):
    """Runs steps; a build is given one."""

    def run(
        self,
        view: int | LayeredView,
        request: StepRequest,
        streams: Streams,
        cancel: Cancel | None = None,
    ) -> StepStatus:
        """Run one step; see NamespaceRuntime.run."""
        ...

    def ready(self) -> None:
        """Start what steps need, if it was not started yet; raises MachineError."""
        ...

    def close(self) -> None:
        """End the runtime and every step that still runs."""
        ...


class NamespaceRuntime(Closing):
    """Steps in namespaces of their own, started by a lean helper process. Make one with start_runtime()."""

    def __init__(
        self,
        child: Child,
        control: Socket,
        world: World | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self.on_notice = on_notice
        self._controllers: cgroups.Controllers | None = None
        self._child = child
        self._control = control
        self._world = world
        self._lock = Lock()
        self._greeted = False

    @property
    def backend(self) -> Backend:
        """How steps run."""
        return self._world.backend if self._world is not None else Backend.PRIVILEGED

    @property
    def pid(self) -> int:
        """The helper's process id."""
        return self._child.pid

    def ready(self) -> None:
        """Nothing is left to start."""

    def run(
        self,
        view: int | LayeredView,
        request: StepRequest,
        streams: Streams,
        cancel: Cancel | None = None,
    ) -> StepStatus:
        """Run one step to its end.

        Args:
            view: its root: a tree of the store that was given to start_runtime(), or a descriptor of a directory or a
                detached mount, which stays the caller's and may be used again.
            request: what to run.
            streams: what its standard streams lead to.
            cancel: a switch that ends the step.

        Raises:
            InvalidRequest: the request is wrong.
            RuntimeLost: the helper died, or the step's init was killed (out of memory).

        """
        validate(request)
        with self._group(request.limits) as group:
            status = self._run(view, request, group, streams, cancel)
            reason = group.reason() if status.signal is not None else ""
        return replace(status, message=reason) if reason and not status.message else status

    @contextmanager
    def _group(self, limits: Limits) -> Iterator[cgroups.Group]:
        if limits == Limits():
            yield cgroups.Group(limits, {})
            return
        with self._lock:
            if self._controllers is None:
                self._controllers = cgroups.find()
                lacks = self._controllers.lacks(limits)
                if lacks and self.on_notice is not None:
                    self.on_notice(
                        f"this machine offers no control group for {' and '.join(lacks)}: each process is limited by"
                        " itself instead"
                    )
        with cgroups.group(limits, self._controllers) as group:
            yield group

    def _run(
        self,
        view: int | LayeredView,
        request: StepRequest,
        group: cgroups.Group,
        streams: Streams,
        cancel: Cancel | None,
    ) -> StepStatus:
        ours, theirs = pair()
        fds = Descriptors()
        readers: dict[int, Callable[[bytes], None]] = {}
        try:
            fds.lend(theirs.fileno())
            fds.lend(-1)  # the order's place
            order = order_of(view, request, group, self._world, fds)
            if streams.terminal is not None:
                from metalor_lang.runtime import terminal as terminals

                order.terminal = list(terminals.size(streams.terminal))
            else:
                order.stdin = -1 if streams.stdin is None else fds.lend(streams.stdin)
                order.output = self._pipe(request, fds, readers, streams.output)
                if streams.errors is not None:
                    order.errors = self._pipe(request, fds, readers, streams.errors)
            fds.put(1, protocol.to_memory(order.encode(), "order"))
            self._ask(
                protocol.kind(own_network=order.network == "none", grouped=bool(order.control_groups)), fds.numbers
            )
            fds.close()
            theirs.close()
            if cancel is not None:
                cancel.join(ours)
            return self._follow(ours, readers, streams.terminal)
        finally:
            if cancel is not None:
                cancel.leave(ours)
            ours.close()  # kills what still runs
            theirs.close()
            fds.close()
            for fd in readers:
                os.close(fd)

    def _pipe(
        self, request: StepRequest, fds: Descriptors, readers: dict[int, Callable[[bytes], None]],
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

    def _ask(self, kind: bytes, fds: list[int]) -> None:
        with self._lock:
            try:
                self._greet()
                protocol.send(self._control, kind, fds)
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

    def _follow(self, sock: Socket, readers: dict[int, Callable[[bytes], None]], terminal: int | None) -> StepStatus:
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
                    from metalor_lang.runtime import terminal as terminals

                    assert terminal is not None
                    terminals.join(terminal, received[0], sock)
                elif payload:
                    code, number, timed_out, cancelled, message = protocol.decode_status(payload)
                    status = StepStatus(
                        code=code, signal=number, timed_out=timed_out, cancelled=cancelled, message=message
                    )
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


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _count(world: World | None) -> int:
    if world is None or world.backend is not Backend.ROOTLESS:
        return COUNT
    from metalor_lang.runtime import subids

    return subids.COUNT


def start_runtime(
    world: World | None = None,
    *,
    store: Path | None = None,
    on_notice: Callable[[str], None] | None = None,
    guest: str = "",
    emulator: str = "",
) -> NamespaceRuntime:
    """Start the helper process; best from the main thread, before memory grows and threads exist.

    Args:
        world: what this process has entered; None runs steps with the ids of this machine (backend `privileged`).
        store: without a world, the store that views may lie in.
        on_notice: called with one line when limits cannot be what was asked for.
        guest: architecture of the steps' programs, when this machine does not run them.
        emulator: path of the emulator for them.

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
    ours, theirs = pair()
    disk = os.open(store, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if world is None and store is not None else -1
    try:
        # A parent death signal comes when the starting *thread* ends (prctl(2)): only the main one lives long enough.
        parent = os.getpid() if get_native_id() == os.getpid() else 0
        place = world.disk if world is not None else disk
        # Rootless too: in a namespace of its own no rule of the machine for foreign programs counts.
        own_users = bool(guest) or (world is not None and world.backend is not Backend.PRIVILEGED)
        options: dict[str, object] = {
            "control_fd": theirs.fileno(), "parent": parent, "store": place, "own_users": _yes(own_users),
            "shift": world.shift if world is not None else 0, "count": _count(world),
            "no_new_privileges": _yes(world is None or world.backend is Backend.PRIVILEGED),
            "tiers": ",".join(tiers()), "guest": guest, "emulator": emulator,
        }  # fmt: skip
        child = spawn(
            [
                sys.executable,
                "-I",
                "-S",
                "-X",
                "utf8",
                str(_ZYGOTE),
                *(f"{name}={value}" for name, value in options.items()),
            ],
            pass_fds=(theirs.fileno(), *((place,) if place >= 0 else ())),
            env={},
        )
    finally:
        theirs.close()
        if disk >= 0:
            os.close(disk)
    return NamespaceRuntime(child, ours, world, on_notice)
