"""Bytes gathered into blocks of one size, files read straight into them.

Invariant: each block but the last is full, whatever pieces its bytes came in; memory is the one block being filled.
"""

import os
from collections.abc import Callable

from metalor_lang.hints import Final
from metalor_lang.oci.errors import NotExportable

BLOCK_SIZE: Final = 1 << 20
"""Bytes of a block: so many that handing it to another thread costs little, so few that caches hold some."""

ZEROS: Final = memoryview(bytes(4096))


class Blocks:
    """Fills blocks and hands them on.

    Args:
        take: gets a block and how much of it is filled, and gives another to fill, which is `BLOCK_SIZE` long.
        first: the first one.

    Attributes:
        view: the block being filled, for those who fill it themselves, as long as nothing else is called here.
        filled: how much of it is.

    """

    def __init__(self, take: Callable[[bytearray, int], bytearray], first: bytearray) -> None:
        self._take = take
        self._start(first)

    def _start(self, block: bytearray) -> None:
        self._block = block
        self.view = memoryview(block)
        self.filled = 0

    def _full(self) -> None:
        # No view may be left on a block whose bytes others read.
        self.view.release()
        self._start(self._take(self._block, self.filled))

    def write(self, data: bytes) -> None:
        """Add bytes."""
        end = self.filled + len(data)
        if end < BLOCK_SIZE:
            self.view[self.filled : end] = data
            self.filled = end
            return
        rest = memoryview(data)
        while rest:
            piece = rest[: BLOCK_SIZE - self.filled]
            self.view[self.filled : self.filled + len(piece)] = piece
            self.filled += len(piece)
            rest = rest[len(piece) :]
            if self.filled == BLOCK_SIZE:
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
        start = self.filled
        end = start + size
        padded = end + -end % unit
        if padded < BLOCK_SIZE:
            count = os.readv(fd, (self.view[start : end + 1],))
            if count == size:
                self.view[end:padded] = ZEROS[: padded - end]
                self.filled = padded
                return
            self.filled += count
        else:
            count = 0
        self._read_on(fd, size - count, name)
        self.write(bytes(-self.filled % unit))

    def _read_on(self, fd: int, left: int, name: str) -> None:
        ended = False
        while left > 0:
            wanted = min(left + 1, BLOCK_SIZE - self.filled)
            count = os.readv(fd, (self.view[self.filled : self.filled + wanted],))
            if not count:
                raise NotExportable(f"/{name} became shorter while it was read")
            left -= count
            ended = count < wanted
            self.filled += count
            if self.filled == BLOCK_SIZE:
                self._full()
        if left < 0 or (not ended and os.read(fd, 1)):
            raise NotExportable(f"/{name} became longer while it was read")

    def finish(self) -> tuple[bytearray, int]:
        """The last block, and how much of it is filled: possibly nothing."""
        self.view.release()
        return self._block, self.filled
