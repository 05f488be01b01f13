"""Bytes of a step as text of a notebook.

Invariant: a character is sent whole, however the bytes were cut; control characters are made visible as everywhere.
"""

from collections.abc import Callable

from metalor_lang.screen.text import output_line


class Stream:
    """One of a cell's two streams; whole lines are sent.

    Args:
        send: sends text.

    """

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Send the lines that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self._send("".join(f"{output_line(line)}\n" for line in lines))

    def close_line(self) -> None:
        """Send what came without an end of line."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._send(f"{output_line(rest)}\n")
