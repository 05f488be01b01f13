"""Join the user's terminal to the one inside a step.

Invariant: the user's terminal gets its own settings back, whatever happens; the step's job control happens entirely on
its own side, so Ctrl-C is a byte to us.
"""

import fcntl
import os
import select
import signal
import struct
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from metalor_lang.kernel.signals import handled
from metalor_lang.kernel.whole import write_all
from metalor_lang.runtime.plain import Socket
from metalor_lang.runtime.request import Streams

_CHUNK = 1 << 16


def own_streams() -> Streams:
    """Our own standard streams, and our terminal where input and output are one."""
    return Streams(
        output=partial(write_all, 1),
        errors=partial(write_all, 2),
        stdin=0 if _is_open(0) else None,
        terminal=0 if os.isatty(0) and os.isatty(1) else None,
    )


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def size(fd: int) -> tuple[int, int]:
    """Give rows and columns of the terminal `fd`; 24 by 80 where it is none or does not know."""
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        return 24, 80
    return (rows, columns) if rows and columns else (24, 80)


@contextmanager
def _raw(fd: int) -> Iterator[None]:
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def _following_size(fd: int, master: int) -> Iterator[None]:
    """Pass changes of the window on; signals can be caught in the main thread only."""

    def resized(number: int, frame: object) -> None:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *size(fd), 0, 0))

    with handled((signal.SIGWINCH,), resized) as heard:
        if heard:
            resized(signal.SIGWINCH, None)
        yield


def join(terminal: int, master: int, sock: Socket) -> None:
    """Copy between `terminal` and the step's `master` (closed at the end) until the step lets go of its terminal.

    Args:
        terminal: the user's terminal, read and written.
        master: the controlling side of the step's terminal.
        sock: the step's socket; something to read on it means that the step has ended.

    """
    try:
        with _raw(terminal), _following_size(terminal, master):
            _copy(terminal, master, sock)
    finally:
        os.close(master)


def _copy(terminal: int, master: int, sock: Socket) -> None:
    poll = select.poll()
    for fd in (terminal, master, sock.fileno()):
        poll.register(fd, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if master in ready:
            try:
                data = os.read(master, _CHUNK)
            except OSError:  # EIO: nobody has the other side open any more
                return
            if not data:
                return
            write_all(terminal, data)
        elif sock.fileno() in ready:
            return
        if terminal in ready:
            typed = os.read(terminal, _CHUNK)
            if typed:
                write_all(master, typed)
            else:  # the user's side is at its end: say so inside, once
                poll.unregister(terminal)
                write_all(master, b"\x04")
