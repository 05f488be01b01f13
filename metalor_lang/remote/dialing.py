"""Connections that can be ended from another thread at any time: while a name is looked up, made, or used.

Invariant: whoever waits here wakes within a tenth of a second when the switch is fired.
"""

import errno
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from metalor_lang.hints import Any, Final

_LOOK: Final = 0.1


class Halt:
    """The switch that ends transfers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._event = threading.Event()

    @property
    def fired(self) -> bool:
        """They are to end."""
        return self._event.is_set()

    def fire(self) -> None:
        """End them, now and later ones at once."""
        self._event.set()
        with self._lock:
            for sock in self._sockets:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """Raises InterruptedError when it was fired."""
        if self.fired:
            raise InterruptedError("the transfer was ended")

    def wait(self, seconds: float) -> None:
        """Sleep; raises InterruptedError when it is fired."""
        self._event.wait(seconds)
        self.check()

    @contextmanager
    def covers(self, sock: socket.socket) -> Iterator[None]:
        """While a connection is used, whatever becomes of this socket of it (TLS takes it over)."""
        mine = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            self._sockets.add(mine)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._sockets.discard(mine)
            mine.close()


def dial(host: str, port: int, timeout: float, halt: Halt) -> socket.socket:
    """Connect to a server, trying its numbers one after another.

    Args:
        host: of the server.
        port: of the server.
        timeout: seconds for all of it.
        halt: ends it.

    Raises:
        InterruptedError: `halt` was fired.
        OSError: no number could be connected to; the reason of the last one.

    """
    until = time.monotonic() + timeout
    problem: OSError = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    for family, kind, protocol, _, place in _look_up(host, port, until, halt):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            _connect(sock, place, until, halt)
        except InterruptedError:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            problem = error
            continue
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise problem


_Found = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]


def _look_up(host: str, port: int, until: float, halt: Halt) -> _Found:
    found: list[_Found | OSError] = []
    done = threading.Event()

    def work() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.append(error)
        done.set()

    # It cannot be interrupted (getaddrinfo(3)), but left alone.
    threading.Thread(target=work, name="look up", daemon=True).start()
    while not done.wait(_LOOK):
        halt.check()
        if time.monotonic() > until:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def _connect(sock: socket.socket, place: tuple[Any, ...], until: float, halt: Halt) -> None:
    status = sock.connect_ex(place)
    if status == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        while not poll.poll(_LOOK * 1000):
            halt.check()
            if time.monotonic() > until:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if status:
        raise OSError(status, os.strerror(status))
