"""Snapshots: immutable directories that a step left, committed by one rename.

Invariant: a name in `snapshots/` that a record names is a whole snapshot whose bytes are on the disk: everything is
written in `tmp/`, `snapshot.json` last, then one renameat2(RENAME_NOREPLACE); a sync comes before the rename, or before
the record (see publishing). What no record, no result and no living build names is garbage, whatever is in it.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from metalor_lang.digest import Json, sha256
from metalor_lang.hints import Final, Self
from metalor_lang.kernel import syscalls
from metalor_lang.record import dataclass
from metalor_lang.store import files, manifest
from metalor_lang.store.core import Core, move_new
from metalor_lang.store.errors import MissingObject, guarded
from metalor_lang.store.leases import Lease
from metalor_lang.store.manifest import NOTHING_KNOWN, Beneath

KINDS: Final = frozenset({"overlay", "whole"})
_HEX: Final = "0123456789abcdef"


def _is_id(name: str) -> bool:
    return len(name) == 32 and not name.strip(_HEX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInfo:
    """What is known of a committed snapshot.

    Args:
        id: 32 hex digits, random.
        kind: "overlay" (an upper directory with overlay's marks) or "whole" (a tree that needs nothing below it).
        size: bytes of its regular files, each inode once.
        entries: names in it.
        created: seconds since 1970.
        meta: what the committer added.

    """

    id: str
    kind: str
    size: int
    entries: int
    created: int
    meta: Mapping[str, Json]


class Draft:
    """A snapshot being made; discarded when its context ends uncommitted.

    Attributes:
        path: its directory in `tmp/`.
        fs: the tree (an overlay's upper directory).
        work: an empty directory for the overlay's work, removed at the commit.
        lease: what protects it.

    """

    def __init__(self, core: Core, kind: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"not a kind of snapshot: {kind!r}")
        self._core = core
        self.kind = kind
        self.lease: Lease = core.lease
        self.path = core.scratch("draft")
        self.fs = self.path / "fs"
        self.work = self.path / "work"
        self._open = True
        try:
            with guarded(core.root):
                files.make_directory(self.path)
                files.make_directory(self.fs, 0o755)
                files.make_directory(self.work)
        except BaseException:  # room for the first and none for the second: nobody else can discard it
            self.discard()
            raise

    def commit(
        self,
        meta: Mapping[str, Json],
        *,
        seal: bool = False,
        durable: bool = True,
        known: Mapping[str, Beneath] = NOTHING_KNOWN,
    ) -> str:
        """Make it a snapshot, and give its id.

        Args:
            meta: JSON kept with it.
            seal: also hash every file now, so that a later verify knows each bit (reads the whole tree).
            durable: it outlives a power cut when this returns. Without, only a record that is published later
                (`Store.publishing`) may name it.
            known: what is beneath some directories of it, by their paths; they are not looked at.

        Raises:
            StoreFull: no room; the draft is then discarded by its context.
            TreeTooDeep: directories nest too deep.

        """
        if not self._open:
            raise RuntimeError("the draft is already committed or discarded")
        identity = os.urandom(16).hex()
        with guarded(self._core.root):
            self._core.discard(self.work)
            self._write(identity, meta, seal, durable, known)
            # Before it can be seen: gc must not find it unprotected.
            self.lease.pin((identity,))
            target = self._core.root / "snapshots" / identity
            if not move_new(self.path, target):
                raise RuntimeError(f"two snapshots drew the same random id {identity}")
            self._open = False
            if durable:
                files.sync_directory(target.parent)
        return identity

    def _write(
        self, identity: str, meta: Mapping[str, Json], seal: bool, durable: bool, known: Mapping[str, Beneath]
    ) -> None:
        fd = os.open(self.fs, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            rows, size, entries = manifest.surveyed(fd, known)
            files.write_new(self.path / "manifest", rows)
            if seal:
                files.write_new(self.path / "contents", manifest.encode_contents(manifest.hash_contents(fd)))
            body: dict[str, Json] = {
                "id": identity,
                "kind": self.kind,
                "size": size,
                "entries": entries,
                "created": int(time.time()),
                "manifest": sha256(rows),
                "meta": dict(meta),
            }
            files.write_new(self.path / "snapshot.json", files.seal(body))
            if durable:
                syscalls.syncfs(fd)
        finally:
            os.close(fd)

    def discard(self) -> None:
        """Delete it; does nothing once committed or discarded."""
        if self._open:
            self._open = False
            self._core.discard(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.discard()


class Snapshots:
    """The snapshots of a store."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._directory = core.root / "snapshots"

    def path(self, identity: str) -> Path:
        """The directory of a snapshot (`fs`, `manifest`, `snapshot.json`), which may not exist.

        Raises:
            ValueError: not an id.

        """
        self._refuse_other(identity)
        return self._directory / identity

    def _refuse_other(self, identity: str) -> None:
        if not _is_id(identity):
            raise ValueError(f"not a snapshot id: {identity!r}")

    def fs_path(self, identity: str) -> Path:
        """The tree of a snapshot."""
        return self.path(identity) / "fs"

    def exists(self, identity: str) -> bool:
        """Whether the snapshot is in the store."""
        self._refuse_other(identity)
        return os.path.exists(f"{self._directory}/{identity}/snapshot.json")

    def hold(self, identities: Iterable[str]) -> bool:
        """Protect snapshots from gc while this process's lease lives; false, and nothing held, when one is missing."""
        wanted = tuple(identities)
        with self._core.locks.gate(alone=False):
            if not all(map(self.exists, wanted)):
                return False
            self._core.lease.pin(wanted)
            return True

    def draft(self, kind: str = "overlay") -> Draft:
        """Begin a snapshot; use it as a context.

        Raises:
            StoreFull, StoreUnwritable: see there.

        """
        return Draft(self._core, kind)

    def info(self, identity: str) -> SnapshotInfo:
        """What is known of a snapshot; a damaged description moves it to the quarantine.

        Raises:
            MissingObject: it is not in the store (any more).

        """
        try:
            return self.read(identity)
        except files.Damaged as error:
            with self._core.locks.gate(alone=True):
                self._core.quarantine(self.path(identity), f"snapshot {identity}", str(error))
            raise MissingObject(f"snapshot {identity} was damaged", help="build again: its step runs anew") from None

    def read(self, identity: str) -> SnapshotInfo:
        """As `info`, but damage is the caller's to handle.

        Raises:
            MissingObject: it is not in the store.
            Damaged: its description is not to be trusted.

        """
        body = self.description(identity)
        return SnapshotInfo(
            id=identity,
            kind=files.text_of(body, "kind"),
            size=files.number_of(body, "size"),
            entries=files.number_of(body, "entries"),
            created=files.number_of(body, "created"),
            meta=files.mapping_of(body, "meta"),
        )

    def description(self, identity: str) -> dict[str, Json]:
        """The checked body of `snapshot.json`; errors as `read`."""
        path = self.path(identity)
        body = files.read_sealed(path / "snapshot.json")
        if body is None:
            if path.exists():
                raise files.Damaged("it has no snapshot.json")
            raise MissingObject(f"snapshot {identity} is not in the store", help="build again: its step runs anew")
        if body.get("id") != identity or body.get("kind") not in KINDS:
            raise files.Damaged("it describes another snapshot")
        return body

    @property
    def directory(self) -> Path:
        """Where they lie."""
        return self._directory

    def names(self) -> list[str]:
        """The ids of all names in the store, damaged ones too."""
        return [name for name in os.listdir(self._directory) if _is_id(name)]

    def ids(self) -> Iterator[str]:
        """The same, in order."""
        yield from sorted(self.names())

    def all(self) -> tuple[SnapshotInfo, ...]:
        """Every sound snapshot, oldest first; whether one that is not is damage or garbage, `verify` finds out."""
        found = []
        for identity in self.ids():
            try:
                found.append(self.read(identity))
            except (MissingObject, files.Damaged):
                continue
        return tuple(sorted(found, key=lambda info: (info.created, info.id)))

    def seal(self, identity: str) -> None:
        """Hash every file of a snapshot now, once; later calls do nothing."""
        path = self.path(identity)
        if (path / "contents").exists():
            return
        fd = os.open(path / "fs", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            data = manifest.encode_contents(manifest.hash_contents(fd))
        finally:
            os.close(fd)
        with guarded(self._core.root):
            files.write_whole(path / "contents", data, scratch=self._core.tmp, token=self._core.lease.token)
