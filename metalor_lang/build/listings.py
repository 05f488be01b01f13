"""What COPYs and binds took from contexts, kept under the digest of it, so that a later one can be compared.

Invariant: a listing is what its name is the digest of; one that is damaged, gone or stands on one that is, is none, and
only an answer is lost: whoever compares then knows that files changed, not which.

Of a listing of many files that differs little from another one, only the directories that differ are written.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from metalor_lang.build.pieces import Piece, Pieces
from metalor_lang.hints import Any, Final
from metalor_lang.record import dataclass, field
from metalor_lang.sha import sealed, unsealed
from metalor_lang.store.files import keep, recall
from metalor_lang.store.store import Store

_MAGIC: Final = b"metalor listing 1\n"
_KEPT: Final = 256
"""Listings that are kept; the ones that were not used for longest go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A listing as it is kept.

    Args:
        digest: of it all, as `contexts.Listing.digest`.
        names: of each path that the sources stood for, as the digest has it.
        pieces: for each of them.

    """

    digest: str
    names: tuple[str, ...]
    pieces: tuple[Pieces, ...] = field(repr=False)


class Listings:
    """The listings of a store: files in its folder `listings`, each with the digest of its own bytes."""

    def __init__(self, store: Store) -> None:
        self._tmp = store.tmp
        self._folder = store.root / "listings"
        self._last: Kept | None = None

    def keep(self, listing: Kept, on: Kept | None = None) -> None:
        """Write a listing that is not there; what cannot be written is not.

        Args:
            listing: the whole of it.
            on: another one that is there, which it differs little from.

        """
        path = self._path(listing.digest)
        try:
            os.utime(path)
            return
        except OSError:
            pass
        if keep(path, _encoded(listing, on), scratch=self._tmp, count=_KEPT):
            self._last = listing

    def recall(self, digest: str) -> Kept | None:
        """The listing of a digest; None where it is not known."""
        last = self._last
        if last is not None and last.digest == digest:
            return last
        self._last = found = self._read(digest, deep=True)
        return found

    def _path(self, digest: str) -> Path:
        return self._folder / digest.removeprefix("sha256:")

    def _read(self, digest: str, *, deep: bool) -> Kept | None:
        data = recall(self._path(digest))
        body = unsealed(_MAGIC, data) if data is not None else None
        if data is None or body is None:
            return None
        start = len(data) - len(body)
        end = data.index(b"\n", start)
        head = json.loads(data[start:end])
        below: tuple[Pieces, ...] = ()
        if head["on"]:
            base = self._read(head["on"], deep=False) if deep else None
            if base is None or base.names != tuple(head["names"]):
                return None
            below = base.pieces
        text = data[end + 1 :].decode("utf-8", "surrogateescape")
        return Kept(digest=digest, names=tuple(head["names"]), pieces=_pieces(head["pieces"], text, below))


def _encoded(listing: Kept, on: Kept | None) -> bytes:
    if on is None or on.names != listing.names:
        on = None
    texts: list[str] = []
    rows: list[Any] = []
    for at, each in enumerate(listing.pieces):
        below: Mapping[str, Piece] = on.pieces[at] if on is not None else {}
        row: list[list[Any]] = []
        for folder, piece in each.items():
            old = below.get(folder)
            if old is not None and old.head == piece.head:
                row.append([folder])
            else:
                texts += (piece.head, piece.files)
                row.append([folder, len(piece.head), len(piece.files)])
        rows.append(row)
    head = {"on": on.digest if on is not None else "", "names": list(listing.names), "pieces": rows}
    data = json.dumps(head).encode() + b"\n" + "".join(texts).encode("utf-8", "surrogateescape")
    return sealed(_MAGIC, data)


def _pieces(rows: Any, text: str, below: tuple[Pieces, ...]) -> tuple[Pieces, ...]:
    pieces: list[Pieces] = []
    at = 0
    for number, row in enumerate(rows):
        found: Pieces = {}
        for folder, *sizes in row:
            if not sizes:
                found[folder] = below[number][folder]
                continue
            first, second = sizes
            middle = at + first
            found[folder] = Piece(text[at:middle], text[middle : middle + second])
            at = middle + second
        pieces.append(found)
    return tuple(pieces)
