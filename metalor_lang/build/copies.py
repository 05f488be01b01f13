"""The last whole copy of each COPY from a context, so that an edit is written on top of it instead of all again.

Invariant: what stands on a whole copy shows the same tree as copying everything would. So only contents and modes that
changed, and entries that came, are written on top; what went, or became something else, or could land on another
entry, is copied whole. A copy counts only while the record of its own step does: its snapshot is then sound and on
the disk.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from metalor_lang.build.contexts import Listing
from metalor_lang.build.listed import Folder, Found, separate
from metalor_lang.build.listings import Listings
from metalor_lang.build.lookup import Chain
from metalor_lang.build.pieces import TOP, Piece, Pieces
from metalor_lang.build.placing import Layout, plain
from metalor_lang.digest import Json, json_digest, valid_digest
from metalor_lang.hints import Final
from metalor_lang.plan.graph import CopyFiles
from metalor_lang.record import dataclass, field, replace
from metalor_lang.sha import sealed, unsealed
from metalor_lang.store.files import keep, recall
from metalor_lang.store.store import Store

_MAGIC: Final = b"metalor copies 3\n"
_FEW: Final = 32
"""Entries that are copied faster than what stands on a copy of them can be worked out."""
_KEPT: Final = 64
"""Whole copies that are remembered: who works on more recipes at once copies whole now and then."""
_PART: Final = 4
"""The part of the entries (one in so many) that may have changed; else the whole copy would be dead weight below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeCopy:
    """What is remembered of one.

    Args:
        step: key of the step that made it.
        chain: after it; its last snapshot is the copy.
        listing: digest of what it holds.

    """

    step: str
    chain: Chain
    listing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What has to be written on a whole copy.

    Args:
        chain: to write on.
        found: the changed entries, with the directories on the way to them.

    """

    chain: Chain
    found: tuple[Found, ...] = field(repr=False)


class Copies:
    """The whole copies that a store remembers: files in its folder `copies`, each with the digest of its own bytes.

    Args:
        store: an open one.
        listings: keeps what they hold.

    """

    def __init__(self, store: Store, listings: Listings) -> None:
        self._store = store
        self._listings = listings
        self._folder = store.root / "copies"

    def edit(self, files: CopyFiles, chain: Chain, epoch: int, listing: Listing) -> Edit | None:
        """What has to be written on the last whole copy of a COPY, None where everything must be copied.

        Args:
            files: the COPY.
            chain: that it stands on.
            epoch: of its stage.
            listing: what it takes now.

        """
        if not separate(listing.found) or _count(listing.found) < _FEW:
            return None
        known = self._read(self._path(files, chain, epoch))
        record = self._store.steps.get(known.step) if known is not None else None
        if known is None or record is None or record.parent != chain or record.chain != known.chain:
            return None
        holds = self._listings.recall(known.listing)
        if holds is None or len(holds.pieces) != len(listing.pieces):
            return None
        found = []
        changed = 0
        for each, before, now in zip(listing.found, holds.pieces, listing.pieces):
            paths = changes(before, now)
            if paths is None:
                return None
            changed += len(paths)
            if paths:
                found.append(reduced(each, paths))
        if not found or changed * _PART > _count(listing.found):
            return None
        self._listings.keep(listing.kept, holds)
        return Edit(chain=record.chain, found=tuple(found))

    def remember(
        self, files: CopyFiles, chain: Chain, epoch: int, listing: Listing, copy: tuple[str, Chain, Layout]
    ) -> None:
        """Remember a whole copy, where an edit could stand on it.

        Args:
            files: the COPY.
            chain: that it stands on.
            epoch: of its stage.
            listing: what it took.
            copy: key of its step, the chain after it, where everything landed.

        """
        step, after, layout = copy
        if _count(listing.found) < _FEW or not separate(listing.found) or not plain(layout):
            return
        known = WholeCopy(step=step, chain=after, listing=listing.digest)
        self._listings.keep(listing.kept)
        # Where it cannot be kept, the next edit copies whole.
        keep(self._path(files, chain, epoch), _encoded(known), scratch=self._store.tmp, count=_KEPT)

    def knows(self, files: CopyFiles) -> bool:
        """Whether a whole copy of this statement is remembered, whatever it stands on."""
        start = _statement(files)
        try:
            return any(name.startswith(start) for name in os.listdir(self._folder))
        except OSError:
            return False

    def _path(self, files: CopyFiles, chain: Chain, epoch: int) -> Path:
        where = json_digest({"chain": list(chain), "epoch": epoch}).removeprefix("sha256:")
        return self._folder / f"{_statement(files)}-{where[:32]}"

    def _read(self, path: Path) -> WholeCopy | None:
        data = recall(path)
        text = unsealed(_MAGIC, data) if data is not None else None
        if text is None:
            return None
        body = json.loads(bytes(text))
        return WholeCopy(step=body["step"], chain=tuple(body["chain"]), listing=body["listing"])


def _statement(files: CopyFiles) -> str:
    what: Json = {
        "context": files.context,
        "sources": [[source.path, source.glob] for source in files.sources],
        "destination": files.destination,
        "workdir": files.workdir,
        "user": files.user,
        "chown": files.chown,
        "chmod": files.chmod,
        "excludes": list(files.excludes),
        "optional": files.optional,
    }
    return json_digest(what).removeprefix("sha256:")[:32]


def _encoded(known: WholeCopy) -> bytes:
    assert valid_digest(known.step)
    data = json.dumps({"step": known.step, "chain": list(known.chain), "listing": known.listing}).encode()
    return sealed(_MAGIC, data)


def _count(found: Iterable[Found]) -> int:
    return sum(1 + sum(len(folder.names) + len(folder.directories) for folder in each.folders) for each in found)


def changes(before: Pieces, now: Pieces) -> set[str] | None:
    """The paths of entries that came, or have another content or mode; None where anything went or is another kind."""
    if before[TOP].head != now[TOP].head:
        return None  # a file alone is copied at once
    if any(folder not in now for folder in before):
        return None
    found: set[str] = set()
    nothing = Piece("")
    for folder, piece in now.items():
        old = before.get(folder, nothing)
        if piece.head == old.head:
            continue
        then, today = old.items(folder), piece.items(folder)
        for path, (kind, _) in then.items():
            if path not in today or _sort(today[path][0]) != _sort(kind):
                return None
        found.update(path for path, item in today.items() if then.get(path) != item)
    return found


def _sort(kind: str) -> str:
    return "f" if kind == "x" else kind


def reduced(found: Found, paths: set[str]) -> Found:
    """What was found, without all that is neither one of the paths nor a directory on the way to one."""
    way = {""}
    for path in paths:
        while (path := path.rpartition("/")[0]) not in way:
            way.add(path)
    folders = []
    for folder in found.folders:
        if folder.path[:-1] not in way:
            continue
        prefix = folder.path
        chosen = [at for at, name in enumerate(folder.names) if prefix + name in paths]
        folders.append(
            Folder(
                path=prefix,
                info=folder.info,
                names=tuple(folder.names[at] for at in chosen),
                infos=tuple(folder.infos[at] for at in chosen),
                targets=folder.targets,
                directories=tuple(
                    (name, info) for name, info in folder.directories if prefix + name in paths or prefix + name in way
                ),
            )
        )
    return replace(found, folders=tuple(folders))
