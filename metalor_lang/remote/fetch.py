"""Files by their address, fetched once and kept in the store.

Invariant: a blob is handed out for an address only when that address gave it, whole and with the hash that was asked
for; who wants what another one fetches waits for it.
"""

import os
import stat
import time
from collections.abc import Mapping

from metalor_lang.record import dataclass
from metalor_lang.remote.address import file_path, parse
from metalor_lang.remote.dialing import Halt
from metalor_lang.remote.errors import FetchRefused
from metalor_lang.remote.exchange import Patience
from metalor_lang.remote.transfer import CHUNK, Arrived, Progress, Transfer
from metalor_lang.store.downloads import DownloadRecord
from metalor_lang.store.store import Store


def _nobody(done: int, total: int | None) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file in the store: the digest of its blob, its bytes, and whether nothing had to be fetched."""

    digest: str
    size: int
    cached: bool


class Fetcher:
    """Fetches files into a store.

    Args:
        store: keeps them.
        patience: how long is waited.
        halt: ends everything.

    """

    def __init__(
        self,
        store: Store,
        *,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        halt: Halt | None = None,
    ) -> None:
        self._store = store
        self._patience = patience
        self._halt = halt or Halt()

    def pinned(self, url: str, digest: str, progress: Progress = _nobody) -> Fetched:
        """The file of an address, which must have a digest.

        Args:
            url: http, https or file.
            digest: "sha256:…".
            progress: told now and then.

        Raises:
            FetchRefused: it cannot be had, or has another digest.
            InterruptedError: `halt` was fired.
            StoreFull: no room.

        """
        key = f"{digest} {url}"
        with self._store.locks.exclusive(f"download:{key}", stop=self._stopped):
            known = self._store.downloads.get(key)
            if known is not None:
                return Fetched(digest=digest, size=known.size, cached=True)
            if (path := file_path(url)) is not None:
                arrived = self._from_disk(url, path, digest, progress)
            else:
                found = self._transfer(url, key, digest, progress)
                assert found is not None
                arrived = found
            self._keep(key, url, arrived.digest, arrived.size, arrived.notes)
        return Fetched(digest=digest, size=arrived.size, cached=False)

    def latest(self, url: str, max_age: int | None = None, progress: Progress = _nobody) -> Fetched:
        """What an address gives now; where its server says that nothing changed, nothing is fetched again.

        Args:
            url: http or https.
            max_age: seconds; what the address gave so long ago is good enough.
            progress: told now and then.

        Raises:
            FetchRefused, InterruptedError, StoreFull: as `pinned`.

        """
        key = f"latest {url}"
        with self._store.locks.exclusive(f"download:{key}", stop=self._stopped):
            known = self._store.downloads.get(key)
            if known is not None and max_age is not None and known.checked + max_age > time.time():
                return Fetched(digest=known.digest, size=known.size, cached=True)
            arrived = self._transfer(url, key, "", progress, known)
            if arrived is None:
                assert known is not None
                self._keep(key, url, known.digest, known.size, known.notes)
                return Fetched(digest=known.digest, size=known.size, cached=True)
            # What is built is asked for by its digest later.
            for each in (key, f"{arrived.digest} {url}"):
                self._keep(each, url, arrived.digest, arrived.size, arrived.notes)
        return Fetched(digest=arrived.digest, size=arrived.size, cached=False)

    def _stopped(self) -> bool:
        return self._halt.fired

    def _transfer(
        self, url: str, key: str, digest: str, progress: Progress, known: DownloadRecord | None = None
    ) -> Arrived | None:
        transfer = Transfer(
            url,
            parse(url),
            self._store.downloads.part(key),
            digest,
            patience=self._patience,
            halt=self._halt,
            progress=progress,
            known=known,
        )
        return transfer.run()

    def _from_disk(self, url: str, path: str, digest: str, progress: Progress) -> Arrived:
        """Take a file of this machine."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise FetchRefused(f"{url} cannot be read: {error.strerror}") from None
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise FetchRefused(f"{url} is no file", help="a directory is taken with COPY, from a context")
        with open(fd, "rb", buffering=0) as source, self._store.blobs.writer() as writer:
            while data := source.read(CHUNK):
                self._halt.check()
                writer.write(data)
                progress(writer.size, status.st_size)
            if writer.digest != digest:
                # Not the hash that it has: whoever wrote the recipe need not learn what is in files of this machine.
                raise FetchRefused(
                    f"{url} has another hash than {digest.removeprefix('sha256:')}",
                    help=f"`sha256sum {path}` prints its own",
                )
            writer.commit(digest)
            return Arrived(digest=digest, size=writer.size, notes={})

    def _keep(self, key: str, url: str, digest: str, size: int, notes: Mapping[str, str]) -> None:
        record = DownloadRecord(
            key=key, digest=digest, size=size, source=url, checked=int(time.time()), notes=dict(notes)
        )
        self._store.downloads.put(record)
