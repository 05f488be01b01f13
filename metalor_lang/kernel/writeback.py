"""What is being written, brought to the disk meanwhile.

Invariant: nothing is promised by it; who needs it on the disk asks for that (fsync, syncfs), and finds little left.
"""

import os
from contextlib import suppress

from metalor_lang.hints import Final
from metalor_lang.kernel import syscalls

_STEP: Final = 8 << 20
"""Bytes that are handed to the disk at once: enough to lie together, few enough that the last ones are soon written."""


class EarlyWriteback:
    """Hands what was written to one file to the disk, piece by piece.

    Args:
        fd: of the file, written from its beginning on; a small buffer in between only leaves more to the end.

    """

    __slots__ = ("_begun", "_fd", "_written")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._begun = self._written = 0

    def wrote(self, count: int) -> None:
        """Say that so many more bytes were written."""
        self._written += count
        if self._written - self._begun >= _STEP:
            syscalls.start_writeback(self._fd, self._begun, self._written - self._begun)
            self._begun = self._written


def begin_sync(fd: int) -> None:
    """Have what was written so far to the file system of an open file brought to the disk, while others go on."""
    import threading

    def work() -> None:
        with suppress(OSError):  # the sync that counts will say so
            try:
                syncfs(own)
            finally:
                os.close(own)

    syncfs = syscalls.syncfs
    own = os.dup(fd)
    try:
        threading.Thread(target=work, name="write-back", daemon=True).start()
    except RuntimeError:  # as many threads as there may be: then later, at once
        os.close(own)
