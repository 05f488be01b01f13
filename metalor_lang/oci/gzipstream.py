"""One gzip stream deflated by several threads.

Invariant: the bytes depend on the input alone: blocks begin every 1 MiB whatever the threads and the chunks written,
each one primed with the 32 KiB before it, and the header has no name and time 0 (RFC 1951, RFC 1952).
"""

import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

LEVEL: Final = 6
_BLOCK: Final = 1 << 20
_WINDOW: Final = 32 << 10
_HEADER: Final = b"\x1f\x8b\x08" + bytes(6) + b"\x03"
_MOST_THREADS: Final = 8


def _deflate(block: bytes, before: bytes, last: bool) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -15, zdict=before)
    return packer.compress(block) + packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


class GzipStream:
    """Compresses what it is given, in order; memory stays at a few blocks per thread."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or min(os.cpu_count() or 1, _MOST_THREADS)
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: deque[Future[bytes]] = deque()
        self._buffer = bytearray()
        self._before = b""
        self._crc = 0
        self._size = 0
        self._started = False

    def compress(self, data: bytes) -> bytes:
        """Take bytes; give what is ready of the stream, often nothing."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._buffer += data
        out = [self._head()]
        # The last block is only known at the end: one byte more than a block must be there.
        while len(self._buffer) > _BLOCK:
            block = bytes(self._buffer[:_BLOCK])
            del self._buffer[:_BLOCK]
            out.append(self._submit(block))
        return b"".join(out)

    def flush(self) -> bytes:
        """End the stream; the rest of its bytes."""
        out = [self._head()]
        last = _deflate(bytes(self._buffer), self._before, True)
        out.extend(job.result() for job in self._jobs)
        self._jobs.clear()
        self.close()
        trailer = self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        return b"".join([*out, last, trailer])

    def close(self) -> None:
        """End the threads; needed only when the stream is given up."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _head(self) -> bytes:
        started, self._started = self._started, True
        return b"" if started else _HEADER

    def _submit(self, block: bytes) -> bytes:
        before, self._before = self._before, block[-_WINDOW:]
        if self._threads == 1:
            return _deflate(block, before, False)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="deflate")
        self._jobs.append(self._pool.submit(_deflate, block, before, False))
        out = []
        while self._jobs and (self._jobs[0].done() or len(self._jobs) > 2 * self._threads):
            out.append(self._jobs.popleft().result())
        return b"".join(out)
