"""One file on its way: tried again where it breaks, gone on with where it was.

Invariant: what was received is hashed as it comes; a part is gone on with only when the server still has the version it
is a part of, or when the hash of the whole will tell.
"""

import hashlib
import os
from collections.abc import Callable

from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass
from metalor_lang.remote.address import Address
from metalor_lang.remote.dialing import Halt
from metalor_lang.remote.errors import Broken, FetchRefused
from metalor_lang.remote.exchange import Answer, Patience, ask
from metalor_lang.store.downloads import DownloadRecord, Part

CHUNK: Final = 256 << 10
LARGEST: Final = 128 << 30
"""Bytes of one file; as many as the layers of one image may have."""
_MOST_BREAKS: Final = 100
_RANGE = pattern(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")

Progress = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many (None: not known)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A whole file: digest and size, and what the server said of its version."""

    digest: str
    size: int
    notes: dict[str, str]


class Transfer:
    """Fetches one file into a part of the store.

    Args:
        url: as the recipe has it, for messages.
        address: the same, read.
        part: where it goes; what is in it already is gone on with.
        digest: what it must have; "" for whatever comes.
        patience, halt, progress: as for `fetch.Fetcher`.
        known: what the address gave before; the server is asked whether that is still it.

    """

    def __init__(
        self,
        url: str,
        address: Address,
        part: Part,
        digest: str,
        *,
        patience: Patience,
        halt: Halt,
        progress: Progress,
        known: DownloadRecord | None = None,
    ) -> None:
        self._url = url
        self._address = address
        self._part = part
        self._digest = digest
        self._patience = patience
        self._halt = halt
        self._progress = progress
        self._known = known
        self._notes: dict[str, str] = {}
        self._hash = hashlib.sha256()
        self._size = 0
        self._patched = False
        self._fd = -1

    def run(self) -> Arrived | None:
        """Fetch it whole, and keep it as a blob; None where the server says that what is known is still it.

        Raises:
            FetchRefused: it cannot be had, or is not what it must be.
            InterruptedError: it was ended; what came stays a part.

        """
        self._fd = self._part.open()
        try:
            self._take_up()
            if not self._whole():
                return None
            found = "sha256:" + self._hash.hexdigest()
            if self._digest and found != self._digest and self._patched:
                # Pieces of two versions, perhaps: once more from the start.
                self._start_over()
                self._whole()
                found = "sha256:" + self._hash.hexdigest()
        finally:
            os.close(self._fd)
        if self._digest and found != self._digest:
            self._part.discard()
            raise self._other(found)
        self._part.finish(found)
        return Arrived(digest=found, size=self._size, notes=self._notes)

    def _other(self, found: str) -> FetchRefused:
        was = self._digest.removeprefix("sha256:")
        now = found.removeprefix("sha256:")
        return FetchRefused(
            f"{self._url} gives a file with another hash: {now} ({self._size} bytes), and not {was}",
            help=f"if that file is the right one, write --sha256={now}",
        )

    # --- what is there already ------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Hash what an earlier try has left."""
        self._notes = self._part.notes()
        while data := os.pread(self._fd, CHUNK, self._size):
            self._halt.check()
            self._hash.update(data)
            self._size += len(data)
        self._patched = self._size > 0
        if self._size and not self._version() and not self._digest:
            self._start_over()

    def _start_over(self) -> None:
        os.ftruncate(self._fd, 0)
        self._hash = hashlib.sha256()
        self._size = 0
        self._patched = False
        self._notes = {}

    def _version(self) -> str:
        """What tells the version of the file; a weak mark does not tell its bytes (RFC 9110, 8.8.1 and 13.1.5)."""
        etag = self._notes.get("etag", "")
        return etag if etag and not etag.startswith("W/") else self._notes.get("modified", "")

    # --- tries ----------------------------------------------------------------------------------------------------

    def _whole(self) -> bool:
        """Fetch until it is whole; false where the server says that what is known is still it."""
        failures = breaks = 0
        while True:
            before = self._size
            try:
                return self._once()
            except Broken as error:
                breaks += 1
                failures = 1 if self._size > before else failures + 1
                self._patched = self._size > 0
                if failures >= self._patience.tries or breaks >= _MOST_BREAKS:
                    raise self._gave_up(error) from None
                pause = self._patience.pause * 2 ** (failures - 1)
                self._halt.wait(max(error.wait or 0.0, pause))

    def _gave_up(self, error: Broken) -> FetchRefused:
        have = f"; {self._size} bytes are here, and the next build goes on from there" if self._size else ""
        return FetchRefused(
            f"{self._url} cannot be fetched: {error.reason}{have}",
            help="look whether this machine reaches that server; http_proxy and https_proxy name a proxy",
        )

    def _once(self) -> bool:
        headers = self._headers()
        with ask(self._address, headers, self._patience, self._halt) as answer:
            if answer.status == 304:
                if "Range" in headers or self._known is None:
                    raise FetchRefused(f"{answer.address.shown} answers 304 to a question that it was not asked")
                return False
            if answer.status == 416:
                if self._all_there(answer):
                    return True
                self._start_over()
                raise Broken("the part that is here is none of the file's any more")
            total = self._begin(answer)
            if total is not None and total > LARGEST:
                raise FetchRefused(f"{self._url} has {total} bytes, and a file may have {LARGEST}")
            self._receive(answer, total)
        return True

    def _headers(self) -> dict[str, str]:
        if self._size:
            version = self._version()
            return {"Range": f"bytes={self._size}-"} | ({"If-Range": version} if version else {})
        if self._known is None:
            return {}
        notes = self._known.notes
        asked = {"If-None-Match": notes.get("etag", ""), "If-Modified-Since": notes.get("modified", "")}
        return {name: value for name, value in asked.items() if value}

    def _all_there(self, answer: Answer) -> bool:
        """Whether the whole file is here already: nothing follows what we have (RFC 9110, 15.5.17)."""
        return answer.header("Content-Range") == f"bytes */{self._size}"

    def _begin(self, answer: Answer) -> int | None:
        """Take up an answer; gives how many bytes the whole file has, None where it is not said."""
        if answer.status == 206:
            match = _RANGE.fullmatch(answer.header("Content-Range"))
            if match is None or int(match[1]) != self._size:
                self._start_over()
                raise Broken("the server gives another part than the one that it was asked for")
            return None if match[3] == "*" else int(match[3])
        if self._size:
            self._start_over()
        notes = {"etag": answer.header("ETag"), "modified": answer.header("Last-Modified")}
        self._notes = {name: value for name, value in notes.items() if value and len(value) < 1024}
        self._part.note(self._notes)
        return answer.length

    def _receive(self, answer: Answer, total: int | None) -> None:
        self._progress(self._size, total)
        while data := answer.read(CHUNK):
            self._halt.check()
            if self._size + len(data) > LARGEST:
                raise FetchRefused(f"{self._url} has more than {LARGEST} bytes")
            self._part.write(self._fd, data, self._size)
            self._hash.update(data)
            self._size += len(data)
            self._progress(self._size, total)
        if total is not None and self._size != total:
            raise Broken(f"the connection to {answer.address.authority} ended after {self._size} of {total} bytes")
