"""Records: what a step gave, and what an export gave, under their keys.

Invariant: a record is returned only when its file is sound, bears the key that was asked for, and everything it names
is in the store; returning it pins those things, so that gc cannot take them in between.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from metalor_lang.digest import Json, sha256, valid_digest
from metalor_lang.hints import Generic, Protocol, TypeVar
from metalor_lang.record import dataclass, field
from metalor_lang.store import files
from metalor_lang.store.blobs import Blobs
from metalor_lang.store.core import Core
from metalor_lang.store.errors import guarded
from metalor_lang.store.snapshots import Snapshots
from metalor_lang.store.uses import Uses


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What a step gave.

    Args:
        key: of the step.
        chain: ids of the snapshots after the step, base first.
        parent: the chain before it.
        inputs: ids of other snapshots it read.
        parts: the named parts of the key, for explaining a miss.
        result: what else the step gave.
        text: the statement as written.
        created: seconds since 1970.
        duration_ms: how long it took.
        recipe: the name of the recipe it was made for.

    """

    key: str
    chain: tuple[str, ...]
    parent: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    parts: Mapping[str, Json] = field(default_factory=dict)
    result: Mapping[str, Json] = field(default_factory=dict)
    text: str = ""
    created: int = 0
    duration_ms: int = 0
    recipe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRecord:
    """A remembered export of a layer.

    Args:
        key: digest of what it was made from (chains, epoch, compression).
        digest: of the blob as shipped.
        size: its bytes.
        diff_id: digest of the tar inside.
        media_type: of the blob.
        snapshots: what it was made from; gc drops the record with any of them.

    """

    key: str
    digest: str
    size: int
    diff_id: str
    media_type: str
    snapshots: tuple[str, ...] = ()


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


Record = TypeVar("Record", bound=_Keyed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[Record]):
    """A record as gc and listings see it.

    Args:
        path: its file.
        used: when it was last returned or written, in nanoseconds since 1970.

    """

    record: Record
    path: Path
    used: int


def file_name(key: str) -> str:
    """The file name of a key: its own hex digits, or the hash of any other text."""
    return (key if valid_digest(key) else sha256(os.fsencode(key))).removeprefix("sha256:")


def step_body(record: StepRecord) -> dict[str, Json]:
    """The JSON of a step record."""
    return {
        "key": record.key,
        "chain": list(record.chain),
        "parent": list(record.parent),
        "inputs": list(record.inputs),
        "parts": dict(record.parts),
        "result": dict(record.result),
        "text": record.text,
        "created": record.created,
        "duration_ms": record.duration_ms,
        "recipe": record.recipe,
    }


def step_of(body: dict[str, Json]) -> StepRecord:
    """The step record of a JSON body.

    Raises:
        Damaged: a field is missing or of another type.

    """
    return StepRecord(
        key=files.text_of(body, "key"),
        chain=files.texts_of(body, "chain"),
        parent=files.texts_of(body, "parent"),
        inputs=files.texts_of(body, "inputs"),
        parts=files.mapping_of(body, "parts"),
        result=files.mapping_of(body, "result"),
        text=files.text_of(body, "text"),
        created=files.number_of(body, "created"),
        duration_ms=files.number_of(body, "duration_ms"),
        recipe=files.text_of(body, "recipe"),
    )


def layer_body(record: LayerRecord) -> dict[str, Json]:
    """The JSON of a layer record."""
    return {
        "key": record.key,
        "digest": record.digest,
        "size": record.size,
        "diff_id": record.diff_id,
        "media_type": record.media_type,
        "snapshots": list(record.snapshots),
    }


def layer_of(body: dict[str, Json]) -> LayerRecord:
    """The layer record of a JSON body; errors as `step_of`."""
    return LayerRecord(
        key=files.text_of(body, "key"),
        digest=files.text_of(body, "digest"),
        size=files.number_of(body, "size"),
        diff_id=files.text_of(body, "diff_id"),
        media_type=files.text_of(body, "media_type"),
        snapshots=files.texts_of(body, "snapshots"),
    )


class Shelf(Generic[Record]):
    """A directory of sealed records, one file a key.

    Args:
        core: of the store.
        name: of the directory.
        what: how notices call such a record.
        encode: gives its JSON.
        decode: reads it back; raises Damaged.

    """

    def __init__(
        self,
        core: Core,
        name: str,
        what: str,
        encode: Callable[[Record], dict[str, Json]],
        decode: Callable[[dict[str, Json]], Record],
    ) -> None:
        self._core = core
        self._directory = core.root / name
        self._prefix = f"{self._directory}/"  # joined as text: a path object for each of many keys takes longer
        self._what = what
        self._encode = encode
        self._decode = decode

    @property
    def directory(self) -> Path:
        """Where the files lie."""
        return self._directory

    def path(self, key: str) -> Path:
        """The file of a key, which may not exist."""
        return Path(self._file(key))

    def _file(self, key: str) -> str:
        return f"{self._prefix}{file_name(key)}.json"

    def _names(self, record: Record) -> tuple[str, ...]:
        raise NotImplementedError

    def _complete(self, record: Record, seen: set[str]) -> bool:
        """Whether all that it names is in the store; `seen` is what was found there under this very gate."""
        raise NotImplementedError

    def _note(self, record: Record) -> None:
        """A record was returned or written."""

    def _read(self, path: Path | str) -> Record | None:
        body = files.read_sealed(path)
        return None if body is None else self._decode(body)

    def get(self, key: str) -> Record | None:
        """The record of a key, its objects pinned; None when there is none that can be used."""
        path = self.path(key)
        try:
            with self._core.locks.gate(alone=False):
                record = self._read(path)
                if record is None or record.key != key or not self._complete(record, set()):
                    return None
                self._core.lease.pin(self._names(record))
        except files.Damaged as error:
            self._core.quarantine(path, f"{self._what} {path.stem}", str(error))
            return None
        self._used(path)
        self._note(record)
        return record

    def get_all(self, keys: Iterable[str]) -> dict[str, Record]:
        """The records of many keys at once, as `get` gives each; what cannot be used is left out."""
        found: dict[str, Record] = {}
        seen: set[str] = set()
        damaged: list[tuple[str, str]] = []
        with self._core.locks.gate(alone=False):
            for key in dict.fromkeys(keys):
                try:
                    record = self._read(self._file(key))
                except files.Damaged as error:
                    damaged.append((key, str(error)))
                    continue
                if record is not None and record.key == key and self._complete(record, seen):
                    found[key] = record
            self._core.lease.pin(name for record in found.values() for name in self._names(record))
        for key, reason in damaged:
            path = self.path(key)
            self._core.quarantine(path, f"{self._what} {path.stem}", reason)
        for key, record in found.items():
            self._used(self._file(key))
            self._note(record)
        return found

    def _used(self, path: Path | str) -> None:
        try:
            os.utime(path)  # gc drops what was not used for longest
        except OSError:
            pass

    def put(self, record: Record) -> None:
        """Write a record, in place of an older one of its key; it outlives a power cut when this returns.

        Raises:
            StoreFull, StoreUnwritable: see there.

        """
        lease = self._core.lease
        lease.pin(self._names(record))
        with guarded(self._core.root):
            files.write_whole(
                self.path(record.key), files.seal(self._encode(record)), scratch=self._core.tmp, token=lease.token
            )
        self._note(record)

    def draft(self, record: Record) -> Path:
        """Write a record as an unfinished file, not synced, with its objects pinned: one rename to `path` shows it.

        Raises:
            StoreFull, StoreUnwritable: see there.

        """
        lease = self._core.lease
        lease.pin(self._names(record))
        draft = self._core.scratch("record")
        with guarded(self._core.root):
            files.write_new(draft, files.seal(self._encode(record)))
        self._note(record)
        return draft

    def remove(self, key: str) -> bool:
        """Forget a record; gives whether there was one."""
        try:
            self.path(key).unlink()
        except FileNotFoundError:
            return False
        return True

    def read_file(self, name: str) -> tuple[Record, int] | None:
        """The record in a file of the directory, and when it was used; None where it is none or gone."""
        path = self._directory / name
        try:
            record = self._read(path)
            return None if record is None else (record, path.stat().st_mtime_ns)
        except (files.Damaged, FileNotFoundError):
            return None

    def all(self) -> Iterator[Found[Record]]:
        """Every sound record, in no meaningful order; damaged ones go to the quarantine."""
        for name in sorted(os.listdir(self._directory)):
            path = self._directory / name
            try:
                record = self._read(path)
                if record is not None:
                    yield Found(record=record, path=path, used=path.stat().st_mtime_ns)
            except files.Damaged as error:
                self._core.quarantine(path, f"{self._what} {path.stem}", str(error))
            except FileNotFoundError:
                continue


class Steps(Shelf[StepRecord]):
    """The step records of a store."""

    def __init__(self, core: Core, snapshots: Snapshots, uses: Uses) -> None:
        super().__init__(core, "steps", "step record", step_body, step_of)
        self._snapshots = snapshots
        self._uses = uses

    def _note(self, record: StepRecord) -> None:
        self._uses.note(record.recipe)

    def _names(self, record: StepRecord) -> tuple[str, ...]:
        return record.chain

    def _complete(self, record: StepRecord, seen: set[str]) -> bool:
        # Each step's chain holds the chain before it: what was found once is not looked for again.
        for identity in record.chain:
            if identity not in seen:
                if not _present(self._snapshots, identity):
                    return False
                seen.add(identity)
        return True


class Layers(Shelf[LayerRecord]):
    """The remembered layers of a store."""

    def __init__(self, core: Core, blobs: Blobs) -> None:
        super().__init__(core, "layers", "layer record", layer_body, layer_of)
        self._blobs = blobs

    def _names(self, record: LayerRecord) -> tuple[str, ...]:
        return (record.digest,)

    def _complete(self, record: LayerRecord, seen: set[str]) -> bool:
        try:
            return self._blobs.path(record.digest).stat().st_size == record.size
        except (OSError, ValueError):
            return False


def _present(snapshots: Snapshots, identity: str) -> bool:
    try:
        return snapshots.exists(identity)
    except ValueError:
        return False
