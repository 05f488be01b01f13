"""The helper process: a lean interpreter that forks one init process per step.

Invariant: it holds no descriptor of any step once that is handed over, lives in a world of its own (see cradle), and
ends at the end of file on its socket; every step's init dies with it.

Started as `python -I -S zygote.py NAME=VALUE…`: `control_fd`, `parent` (the builder's pid when its main thread starts
us, else 0), `store` (a descriptor or -1), `own_users` (yes: enter a user namespace) with `shift` and `count` (the ids
of steps outside of it; 0: the same ones), `no_new_privileges` (yes or no), `tiers` (with commas), `guest` (the
architecture of the programs of steps; "" for this machine's) and `emulator` (its path on this machine).
"""

import gc
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from metalor_lang.kernel import syscalls
from metalor_lang.runtime import confine, cradle, emulation, inner, protocol
from metalor_lang.runtime.plain import Socket, adopted, pair, signal


class _Inits:
    """The init processes of steps: one is made ready while the step before it runs."""

    def __init__(self, control: Socket, tiers: "tuple[str, ...]") -> None:
        self._control = control
        self._tiers = tiers
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._alive = os.pipe2(os.O_CLOEXEC)
        self._kind = b""
        self._waiting: Socket | None = None

    def start(self, kind: bytes, fds: "list[int]") -> None:
        """Give a step to the one that waits, and make the next one ready: most often it will be of the same kind."""
        try:
            self._hand_over(kind, fds)
        except OSError as error:
            sock = adopted(os.dup(fds[0]))
            protocol.send(sock, protocol.encode_status(protocol.OURS, message=f"a step cannot start: {error}"))
            sock.close()
            return
        finally:
            for fd in fds:
                os.close(fd)
        self.make_ready(kind)

    def make_ready(self, kind: bytes) -> None:
        """Fork the next one ahead."""
        try:
            self._waiting = self._fork(kind)
        except OSError:
            pass  # tried again, and said, when it is needed
        self._kind = kind

    def _hand_over(self, kind: bytes, fds: "list[int]") -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            try:
                if kind == self._kind:
                    return protocol.send(waiting, kind, fds)
            except OSError:
                pass  # somebody has killed it: another one will do
            finally:
                waiting.close()
        fresh = self._fork(kind)
        try:
            protocol.send(fresh, kind, fds)
        finally:
            fresh.close()

    def _fork(self, kind: bytes) -> Socket:
        """Fork an init process, PID 1 of a new pid namespace, then come back to our own; give what leads to it."""
        ours, theirs = pair()
        try:
            syscalls.unshare(syscalls.CLONE_NEWPID)
            pid = os.fork()
        except BaseException:
            ours.close()
            theirs.close()
            raise
        if pid:
            theirs.close()
            # Children go where setns says: unshare(NEWPID) works only from our own namespace (pid_namespaces(7)).
            syscalls.setns(self._own_pids, syscalls.CLONE_NEWPID)
            return ours
        status = 1
        try:
            ours.close()
            self._control.close()
            os.close(self._own_pids)
            os.close(self._alive[1])
            inner.run(theirs, self._alive[0], self._tiers, kind)
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


def main(options: "dict[str, str]") -> None:
    """Serve until the builder is gone."""
    control = adopted(int(options["control_fd"]))
    os.set_inheritable(control.fileno(), False)
    try:
        _settle(
            int(options["parent"]), int(options["store"]), options["own_users"] == "yes", int(options["shift"]),
            int(options["count"]), options["no_new_privileges"] == "yes", options["guest"], options["emulator"],
        )  # fmt: skip
        inits = _Inits(control, tuple(options["tiers"].split(",")))
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
        _serve(control, inits)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the builder is gone


def _serve(control: Socket, inits: _Inits) -> None:
    inits.make_ready(protocol.kind(own_network=False, grouped=False))
    while True:
        payload, fds = protocol.receive(control)
        if not payload:
            return
        inits.start(payload, fds)


if __name__ == "__main__":
    main(dict(word.split("=", 1) for word in sys.argv[1:]))
    os._exit(0)  # the builder waits for our end, and the kernel takes apart faster than an interpreter
