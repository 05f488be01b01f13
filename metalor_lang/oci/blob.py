"""Blobs read as streams that are checked.

Invariant: no byte of a blob counts as read unless the whole blob has the size and the digest of its descriptor.
"""

import io
from collections.abc import Callable
from types import TracebackType

from metalor_lang.hints import BinaryIO, Final, Self
from metalor_lang.oci.errors import BlobDamaged, BlobTruncated
from metalor_lang.oci.spec import Descriptor
from metalor_lang.sha import new_hash

_CHUNK: Final = 1 << 20
FETCH_AGAIN: Final = "copy or fetch the image again"
"""What helps against every damaged blob."""


class VerifiedReader(io.RawIOBase):
    """A blob read as a stream: at its end, or by `finish()`, size and digest are checked.

    Leaving its `with` block without an exception reads what is left, so nothing is accepted unchecked.

    Args:
        file: the bytes; closed with this.
        descriptor: what they must be.
        where: for errors.
        condemn: called when they are not that, before it is said; may raise an error of its own.

    """

    def __init__(
        self, file: BinaryIO, descriptor: Descriptor, where: str, *, condemn: Callable[[], None] = lambda: None
    ) -> None:
        self._file = file
        self._descriptor = descriptor
        self._where = where
        self._condemn = condemn
        self._hash = new_hash(descriptor.size)
        self._count = 0
        self._checked = False

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def fileno(self) -> int:
        """The descriptor of the file; OSError when it has none."""
        return self._file.fileno()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; 0 at the end, once everything has been checked."""
        if isinstance(self._file, io.FileIO):
            count = self._file.readinto(buffer)
        else:
            data = self._file.read(len(buffer))
            count = len(data)
            buffer[:count] = data
        if count == 0 and len(buffer) > 0:
            self._check()
            return 0
        self._count += count
        if self._count > self._descriptor.size:
            raise self._wrong_size("longer")
        self._hash.update(buffer[:count])
        return count

    def finish(self) -> None:
        """Read to the end; raises BlobDamaged, BlobTruncated."""
        buffer = memoryview(bytearray(min(_CHUNK, self._descriptor.size + 1)))
        while not self._checked and self.readinto(buffer):
            pass

    def close(self) -> None:
        """Close without a check."""
        if not self.closed:
            self._file.close()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.closed:
                self.finish()
        finally:
            self.close()

    def _wrong_size(self, word: str) -> BlobDamaged:
        self._condemn()
        expected = self._descriptor.size
        kind = BlobTruncated if word == "shorter" else BlobDamaged
        return kind(
            f"the blob {self._descriptor.digest} in {self._where} is {word} than its descriptor says: "
            f"expected {expected} bytes, found {self._count if word == 'shorter' else f'more than {expected}'}",
            expected=str(expected),
            found=str(self._count),
            help=FETCH_AGAIN,
        )

    def _check(self) -> None:
        if self._checked:
            return
        if self._count < self._descriptor.size:
            raise self._wrong_size("shorter")
        found = "sha256:" + self._hash.hexdigest()
        if found != self._descriptor.digest:
            self._condemn()
            raise BlobDamaged(
                f"the blob {self._descriptor.digest} in {self._where} is damaged: its bytes have the digest {found}",
                expected=self._descriptor.digest,
                found=found,
                help=FETCH_AGAIN,
            )
        self._checked = True
