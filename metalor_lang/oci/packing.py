"""Blocks packed and hashed by threads, in order, into a sink.

Invariant: the bytes depend on the blocks alone, never on the number of threads; a few blocks are in memory at any time;
the first error of a thread is raised where blocks are handed in, and no thread outlives `close` or `abandon`.
"""

import hashlib
import os
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol, runtime_checkable

from metalor_lang.oci.blocks import BLOCK_SIZE
from metalor_lang.oci.compressors import Compressor, compressor
from metalor_lang.oci.media import Compression

_MOST_THREADS: Final = 8
"""Together they pack faster than one thread can read and hash."""
_WAITING: Final = 2
"""Blocks that wait to be packed, so that no thread does."""


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take all of `data`."""
        ...


@runtime_checkable
class HashingSink(Sink, Protocol):
    """A sink that knows the digest of what went into it."""

    @property
    def digest(self) -> str:
        """Of all bytes so far."""
        ...

    @property
    def size(self) -> int:
        """How many they are."""
        ...


class Hashed:
    """A sink that hashes and counts what goes to another."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._hasher = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """Of all bytes so far."""
        return "sha256:" + self._hasher.hexdigest()

    def write(self, data: bytes | memoryview, /) -> None:
        """Hash, count and pass on."""
        self._hasher.update(data)
        self.size += len(data)
        self._sink.write(data)


_Job = tuple[bytearray, int, Future[bytes]]


class Packer:
    """Packs what is handed in.

    Args:
        sink: gets the packed bytes, from one thread at a time.
        compression: how.
        threads: how many pack at a time; None for one a processor. Only for tests another number.

    Attributes:
        plain: hash of what was handed in.

    """

    def __init__(self, sink: Sink, compression: Compression, threads: int | None = None) -> None:
        self.plain = hashlib.sha256()
        self._sink = sink
        self._compressor: Compressor = compressor(compression)
        self._threads = 1 if self._compressor.one_stream else threads or min(os.cpu_count() or 1, _MOST_THREADS)
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._made = 1
        self._pool: ThreadPoolExecutor | None = None
        self._writer: threading.Thread | None = None
        self._failed: BaseException | None = None

    def block(self) -> bytearray:
        """The first block to fill."""
        return bytearray(BLOCK_SIZE)

    def take(self, block: bytearray, filled: int) -> bytearray:
        """Pack a block; gives one to fill next, once there is one.

        Raises:
            OSError, MetalorError: what the sink raised for an earlier block.

        """
        if self._pool is None:
            # Small layers never come here, and need no threads.
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="pack")
            self._writer = threading.Thread(target=self._write, name="pack-write", daemon=True)
            self._writer.start()
        self._jobs.put((block, filled, self._pool.submit(self._pack, block, filled)))
        if self._made < self._threads + _WAITING + 1:
            self._made += 1
            given = bytearray(BLOCK_SIZE)
        else:
            given = self._free.get()
        if self._failed is not None:
            raise self._failed
        return given

    def _pack(self, block: bytearray, filled: int) -> bytes:
        with memoryview(block) as view, view[:filled] as part:
            return self._compressor.pack(part)

    def _write(self) -> None:
        while (job := self._jobs.get()) is not None:
            block, filled, packed = job
            if self._failed is None:
                try:
                    with memoryview(block) as view, view[:filled] as part:
                        self.plain.update(part)
                    self._sink.write(packed.result())
                except BaseException as error:
                    self._failed = error
            self._free.put(block)

    def close(self, block: bytearray, filled: int) -> None:
        """Pack the last block and wait for everything; errors as `take`."""
        self.abandon()
        if self._failed is not None:
            raise self._failed
        with memoryview(block) as view, view[:filled] as part:
            self.plain.update(part)
            self._sink.write(self._compressor.pack(part) + self._compressor.end())

    def abandon(self) -> None:
        """End the threads, after what they have begun."""
        if self._writer is not None:
            self._jobs.put(None)
            self._writer.join()
            self._writer = None
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
