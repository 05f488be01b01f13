"""The helper process: a lean interpreter that forks one init process per step.

Invariant: it holds no descriptor of any step after the fork, lives in the host's own namespaces, and ends at the end of
file on its socket; every step's init dies with it. Started as `python -I -S zygote.py FD [PARENT]`.
"""

import gc
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import socket

from metalor_lang.kernel import syscalls
from metalor_lang.runtime import confine, inner, protocol


def _close(fds: "list[int]") -> None:
    for fd in fds:
        os.close(fd)


def _start(control: socket.socket, own_pids: int, alive: "tuple[int, int]", fds: "list[int]") -> None:
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
        inner.run(fds, alive[0])
        status = 0
    finally:
        os._exit(status)


def main(fd: int, parent: int) -> None:
    """Serve until the builder is gone; `parent` is its pid when its main thread started us, else 0."""
    confine.prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps for us: signal(7)
    if parent:
        syscalls.set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != parent:
            return
    syscalls.set_dumpable(False)
    control = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    alive = os.pipe2(os.O_CLOEXEC)
    os.chdir("/")
    gc.disable()
    gc.freeze()
    while True:
        payload, fds = protocol.receive(control)
        if not payload:
            return
        try:
            _start(control, own_pids, alive, fds)
        finally:
            _close(fds)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
