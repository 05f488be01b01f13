"""Blobs of a layout while they are written.

Invariant: a blob appears under its name whole and on the disk, or not at all; what is left of one that was given up
is told from what is being written by a lock.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.errors import MachineError, machine_help
from metalor_lang.kernel.writeback import EarlyWriteback
from metalor_lang.oci.placing import temporary
from metalor_lang.store.files import locked


class BlobDraft:
    """A blob being written; gone when its context ends without `commit`. Whoever writes it knows its digest.

    Args:
        folder: where blobs of SHA-256 digests lie.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        fd, name = temporary(folder)
        self._name: str | None = name
        self._file = os.fdopen(fd, "wb")
        self._early = EarlyWriteback(fd)

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes.

        Raises:
            MachineError: the disk is full or not writable.

        """
        with shown(self._folder):
            self._file.write(data)
            self._early.wrote(len(data))

    def commit(self, digest: str) -> None:
        """Give it its name; errors as `write`."""
        assert self._name is not None, "the blob is already committed or discarded"
        with shown(self._folder):
            os.fchmod(self._file.fileno(), 0o644)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.rename(self._name, self._folder / digest.removeprefix("sha256:"))
            self._name = None

    def discard(self) -> None:
        """Remove what was written; does nothing after a commit."""
        if self._name is not None:
            # A full disk refuses the buffered rest, which is not wanted any more.
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                os.unlink(self._name)
            self._name = None


@contextlib.contextmanager
def blob_draft(folder: Path) -> Iterator[BlobDraft]:
    """Begin a blob in a folder, which is made; errors as `BlobDraft.write`."""
    with contextlib.ExitStack() as stack:
        with shown(folder):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder, fcntl.LOCK_SH))
            draft = BlobDraft(folder)
        try:
            yield draft
        finally:
            draft.discard()


@contextlib.contextmanager
def shown(folder: Path) -> Iterator[None]:
    """Say of a failing call that the blob cannot be written.

    Raises:
        MachineError: in place of an OSError.

    """
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"cannot write a blob into {folder}: {error.strerror}", help=machine_help(error.errno)
        ) from None
