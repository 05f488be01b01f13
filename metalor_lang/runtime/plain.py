"""Sockets and signals from the C modules below the standard library's: the helper's start and its forks are paid for.

`socket`, `signal` and `json` are the same calls behind enumerations, selectors and regular expressions, whose import
takes half of the helper's start and whose memory every fork copies.

Invariant: nothing here opens what it is not told to. Lean: imported by the helper.
"""

import _signal as signal  # type: ignore[import-not-found]
import _socket as socket

__all__ = ["Socket", "adopted", "pair", "signal", "socket"]

Socket = socket.socket


def pair() -> "tuple[Socket, Socket]":
    """Two ends of packets in order, close-on-exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def adopted(fd: int) -> Socket:
    """The end that a descriptor is, which it owns from now on."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fd)
