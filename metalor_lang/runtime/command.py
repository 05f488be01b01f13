"""The process that becomes a step's command: forked before the step is known, told what to run when its root is there.

Invariant: until it is told, nothing of the step's is in it; from the fork on it is under the filter, and whatever goes
wrong is told over the error pipe before it ends. Lean: imported by the helper.
"""

import os

from metalor_lang.runtime import confine, protocol
from metalor_lang.runtime.plain import Socket, pair, signal
from metalor_lang.runtime.protocol import Order


class Command:
    """The process, as its step's init sees it; made in the namespaces of the step.

    Attributes:
        pid: as the step's pid namespace numbers it.
        wake: readable when children have died.

    """

    __slots__ = ("_hand", "_said", "pid", "wake")

    def __init__(self) -> None:
        self.wake, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._said, say = os.pipe2(os.O_CLOEXEC)
        self._hand, theirs = pair()
        self.pid = os.fork()
        if not self.pid:
            status = 1
            try:
                signal.set_wakeup_fd(-1)
                self._hand.close()
                _wait_and_become(theirs)
            except confine.Failed as failed:
                status = _tell(say, failed.code, str(failed))
            except OSError as error:
                status = _tell(say, protocol.OURS, f"the command cannot be confined: {error}")
            except Exception as error:
                status = _tell(say, protocol.OURS, f"the command cannot be confined: {error!r}")
            finally:
                os._exit(status)
        os.close(say)
        theirs.close()

    def start(self, order: int, streams: "tuple[int, int, int]") -> None:
        """Let it run: the order as an anonymous file, then standard input, output and error, which are closed here."""
        try:
            protocol.send(self._hand, b"run", [order, *streams])
        except OSError:
            pass  # it has ended: `failure` says why
        self._hand.close()
        for fd in {order, *streams}:
            os.close(fd)

    def failure(self) -> bytes:
        """What it said before an exec that never came, once it is dead."""
        said = b""
        while part := os.read(self._said, 65536):
            said += part
        return said


def _wait_and_become(hand: Socket) -> None:
    confine.ready()
    protocol.rehearse()
    payload, fds = protocol.receive(hand)
    if payload:
        order, *streams = fds
        confine.become(Order.decode(protocol.from_memory(order), []), *streams)


def _tell(fd: int, code: int, message: str) -> int:
    os.write(fd, protocol.encode_status(code, message=message))
    return code
