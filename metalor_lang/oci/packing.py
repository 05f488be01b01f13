"""Blocks packed and hashed by threads, in order, into a sink.

Invariant: the bytes depend on the blocks alone, never on the number of threads; a few blocks are in memory at any time;
the first error of a thread is raised where blocks are handed in, and no thread outlives `close` or `abandon`.
"""

import hashlib
import os
import queue
import threading
from collections.abc import Callable
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


class _Job:
    """A block on its way; `ready` is locked until it is packed, or `error` says why it is not."""

    __slots__ = ("block", "error", "filled", "packed", "ready")

    def __init__(self, block: bytearray, filled: int) -> None:
        self.block, self.filled = block, filled
        self.packed = b""
        self.error: BaseException | None = None
        self.ready = threading.Lock()
        self.ready.acquire()


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
        # Queues and a lock a block, no pool and no futures: each of their turns would ask for the interpreter's lock,
        # which the thread that reads needs for every file.
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._work: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._order: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._made = 1
        self._running: list[threading.Thread] = []
        self._failed: BaseException | None = None

    def block(self) -> bytearray:
        """The first block to fill."""
        return bytearray(BLOCK_SIZE)

    def take(self, block: bytearray, filled: int) -> bytearray:
        """Pack a block; gives one to fill next, once there is one.

        Raises:
            OSError, MetalorError: what the sink raised for an earlier block.

        """
        if not self._running:
            # Small layers never come here, and need no threads.
            for _ in range(self._threads):
                self._start(self._pack, "pack")
            self._start(self._write, "pack-write")
        job = _Job(block, filled)
        self._work.put(job)
        self._order.put(job)
        if self._made < self._threads + _WAITING + 1:
            self._made += 1
            given = bytearray(BLOCK_SIZE)
        else:
            given = self._free.get()
        if self._failed is not None:
            raise self._failed
        return given

    def _start(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._running.append(thread)

    def _pack(self) -> None:
        while (job := self._work.get()) is not None:
            try:
                with memoryview(job.block) as view, view[: job.filled] as part:
                    job.packed = self._compressor.pack(part)
            except BaseException as error:
                job.error = error
            job.ready.release()

    def _write(self) -> None:
        while (job := self._order.get()) is not None:
            if self._failed is None:
                try:
                    with memoryview(job.block) as view, view[: job.filled] as part:
                        self.plain.update(part)
                    job.ready.acquire()
                    if job.error is not None:
                        raise job.error
                    self._sink.write(job.packed)
                except BaseException as error:
                    self._failed = error
            self._free.put(job.block)

    def close(self, block: bytearray, filled: int) -> None:
        """Pack the last block and wait for everything; errors as `take`."""
        self.abandon()
        if self._failed is not None:
            raise self._failed
        with memoryview(block) as view, view[:filled] as part:
            self.plain.update(part)
            self._sink.write(self._compressor.pack(part) + self._compressor.end())

    def abandon(self) -> None:
        """End the threads, after what they were given."""
        for thread in self._running:
            (self._order if thread.name == "pack-write" else self._work).put(None)
        for thread in self._running:
            thread.join()
        self._running.clear()
