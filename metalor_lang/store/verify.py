"""Find what has rotted: compare every object with what was written down when it was committed.

Invariant: verifying changes nothing that is sound. A damaged object moves to the quarantine, and every record that
names it is forgotten, so the next build makes it again. A damaged snapshot that nothing names is deleted as garbage.
"""

import os

from metalor_lang.digest import sha256
from metalor_lang.errors import MetalorError
from metalor_lang.record import dataclass
from metalor_lang.store import files, manifest
from metalor_lang.store.blobs import Blobs
from metalor_lang.store.core import Core
from metalor_lang.store.downloads import Downloads
from metalor_lang.store.errors import DamagedBlob, MissingObject
from metalor_lang.store.gc import named_results, stands_on
from metalor_lang.store.leases import live_leases
from metalor_lang.store.records import Layers, Steps
from metalor_lang.store.snapshots import Snapshots

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One damaged object.

    Args:
        kind: "snapshot" or "blob".
        name: its id or digest.
        causes: what is wrong, one sentence each.
        dropped: keys of the records forgotten with it.

    """

    kind: str
    name: str
    causes: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was looked at and what was damaged.

    Args:
        snapshots, blobs: how many were checked.
        hashed: how many of the snapshots had their contents compared.
        sealed: how many were hashed for the first time (their contents count as right from now on).
        damaged: what was moved to the quarantine.

    """

    snapshots: int
    blobs: int
    hashed: int
    sealed: int
    damaged: tuple[Damage, ...]


class Verifier:
    """Verification of one store."""

    def __init__(
        self, core: Core, blobs: Blobs, snapshots: Snapshots, steps: Steps, layers: Layers, downloads: Downloads
    ) -> None:
        self._core = core
        self._blobs = blobs
        self._snapshots = snapshots
        self._steps = steps
        self._layers = layers
        self._downloads = downloads

    def run(self, *, full: bool = False) -> VerifyReport:
        """Check every object.

        Args:
            full: also read every byte: contents are compared with their hashes, or hashed where that was never done.

        """
        damaged: list[Damage] = []
        snapshots = blobs = hashed = sealed = 0
        for identity in list(self._snapshots.ids()):
            known = full and (self._snapshots.path(identity) / "contents").exists()
            try:
                causes = self._check_snapshot(identity, known)
                if full and not known and not causes:
                    self._snapshots.seal(identity)
                    sealed += 1
            except (FileNotFoundError, MissingObject):  # gc was faster
                continue
            if causes and self._is_garbage(identity):
                continue
            snapshots += 1
            hashed += known
            if causes:
                damaged.append(self._drop_snapshot(identity, causes))
        for digest, _ in list(self._blobs.all()):
            try:
                cause = self._check_blob(digest, full)
            except MissingObject:
                continue
            blobs += 1
            if cause:
                damaged.append(self._drop_blob(digest, cause))
        return VerifyReport(snapshots=snapshots, blobs=blobs, hashed=hashed, sealed=sealed, damaged=tuple(damaged))

    def _is_garbage(self, identity: str) -> bool:
        """Whether nothing names a snapshot: a power cut may have torn it, and it is deleted, not reported."""
        with self._core.locks.gate(alone=True):
            if (
                any(identity in stands_on(found.record) for found in self._steps.all())
                or any(identity in names for names in named_results(self._core.root).values())
                or any(identity in lease.pins for lease in live_leases(self._core.root))
            ):
                return False
            moved = self._core.take_away(self._snapshots.path(identity))
        if moved is not None:
            self._core.discard(moved)
        return True

    def _check_snapshot(self, identity: str, contents: bool) -> tuple[str, ...]:
        path = self._snapshots.path(identity)
        try:
            body = self._snapshots.description(identity)
            rows = (path / "manifest").read_bytes()
            if sha256(rows) != body.get("manifest"):
                return ("its manifest does not match its own digest",)
            fd = os.open(path / "fs", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                causes = manifest.compare(manifest.decode_rows(rows), manifest.survey(fd).rows)
                if contents and not causes:
                    then = manifest.decode_contents((path / "contents").read_bytes())
                    causes = manifest.compare_contents(then, manifest.hash_contents(fd))
                return causes
            finally:
                os.close(fd)
        except (files.Damaged, MetalorError) as error:
            if isinstance(error, MissingObject):
                raise
            return (str(error),)
        except OSError as error:
            if error.errno in files.SHORTAGES:
                raise
            if not path.exists():
                raise FileNotFoundError(identity) from None
            # EIO, EUCLEAN and a manifest that is gone are damage like any other.
            return (f"{error.strerror}: {error.filename}" if error.filename else str(error),)

    def _check_blob(self, digest: str, full: bool) -> str:
        size = self._blobs.size(digest)
        for shelf in (self._layers, self._downloads):
            for found in shelf.all():
                if found.record.digest == digest and found.record.size != size:
                    return f"it has {size} bytes instead of {found.record.size}"
        if full:
            try:
                with self._blobs.open(digest) as stream:
                    while stream.read(1 << 20):
                        pass
            except DamagedBlob:
                return "its bytes do not match its digest"
            except OSError as error:
                if error.errno in files.SHORTAGES:
                    raise
                return str(error)
        return ""

    def _drop_snapshot(self, identity: str, causes: tuple[str, ...]) -> Damage:
        with self._core.locks.gate(alone=True):
            dropped = [
                found
                for found in self._steps.all()
                if identity in (*found.record.chain, *found.record.parent, *found.record.inputs)
            ]
            layers = [found for found in self._layers.all() if identity in found.record.snapshots]
            for path in (*(found.path for found in dropped), *(found.path for found in layers)):
                path.unlink(missing_ok=True)
            more = f" and {len(causes) - _SHOWN} more" if len(causes) > _SHOWN else ""
            self._core.quarantine(
                self._snapshots.path(identity), f"snapshot {identity}", "; ".join(causes[:_SHOWN]) + more
            )
        keys = tuple(sorted(found.record.key for found in dropped))
        return Damage(kind="snapshot", name=identity, causes=causes, dropped=keys)

    def _drop_blob(self, digest: str, cause: str) -> Damage:
        with self._core.locks.gate(alone=True):
            shelves = (self._layers, self._downloads)
            dropped = [found for shelf in shelves for found in shelf.all() if found.record.digest == digest]
            for found in dropped:
                found.path.unlink(missing_ok=True)
            self._core.quarantine(self._blobs.path(digest), f"blob {digest}", cause)
        keys = tuple(sorted(found.record.key for found in dropped))
        return Damage(kind="blob", name=digest, causes=(cause,), dropped=keys)
