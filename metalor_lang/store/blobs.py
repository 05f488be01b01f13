"""Blobs: bytes under their own SHA-256, hashed while written and again whenever read.

Invariant: a name in `blobs/sha256/` was complete and on the disk when it appeared, and a reader never hands out the
last bytes of a blob whose digest is wrong.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from metalor_lang.digest import valid_digest
from metalor_lang.hints import BinaryIO, Final, Self, cast
from metalor_lang.kernel.writeback import EarlyWriteback
from metalor_lang.sha import new_hash
from metalor_lang.store import files
from metalor_lang.store.core import Core, move_new
from metalor_lang.store.errors import DamagedBlob, DigestMismatch, MissingObject, guarded

_BUFFER: Final = 1 << 18


class BlobWriter:
    """A blob being written; nothing is kept unless `commit` is called."""

    def __init__(self, core: Core, directory: Path) -> None:
        self._core = core
        self._directory = directory
        self._path = core.scratch("blob")
        self._hasher = new_hash()
        self._size = 0
        with guarded(core.root):
            fd = files.open_private(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self._stream: BinaryIO | None = os.fdopen(fd, "wb", buffering=_BUFFER)
        self._early = EarlyWriteback(fd)

    @property
    def digest(self) -> str:
        """Of all bytes so far."""
        return "sha256:" + self._hasher.hexdigest()

    @property
    def size(self) -> int:
        """How many they are."""
        return self._size

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Add bytes; gives how many.

        Raises:
            StoreFull: no room.

        """
        assert self._stream is not None, "the blob is already committed or discarded"
        with guarded(self._core.root):
            self._stream.write(data)
        self._early.wrote(len(data))
        self._hasher.update(data)
        self._size += len(data)
        return len(data)

    def commit(self, expected: str | None = None) -> tuple[str, int]:
        """Keep the blob; gives its digest and size in bytes.

        Args:
            expected: the digest it must have, or None.

        Raises:
            DigestMismatch: it has another; nothing is kept.
            StoreFull: no room; nothing is kept.

        """
        stream = self._stream
        assert stream is not None, "the blob is already committed or discarded"
        digest = self.digest
        if expected is not None and digest != expected:
            raise DigestMismatch(f"the content has digest {digest}, not {expected} as promised ({self._size} bytes)")
        with guarded(self._core.root):
            stream.flush()
            os.fchmod(stream.fileno(), 0o444)
            os.fsync(stream.fileno())
            stream.close()
            self._stream = None
            self._core.lease.pin((digest,))
            _place(self._core, self._path, self._directory / digest.removeprefix("sha256:"), self._size)
        return digest, self._size

    def discard(self) -> None:
        """Drop what was written; does nothing after a commit."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            try:
                stream.close()
            except OSError:  # a full disk refuses the buffered rest, which is not wanted any more
                pass
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.discard()


def _place(core: Core, path: Path, target: Path, size: int) -> None:
    while not move_new(path, target):
        # Another writer was first. Same digest, so same bytes, unless theirs was damaged since.
        try:
            same = target.stat().st_size == size
        except FileNotFoundError:
            continue
        if same:
            path.unlink()
            return
        core.quarantine(target, f"blob sha256:{target.name}", "its size is wrong")
    files.sync_directory(target.parent)


class _VerifyingReader(io.RawIOBase):
    def __init__(self, core: Core, path: Path, digest: str) -> None:
        super().__init__()
        self._core = core
        self._path = path
        self._digest = digest
        self._file = path.open("rb", buffering=0)
        self._left = os.fstat(self._file.fileno()).st_size
        self._hasher = new_hash()
        self._checked = False

    def readable(self) -> bool:
        return True

    # Any buffer, as RawIOBase says; typeshed's own name for it is not importable at run time.
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view) or 0
        self._hasher.update(view[:count])
        self._left -= count
        # Checked with the last bytes, not after them: a caller that stops there has still been told.
        if (self._left <= 0 or count == 0) and not self._checked:
            if "sha256:" + self._hasher.hexdigest() != self._digest:
                self._core.quarantine(self._path, f"blob {self._digest}", "its bytes do not match its digest")
                raise DamagedBlob(
                    f"the stored blob {self._digest} is damaged: its bytes do not match its digest",
                    help="it was moved to the store's quarantine; build again to make it anew",
                )
            self._checked = True
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class Blobs:
    """The blobs of a store."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._directory = core.root / "blobs" / "sha256"

    def path(self, digest: str) -> Path:
        """Where a blob lies, which may not exist.

        Raises:
            ValueError: not a digest.

        """
        if not valid_digest(digest):
            raise ValueError(f"not a digest: {digest!r}")
        return self._directory / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Whether the blob is here; it is then also protected from gc while this process's lease lives."""
        with self._core.locks.gate(alone=False):
            if not self.path(digest).exists():
                return False
            self._core.lease.pin((digest,))
            return True

    def size(self, digest: str) -> int:
        """Bytes of a blob.

        Raises:
            MissingObject: it is not here.

        """
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise self._missing(digest) from None

    def open(self, digest: str) -> BinaryIO:
        """A stream of a blob's bytes that checks them: reading the last ones raises DamagedBlob when they are wrong.

        Raises:
            MissingObject: it is not here.

        """
        try:
            raw = _VerifyingReader(self._core, self.path(digest), digest)
        except FileNotFoundError:
            raise self._missing(digest) from None
        return cast(BinaryIO, io.BufferedReader(raw, _BUFFER))

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Begin a blob; discarded when the context ends without a commit."""
        with BlobWriter(self._core, self._directory) as writer:
            yield writer

    def put_bytes(self, data: bytes) -> str:
        """Keep bytes; gives their digest."""
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()[0]

    def adopt(self, path: Path, digest: str) -> int:
        """Take a whole file of the store's file system for the blob of a digest, which its bytes have; gives its size.

        Args:
            path: gone afterwards.
            digest: of its bytes, as the caller has hashed them.

        Raises:
            StoreFull: no room.

        """
        with guarded(self._core.root):
            fd = files.open_private(path, os.O_RDONLY)
            try:
                os.fchmod(fd, 0o444)
                os.fsync(fd)
                size = os.fstat(fd).st_size
            finally:
                os.close(fd)
            self._core.lease.pin((digest,))
            _place(self._core, path, self.path(digest), size)
        return size

    def all(self) -> Iterator[tuple[str, int]]:
        """Digest and size of every blob, in order."""
        for name in sorted(os.listdir(self._directory)):
            digest = f"sha256:{name}"
            if valid_digest(digest):
                try:
                    yield digest, self.size(digest)
                except MissingObject:
                    continue

    def _missing(self, digest: str) -> MissingObject:
        return MissingObject(f"blob {digest} is not in the store {self._core.root}", help="build again to make it anew")
