"""A layer's blob as verified, decompressed chunks, made in a thread of its own.

Invariant: nothing is held that the archive could make large: chunks are bounded, the queue is bounded, and the whole
stream is read and hashed before `finish` says that it was the right one.
"""

import hashlib
import queue
import threading
from collections.abc import Callable, Iterator

from metalor_lang.errors import MachineError
from metalor_lang.hints import IO, Final, cast
from metalor_lang.oci.budget import Budgets, LayerRefused
from metalor_lang.oci.gunzip import CHUNK, Readable, gunzip
from metalor_lang.oci.media import Compression

_READ: Final = 64 << 10
_QUEUED: Final = 16
_WINDOW: Final = 1 << 27
"""Bytes of a zstd window: what `zstd --ultra` reaches without --long, and registries refuse more."""
_ZSTD_MAGICS: Final = (b"\x28\xb5\x2f\xfd", *(bytes((0x50 + low, 0x2A, 0x4D, 0x18)) for low in range(16)))


Source = Readable
"""Where compressed bytes come from; it raises by itself when its own digest is wrong."""


def _nobody(_: int) -> None:
    return None


def inflate(source: Source, compression: Compression, holding: Callable[[int], None] = _nobody) -> Iterator[bytes]:
    """Decompress a stream, in chunks of at most 512 KiB; the source is read to its end.

    Args:
        source: the compressed bytes.
        compression: of them.
        holding: told before each chunk how many bytes were read and not used yet (gzip only).

    Raises:
        LayerRefused: it is not of this compression, damaged, or ends early.
        MachineError: zstd is needed and its module is missing.

    """
    match compression:
        case Compression.NONE:
            while chunk := source.read(CHUNK):
                yield chunk
        case Compression.GZIP:
            yield from gunzip(source, holding)
        case Compression.ZSTD:
            yield from _unzstd(source)


def _unzstd(source: Source) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise MachineError(
            "the layer is packed with zstd, and the Python module zstandard is not installed",
            help="install it: pip install 'metalor-lang[zstd]', or apt install python3-zstandard",
        ) from None
    head = _Peeked(source)
    if not head.peek(4).startswith(_ZSTD_MAGICS):
        raise LayerRefused("", "it is not zstd")
    reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(
        cast("IO[bytes]", head), read_size=_READ, read_across_frames=True
    )
    try:
        while chunk := reader.read(CHUNK):
            yield chunk
    except zstandard.ZstdError as error:
        raise LayerRefused("", f"its zstd stream is damaged ({error})") from None


class _Peeked:
    """A source whose first bytes were looked at."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._head = b""

    def peek(self, count: int) -> bytes:
        while len(self._head) < count and (more := self._source.read(count - len(self._head))):
            self._head += more
        return self._head

    def read(self, size: int = CHUNK) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._source.read(size) or b""


class _Counted:
    """Counts the compressed bytes that were read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.count = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size) or b""
        self.count += len(data)
        return data


class Meter:
    """The bytes one image has used of its `Budgets.data`."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._lock = threading.Lock()
        self._used = 0

    @property
    def used(self) -> int:
        """How many they are."""
        return self._used

    def use(self, count: int, entry: str = "") -> None:
        """Take `count` bytes.

        Raises:
            LayerRefused: more than there may be.

        """
        with self._lock:
            self._used += count
            used = self._used
        if used > self._budgets.data:
            raise LayerRefused(entry, f"the image has more than {self._budgets.data} bytes of files")


class Inflater:
    """Chunks of one blob, read, inflated and hashed in a thread while the caller writes files.

    Use as a context manager around the iteration; leaving it ends the thread.

    Args:
        source: the compressed bytes.
        compression: of them.
        meter: of the whole image.
        budgets: limits over it.
        whole: called in the thread when all is inflated: its processor is free from then on.

    """

    def __init__(
        self,
        source: Source,
        compression: Compression,
        meter: Meter,
        budgets: Budgets,
        whole: Callable[[], None] | None = None,
    ) -> None:
        self._source = _Counted(source)
        self.compression = compression
        self._meter = meter
        self._budgets = budgets
        self._whole = whole
        self._hash = hashlib.sha256()
        self._queue: queue.Queue[tuple[bytes, int] | BaseException | None] = queue.Queue(_QUEUED)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="inflate", daemon=True)
        self._ended = False
        self._inflated = 0
        self._consumed = 0
        self._held = 0

    @property
    def consumed(self) -> int:
        """The compressed bytes that were needed for the chunks given so far."""
        return self._consumed

    def __enter__(self) -> "Inflater":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                pass
        self._thread.join()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        item = self._queue.get()
        if isinstance(item, tuple):
            chunk, self._consumed = item
            return chunk
        self._ended = True
        if item is not None:
            raise item
        raise StopIteration

    def finish(self, diff_id: str) -> None:
        """Check the digest of the inflated stream; the iteration must have ended.

        Raises:
            LayerRefused: it is not `diff_id`.

        """
        for _ in self:
            pass
        found = "sha256:" + self._hash.hexdigest()
        if found != diff_id:
            raise LayerRefused("", f"its content is {found}, and the image's config says {diff_id}")

    def _work(self) -> None:
        try:
            for chunk in self._chunks(self._source):
                self._hash.update(chunk)
                self._account(len(chunk))
                if self._stop.is_set():
                    return
                self._queue.put((chunk, self._source.count - self._held))
            if self._source.read(1):
                raise LayerRefused("", "bytes follow its end")
            if self._whole is not None:
                self._whole()
            self._queue.put(None)
        except BaseException as error:
            if not self._stop.is_set():
                self._queue.put(error)

    def _chunks(self, source: Source) -> Iterator[bytes]:
        return inflate(source, self.compression, self._hold)

    def _hold(self, count: int) -> None:
        self._held = count

    def _account(self, count: int) -> None:
        self._inflated += count
        self._meter.use(count)
        if self._inflated > self._budgets.ratio_from and self._inflated > self._budgets.ratio * self._source.count:
            raise LayerRefused("", f"one byte of it becomes more than {self._budgets.ratio}: it looks like a bomb")
