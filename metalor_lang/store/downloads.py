"""What was fetched: a record for each address and what it gave, and the parts of what is still on its way.

Invariant: a record names a blob that is in the store; a part belongs to whoever holds the lock of its name, and what is
noted beside it says which version of the file it is a part of.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from metalor_lang.digest import Json
from metalor_lang.record import dataclass, field
from metalor_lang.store import files
from metalor_lang.store.blobs import Blobs
from metalor_lang.store.core import Core
from metalor_lang.store.errors import guarded
from metalor_lang.store.records import Shelf, file_name


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRecord:
    """What an address gave.

    Args:
        key: what was asked for.
        digest: of the blob.
        size: its bytes.
        source: the address, for people.
        checked: when the address last gave it, in seconds since 1970.
        notes: what the server said of its version (`etag`, `modified`), or which commit it is.

    """

    key: str
    digest: str
    size: int
    source: str
    checked: int
    notes: Mapping[str, str] = field(default_factory=dict)


def _body(record: DownloadRecord) -> dict[str, Json]:
    return {
        "key": record.key,
        "digest": record.digest,
        "size": record.size,
        "source": record.source,
        "checked": record.checked,
        "notes": dict(record.notes),
    }


def _record(body: dict[str, Json]) -> DownloadRecord:
    return DownloadRecord(
        key=files.text_of(body, "key"),
        digest=files.text_of(body, "digest"),
        size=files.number_of(body, "size"),
        source=files.text_of(body, "source"),
        checked=files.number_of(body, "checked"),
        notes=_notes(body, "notes"),
    )


def _notes(body: dict[str, Json], name: str) -> dict[str, str]:
    return {key: str(value) for key, value in files.mapping_of(body, name).items()}


class Downloads(Shelf[DownloadRecord]):
    """The records of what was fetched."""

    def __init__(self, core: Core, blobs: Blobs) -> None:
        super().__init__(core, "downloads", "record of a download", _body, _record)
        self._blobs = blobs

    def part(self, key: str) -> "Part":
        """The unfinished file of what is asked for; the caller holds the lock `download:KEY`."""
        return Part(self._core, self._blobs, key)

    def _names(self, record: DownloadRecord) -> tuple[str, ...]:
        return (record.digest,)

    def _complete(self, record: DownloadRecord, seen: set[str]) -> bool:
        try:
            return self._blobs.path(record.digest).stat().st_size == record.size
        except (OSError, ValueError):
            return False


class Part:
    """The beginning of a file that is being fetched; it outlives the process, so that a later one goes on with it.

    Args:
        core, blobs: of the store.
        key: what was asked for.

    """

    def __init__(self, core: Core, blobs: Blobs, key: str) -> None:
        self._core = core
        self._blobs = blobs
        self._path = core.root / "partial" / file_name(key)
        self._aside = self._path.with_suffix(".json")

    @property
    def path(self) -> Path:
        """Its file, which need not exist."""
        return self._path

    def notes(self) -> dict[str, str]:
        """What was noted of it; nothing where nothing is known."""
        try:
            body = files.read_sealed(self._aside)
        except files.Damaged:
            body = None
        return {} if body is None else {key: str(value) for key, value in body.items()}

    def note(self, notes: Mapping[str, str]) -> None:
        """Note of which version of the file it is a part."""
        with guarded(self._core.root):
            token = self._core.lease.token
            files.write_whole(
                self._aside, files.seal(dict(notes)), scratch=self._core.tmp, token=token, durable=False
            )  # fmt: skip

    def open(self) -> int:
        """Its file, open to read and write, made where there is none."""
        with guarded(self._core.root):
            return files.open_private(self._path, os.O_RDWR | os.O_CREAT)

    def write(self, fd: int, data: bytes, at: int) -> None:
        """Write bytes at a place of the open file; raises StoreFull."""
        with guarded(self._core.root):
            view = memoryview(data)
            while view:
                done = os.pwrite(fd, view, at)
                view, at = view[done:], at + done

    def finish(self, digest: str) -> int:
        """Keep it as the blob of the digest that its bytes have; gives its size."""
        size = self._blobs.adopt(self._path, digest)
        self._forget_notes()
        return size

    def discard(self) -> None:
        """Throw it away."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._forget_notes()

    def _forget_notes(self) -> None:
        with suppress(FileNotFoundError):
            self._aside.unlink()
