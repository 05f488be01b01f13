"""Bytes gathered into blocks of one size, files read straight into them.

Invariant: each block but the last is full, whatever pieces its bytes came in; memory is the one block being filled.
"""

import os
from collections.abc import Callable

from metalor_lang.hints import Final
from metalor_lang.oci.errors import NotExportable

BLOCK_SIZE: Final = 1 << 20
"""Bytes of a block: so many that handing it to another thread costs little, so few that caches hold some."""

_ZEROS: Final = memoryview(bytes(4096))


class Blocks:
    """Fills blocks and hands them on.

    Args:
        take: gets a block and how much of it is filled, and gives another to fill, which is `BLOCK_SIZE` long.
        first: the first one.

    """

    def __init__(self, take: Callable[[bytearray, int], bytearray], first: bytearray) -> None:
        self._take = take
        self._start(first)

    def _start(self, block: bytearray) -> None:
        self._block = block
        self._view = memoryview(block)
        self._filled = 0

    def _full(self) -> None:
        # No view may be left on a block whose bytes others read.
        self._view.release()
        self._start(self._take(self._block, self._filled))

    def write(self, data: bytes) -> None:
        """Add bytes."""
        end = self._filled + len(data)
        if end < BLOCK_SIZE:
            self._view[self._filled : end] = data
            self._filled = end
            return
        rest = memoryview(data)
        while rest:
            piece = rest[: BLOCK_SIZE - self._filled]
            self._view[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            rest = rest[len(piece) :]
            if self._filled == BLOCK_SIZE:
                self._full()

    def read(self, fd: int, size: int, name: str, unit: int) -> None:
        """Add a file's whole content, and zeros up to a multiple of `unit`.

        Args:
            fd: at its beginning.
            size: bytes that it must have.
            name: for errors.
            unit: divides `BLOCK_SIZE`, and is at most 4096.

        Raises:
            NotExportable: it has more or less.

        """
        # One byte more than there should be, if there is room: so that one call tells that the file ends there.
        start = self._filled
        end = start + size
        padded = end + -end % unit
        if padded < BLOCK_SIZE:
            count = os.readv(fd, (self._view[start : end + 1],))
            if count == size:
                self._view[end:padded] = _ZEROS[: padded - end]
                self._filled = padded
                return
            self._filled += count
        else:
            count = 0
        self._read_on(fd, size - count, name)
        self.write(bytes(-self._filled % unit))

    def _read_on(self, fd: int, left: int, name: str) -> None:
        ended = False
        while left > 0:
            wanted = min(left + 1, BLOCK_SIZE - self._filled)
            count = os.readv(fd, (self._view[self._filled : self._filled + wanted],))
            if not count:
                raise NotExportable(f"/{name} became shorter while it was read")
            left -= count
            ended = count < wanted
            self._filled += count
            if self._filled == BLOCK_SIZE:
                self._full()
        if left < 0 or (not ended and os.read(fd, 1)):
            raise NotExportable(f"/{name} became longer while it was read")

    def finish(self) -> tuple[bytearray, int]:
        """The last block, and how much of it is filled: possibly nothing."""
        self._view.release()
        return self._block, self._filled
