"""The sums of a store by recipe, kept in a file and brought up to date from what has changed since.

Invariant: always what reading every record would give. The sums count while the times of the store's directories are
those that were noted with them; else names and inodes are compared, and only what is new is read. A file that is
damaged or of another version is made anew.
"""

import json
import os
import time
from collections.abc import Iterable

from metalor_lang.digest import sha256
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field
from metalor_lang.store import files
from metalor_lang.store.core import Core
from metalor_lang.store.errors import MissingObject, StoreError, guarded
from metalor_lang.store.records import StepRecord, Steps
from metalor_lang.store.snapshots import Snapshots
from metalor_lang.store.uses import Uses

_FORMAT: Final = 1
_UNSETTLED: Final = 100_000_000
"""Nanoseconds within which a directory may change again without a new time: the clock of a file system has ticks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSum:
    """A recipe's steps in a store: how many, the bytes of all snapshots they stand on, the last use in nanoseconds."""

    recipe: str
    steps: int
    size: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The sums of a store; sizes in bytes."""

    recipes: tuple[RecipeSum, ...]
    snapshots: int
    snapshot_bytes: int


@dataclass(slots=True)
class _Rows:
    """What was read of each file: enough to see what has changed, and to add what is new.

    Attributes:
        files: name of a record's file → (inode, recipe); the recipe is None for a file that is no record.
        standing: recipe → the snapshots that its records name.
        sizes: snapshot → bytes.
        used: recipe → last use as the records' own files had it.

    """

    files: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    standing: dict[str, set[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)


class Tallier:
    """Keeps the sums of one store."""

    def __init__(self, core: Core, steps: Steps, snapshots: Snapshots, uses: Uses) -> None:
        self._core = core
        self._steps = steps
        self._snapshots = snapshots
        self._uses = uses
        self._sums = core.root / "tally.json"
        self._details = core.root / "tally-details.json"

    def tally(self) -> Tally:
        """The sums as they are now."""
        before = time.time_ns()
        stamp = [os.stat(path).st_mtime_ns for path in (self._steps.directory, self._snapshots.directory)]
        known = self._known(stamp)
        if known is None:
            rows = self._rows()
            self._update(rows)
            known = self._summed(rows)
            self._keep(rows, known, stamp if before - max(stamp) > _UNSETTLED else [0, 0])
        latest = [(self._uses.last(one.recipe), one) for one in known.recipes]
        return Tally(
            recipes=tuple(
                RecipeSum(recipe=one.recipe, steps=one.steps, size=one.size, used=max(one.used, used))
                for used, one in latest
            ),
            snapshots=known.snapshots,
            snapshot_bytes=known.snapshot_bytes,
        )

    # --- what was kept ----------------------------------------------------------------------------------------------

    def _known(self, stamp: list[int]) -> Tally | None:
        try:
            body = json.loads(_checked(self._sums.read_bytes()))
            if body["format"] != _FORMAT or body["stamp"] != stamp:
                return None
            return Tally(
                recipes=tuple(RecipeSum(recipe=r, steps=n, size=s, used=u) for r, n, s, u in body["recipes"]),
                snapshots=body["snapshots"],
                snapshot_bytes=body["bytes"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _rows(self) -> _Rows:
        try:
            body = json.loads(_checked(self._details.read_bytes()))
            if body["format"] != _FORMAT:
                return _Rows()
            return _Rows(
                files={name: (inode, recipe) for name, (inode, recipe) in body["files"].items()},
                standing={recipe: set(names) for recipe, names in body["standing"].items()},
                sizes=dict(body["sizes"]),
                used=dict(body["used"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return _Rows()

    def _keep(self, rows: _Rows, known: Tally, stamp: list[int]) -> None:
        details = {
            "format": _FORMAT,
            "files": rows.files,
            "standing": {recipe: sorted(names) for recipe, names in rows.standing.items()},
            "sizes": rows.sizes,
            "used": rows.used,
        }
        sums = {
            "format": _FORMAT,
            "stamp": stamp,
            "recipes": [(one.recipe, one.steps, one.size, one.used) for one in known.recipes],
            "snapshots": known.snapshots,
            "bytes": known.snapshot_bytes,
        }
        try:
            with guarded(self._core.root):
                for path, body in ((self._details, details), (self._sums, sums)):
                    data = json.dumps(body, separators=(",", ":")).encode()
                    data = sha256(data).encode() + b"\n" + data
                    files.write_whole(path, data, scratch=self._core.tmp, token=self._core.lease.token, durable=False)
        except StoreError:
            pass  # a full store can still be looked at

    # --- what is there ----------------------------------------------------------------------------------------------

    def _update(self, rows: _Rows) -> None:
        there = set(self._snapshots.names())
        for gone in rows.sizes.keys() - there:
            del rows.sizes[gone]
        for fresh in there - rows.sizes.keys():
            try:
                rows.sizes[fresh] = self._snapshots.read(fresh).size
            except (MissingObject, files.Damaged):
                continue
        with os.scandir(self._steps.directory) as entries:
            now = {entry.name: entry.inode() for entry in entries}
        changed: set[str] = set()  # recipes that have lost records: what they stand on must be found anew
        for name, (inode, recipe) in list(rows.files.items()):
            if now.get(name) != inode:
                del rows.files[name]
                if recipe is not None:
                    changed.add(recipe)
        self._add(rows, ((name, inode) for name, inode in now.items() if name not in rows.files))
        for recipe in changed:
            again = [(name, inode) for name, (inode, whose) in rows.files.items() if whose == recipe]
            rows.standing.pop(recipe, None)
            rows.used.pop(recipe, None)
            self._add(rows, again)

    def _add(self, rows: _Rows, names: Iterable[tuple[str, int]]) -> None:
        for name, inode in names:
            found = self._steps.read_file(name)
            if found is None:
                rows.files[name] = inode, None
                continue
            record, used = found
            rows.files[name] = inode, record.recipe
            rows.standing.setdefault(record.recipe, set()).update(_stands_on(record))
            rows.used[record.recipe] = max(rows.used.get(record.recipe, 0), used)

    def _summed(self, rows: _Rows) -> Tally:
        counts: dict[str, int] = {}
        for _, recipe in rows.files.values():
            if recipe is not None:
                counts[recipe] = counts.get(recipe, 0) + 1
        return Tally(
            recipes=tuple(
                RecipeSum(
                    recipe=recipe,
                    steps=count,
                    size=sum(rows.sizes.get(name, 0) for name in rows.standing[recipe]),
                    used=rows.used[recipe],
                )
                for recipe, count in sorted(counts.items())
            ),
            snapshots=len(rows.sizes),
            snapshot_bytes=sum(rows.sizes.values()),
        )


def _stands_on(record: StepRecord) -> tuple[str, ...]:
    return (*record.chain, *record.inputs)


def _checked(data: bytes) -> bytes:
    digest, _, rest = data.partition(b"\n")
    if sha256(rest).encode() != digest:
        raise ValueError("it does not match its own digest")
    return rest
