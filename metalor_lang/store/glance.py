"""A store that is only looked at.

Invariant: nothing is made, locked, pinned, touched or repaired; what a record names may be gone a moment later.
"""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from metalor_lang.store import files
from metalor_lang.store.records import StepRecord, file_name, step_of
from metalor_lang.store.store import VERSION


class Absent(StrEnum):
    """Why there is no record that could be used."""

    GONE = "gone"
    DAMAGED = "damaged"
    SNAPSHOTS = "snapshots"
    """There is one, and what it names is not all there."""


class Glance:
    """The step records of a store.

    Args:
        root: the store's folder, which need not exist.

    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def there(self) -> bool:
        """Whether there is a store that this version reads."""
        try:
            return (self.root / "VERSION").read_bytes() == VERSION.encode()
        except OSError:
            return False

    def steps(self, keys: Iterable[str]) -> dict[str, StepRecord]:
        """The records of keys whose snapshots are there; as `Steps.get_all`, but only looked at."""
        found: dict[str, StepRecord] = {}
        seen: set[str] = set()
        for key in dict.fromkeys(keys):
            try:
                body = files.read_sealed(self.root / "steps" / f"{file_name(key)}.json")
                record = None if body is None else step_of(body)
            except (files.Damaged, OSError):
                continue
            if record is not None and record.key == key and self._complete(record, seen):
                found[key] = record
        return found

    def look(self, key: str) -> StepRecord | Absent:
        """The record of a key, or what is the matter with it."""
        try:
            body = files.read_sealed(self.root / "steps" / f"{file_name(key)}.json")
            record = None if body is None else step_of(body)
        except (files.Damaged, OSError):
            return Absent.DAMAGED
        if record is None:
            return Absent.GONE
        if record.key != key:
            return Absent.DAMAGED
        return record if self._complete(record, set()) else Absent.SNAPSHOTS

    def _complete(self, record: StepRecord, seen: set[str]) -> bool:
        for identity in record.chain:
            if identity not in seen:
                if "/" in identity or not (self.root / "snapshots" / identity).is_dir():
                    return False
                seen.add(identity)
        return True
