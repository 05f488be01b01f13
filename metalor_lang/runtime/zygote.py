"""The helper process: a lean interpreter that forks one init process per step.

Invariant: it holds no descriptor of any step after the fork, lives in a world of its own (see cradle), and ends at the
end of file on its socket; every step's init dies with it. Started as `python -I -S zygote.py OPTIONS`, a JSON object:
`control_fd`, `parent` (the builder's pid when its main thread starts us, else 0), `store` (a descriptor or -1),
`own_users` (enter a user namespace) with `shift` and `count` (the ids of steps outside of it; 0: the same ones),
`no_new_privileges`, `tiers`,
`guest` (the architecture of the programs of steps; "" for this machine's) and `emulator` (its path on this machine).
"""

import gc
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import socket

from metalor_lang.kernel import syscalls
from metalor_lang.runtime import confine, cradle, emulation, inner, protocol


def _close(fds: "list[int]") -> None:
    for fd in fds:
        os.close(fd)


def _start(
    control: socket.socket, own_pids: int, alive: "tuple[int, int]", fds: "list[int]", tiers: "tuple[str, ...]"
) -> None:
    """Fork the init process of one step: PID 1 of a new pid namespace, then come back to our own."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWPID)
        pid = os.fork()
    except OSError as error:
        with socket.socket(fileno=os.dup(fds[0])) as sock:
            protocol.send(sock, protocol.encode_status(protocol.OURS, message=f"a step cannot start: {error}"))
        return
    if pid:
        # Children go where setns says: unshare(NEWPID) works only from our own namespace (pid_namespaces(7)).
        syscalls.setns(own_pids, syscalls.CLONE_NEWPID)
        return
    status = 1
    try:
        control.close()
        os.close(own_pids)
        os.close(alive[1])
        inner.run(fds, alive[0], tiers)
        status = 0
    finally:
        os._exit(status)


def _settle(
    parent: int, store: int, own_users: bool, shift: int, count: int, no_new_privileges: bool, guest: str, emulator: str
) -> None:
    """Enter our own world; see cradle. A foreign one needs a user namespace of its own: see emulation."""
    outside = emulation.user_namespace()
    file = emulation.take(emulator) if guest else -1
    confine.prepare()
    if parent:
        syscalls.set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
    cradle.settle(store, shift)
    if own_users:
        cradle.map_ids(shift, count)
        syscalls.set_parent_death_signal(signal.SIGKILL)  # the kernel forgets it at a change of ids
    cradle.become_init()
    if guest:
        emulation.register(guest, file, outside)  # stays open as long as we live
        os.close(file)
    elif own_users:
        _without_rules(outside)
    syscalls.set_parent_death_signal(signal.SIGKILL)
    confine.bound(no_new_privileges=no_new_privileges)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps for us: signal(7)


def _without_rules(outside: "tuple[int, int]") -> None:
    """Keep the machine's rules for foreign programs away from steps, where the kernel can."""
    try:
        os.close(emulation.empty(outside))
    except emulation.NoEmulator:
        pass  # before Linux 6.7


def main(
    control_fd: int,
    parent: int,
    store: int,
    own_users: bool,
    shift: int,
    count: int,
    no_new_privileges: bool,
    tiers: "list[str]",
    guest: str,
    emulator: str,
) -> None:
    """Serve until the builder is gone."""
    control = socket.socket(fileno=control_fd)
    control.set_inheritable(False)
    try:
        _settle(parent, store, own_users, shift, count, no_new_privileges, guest, emulator)
        own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        alive = os.pipe2(os.O_CLOEXEC)
    except emulation.NoEmulator as error:
        protocol.send(control, f"{error.message} ({error.help})".encode())
        return
    except OSError as error:
        what = f" ({error.filename})" if error.filename else ""
        protocol.send(control, f"this machine gives steps no world of their own: {error.strerror}{what}".encode())
        return
    syscalls.set_dumpable(False)
    os.chdir("/")
    gc.disable()
    gc.freeze()
    try:
        protocol.send(control, protocol.READY)
        _serve(control, own_pids, alive, tuple(tiers))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the builder is gone


def _serve(control: socket.socket, own_pids: int, alive: "tuple[int, int]", tiers: "tuple[str, ...]") -> None:
    while True:
        payload, fds = protocol.receive(control)
        if not payload:
            return
        try:
            _start(control, own_pids, alive, fds, tiers)
        finally:
            _close(fds)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
