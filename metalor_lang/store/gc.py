"""Collect garbage: keep what the policy and living builds need, take the rest away, then delete it.

Invariant: an object leaves by one rename into `tmp/gc-…`, while the store's gate is held alone; a kill at any point
leaves either the object or rubbish that the next open removes. Records go before the snapshots they name.

A named result (`refs/NAME.json`, JSON in which the strings of 32 hex digits are snapshots) is kept where no limits are
given; with limits the records decide, and a name whose snapshots went goes too.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass, replace
from metalor_lang.store.blobs import Blobs
from metalor_lang.store.caches import Caches
from metalor_lang.store.core import Core
from metalor_lang.store.downloads import DownloadRecord, Downloads
from metalor_lang.store.errors import MissingObject, guarded
from metalor_lang.store.files import Damaged
from metalor_lang.store.leases import live_leases
from metalor_lang.store.memories import dead_memories
from metalor_lang.store.records import Found, LayerRecord, Layers, StepRecord, Steps, file_name
from metalor_lang.store.snapshots import Snapshots

_WEEK: Final = 7 * 86400
_SNAPSHOT: Final = pattern(r'"([0-9a-f]{32})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepPolicy:
    """Which step records stay; every limit that is given must be met, most recently used first.

    A record that stays keeps the records it stands on, so a kept build can be replayed from its start.

    Args:
        newest: how many records at most (before what they stand on).
        max_age: seconds since the last use at most.
        max_bytes: bytes of the kept snapshots, downloads and caches at most.
        leftovers: seconds that logs of forgotten steps, quarantined objects and broken downloads stay.

    """

    newest: int | None = None
    max_age: int | None = None
    max_bytes: int | None = None
    leftovers: int = _WEEK

    @property
    def unlimited(self) -> bool:
        """Whether every record stays."""
        return self.newest is None and self.max_age is None and self.max_bytes is None


@dataclass(frozen=True, slots=True, kw_only=True)
class GcReport:
    """What a collection did; with `dry_run`, what it would do.

    Args:
        kept_steps: records that stay.
        removed_steps: keys of the records that go.
        removed_snapshots: their ids.
        removed_blobs: their digests.
        freed: bytes of the removed snapshots, blobs and caches.
        protected: snapshots that stay only because a living build uses them.
        kept_bytes: of the snapshots and downloads that stay.
        removed_caches: ids of the directories of `--cache` that go.

    """

    kept_steps: int
    removed_steps: tuple[str, ...]
    removed_snapshots: tuple[str, ...]
    removed_blobs: tuple[str, ...]
    freed: int
    protected: int
    kept_bytes: int = 0
    removed_caches: tuple[str, ...] = ()


def stands_on(record: StepRecord) -> tuple[str, ...]:
    """The snapshots that a record names."""
    return (*record.chain, *record.parent, *record.inputs)


def choose(records: Iterable[Found[StepRecord]], sizes: dict[str, int], policy: KeepPolicy, now: float) -> set[str]:
    """The keys of the records that stay under a policy. Pure.

    Args:
        records: all of them.
        sizes: bytes of each snapshot.
        policy: the limits.
        now: seconds since 1970.

    """
    ordered = sorted(records, key=lambda found: (-found.used, found.record.key))
    by_chain: dict[tuple[str, ...], list[StepRecord]] = {}
    by_top: dict[str, list[StepRecord]] = {}
    for found in ordered:
        record = found.record
        by_chain.setdefault(record.chain, []).append(record)
        if record.chain:
            by_top.setdefault(record.chain[-1], []).append(record)
    kept: set[str] = set()
    held: set[str] = set()
    room = policy.max_bytes
    for index, found in enumerate(ordered):
        if policy.newest is not None and index >= policy.newest:
            break
        if policy.max_age is not None and now - found.used / 1e9 > policy.max_age:
            break
        closure = _closure(found.record, by_chain, by_top, kept)
        fresh = {name for record in closure for name in stands_on(record)} - held
        cost = sum(sizes.get(name, 0) for name in fresh)
        if room is not None:
            if cost > room:
                break
            room -= cost
        kept.update(record.key for record in closure)
        held |= fresh
    return kept


def _closure(
    start: StepRecord,
    by_chain: dict[tuple[str, ...], list[StepRecord]],
    by_top: dict[str, list[StepRecord]],
    known: set[str],
) -> list[StepRecord]:
    found: dict[str, StepRecord] = {}
    todo = [start]
    while todo:
        record = todo.pop()
        if record.key in found or record.key in known:
            continue
        found[record.key] = record
        todo.extend(by_chain.get(record.parent, ()))
        for name in record.inputs:
            todo.extend(by_top.get(name, ()))
    return list(found.values())


def choose_downloads(
    records: Iterable[Found[DownloadRecord]], policy: KeepPolicy, spent: int, now: float
) -> set[str]:  # fmt: skip
    """The keys of the downloads that stay under a policy. Pure.

    Args:
        records: all of them.
        policy: its age counts, and of its bytes what the snapshots leave; most recently used first.
        spent: bytes of the snapshots that stay.
        now: seconds since 1970.

    """
    room = None if policy.max_bytes is None else policy.max_bytes - spent
    kept: set[str] = set()
    blobs: set[str] = set()
    for found in sorted(records, key=lambda found: (-found.used, found.record.key)):
        if policy.max_age is not None and now - found.used / 1e9 > policy.max_age:
            break
        cost = 0 if found.record.digest in blobs else found.record.size
        if room is not None:
            if cost > room:
                break
            room -= cost
        kept.add(found.record.key)
        blobs.add(found.record.digest)
    return kept


def named_results(root: Path) -> dict[Path, frozenset[str]]:
    """The files of named results, and the snapshots that each one names."""
    found = {}
    for path in sorted((root / "refs").glob("*.json")):
        try:
            found[path] = frozenset(_SNAPSHOT.findall(path.read_text(errors="replace")))
        except FileNotFoundError:
            continue
    return found


class Collector:
    """Garbage collection of one store."""

    def __init__(
        self,
        core: Core,
        blobs: Blobs,
        snapshots: Snapshots,
        steps: Steps,
        layers: Layers,
        downloads: Downloads,
        caches: Caches,
    ) -> None:
        self._core = core
        self._blobs = blobs
        self._snapshots = snapshots
        self._steps = steps
        self._layers = layers
        self._downloads = downloads
        self._caches = caches

    def run(self, policy: KeepPolicy, *, dry_run: bool = False) -> GcReport:
        """Collect once; only one process does so at a time, builds may go on.

        Raises:
            StoreUnwritable: see there.

        """
        with self._core.locks.exclusive("store:gc"), guarded(self._core.root):
            trash: list[Path] = []
            try:
                with self._core.locks.gate(alone=True):
                    report = self._mark_and_take(policy, dry_run, trash)
                report = self._take_caches(report, policy, dry_run, trash)
                if not dry_run:
                    trash += self._leftovers(policy)
            finally:
                for path in trash:
                    self._core.discard(path)
        return report

    def _mark_and_take(self, policy: KeepPolicy, dry_run: bool, trash: list[Path]) -> GcReport:
        records = list(self._steps.all())
        layers = list(self._layers.all())
        sizes = self._sizes({name for found in records for name in stands_on(found.record)})
        pinned = frozenset[str]().union(*(lease.pins for lease in live_leases(self._core.root)))
        kept = choose(records, sizes, policy, time.time())
        # A living build may have been given this record: what it pinned says so.
        kept |= {found.record.key for found in records if pinned.intersection(found.record.chain[-1:])}
        marked = {name for found in records if found.record.key in kept for name in stands_on(found.record)}
        names = named_results(self._core.root)
        if policy.unlimited:
            marked.update(*names.values())
        dead_steps = [found for found in records if found.record.key not in kept]
        dead_snapshots = [name for name in sizes if name not in marked and name not in pinned]
        gone = set(dead_snapshots)
        dead_layers = [found for found in layers if self._layer_is_dead(found, gone, sizes, policy)]
        spent = sum(sizes[name] for name in sizes if name not in gone)
        downloads = list(self._downloads.all())
        kept_downloads = choose_downloads(downloads, policy, spent, time.time())
        dead_downloads = [found for found in downloads if found.record.key not in kept_downloads]
        live_blobs = {found.record.digest for found in layers if found not in dead_layers} | pinned
        live_blobs |= {found.record.digest for found in downloads if found.record.key in kept_downloads}
        dead_blobs = [(digest, size) for digest, size in self._blobs.all() if digest not in live_blobs]
        dead_names = [path for path, held in names.items() if not held.isdisjoint(gone)]
        if not dry_run:
            forgotten = [found.path for found in dead_steps] + [found.path for found in dead_layers]
            forgotten += [found.path for found in dead_downloads] + dead_names + dead_memories(self._core.root, kept)
            for path in forgotten:
                path.unlink(missing_ok=True)
            for path in (
                *(self._snapshots.path(name) for name in dead_snapshots),
                *(self._blobs.path(digest) for digest, _ in dead_blobs),
            ):
                if (moved := self._core.take_away(path)) is not None:
                    trash.append(moved)
        kept_sizes = {found.record.digest: found.record.size for found in downloads if found not in dead_downloads}
        return GcReport(
            kept_bytes=spent + sum(kept_sizes.values()),
            kept_steps=len(kept),
            removed_steps=tuple(sorted(found.record.key for found in dead_steps)),
            removed_snapshots=tuple(sorted(dead_snapshots)),
            removed_blobs=tuple(digest for digest, _ in dead_blobs),
            freed=sum(sizes[name] for name in dead_snapshots) + sum(size for _, size in dead_blobs),
            protected=sum(name in pinned and name not in marked for name in sizes),
        )

    def _take_caches(self, report: GcReport, policy: KeepPolicy, dry_run: bool, trash: list[Path]) -> GcReport:
        """Take away the caches of steps that a policy leaves no room for, except those that a step uses now."""
        if policy.max_age is None and policy.max_bytes is None:
            return report
        room = None if policy.max_bytes is None else policy.max_bytes - report.kept_bytes
        now, gone, freed, full = time.time(), [], 0, False
        for info in sorted(self._caches.all(), key=lambda info: (-info.used, info.name.digest)):
            full = full or (room is not None and info.size > room)
            if not full and (policy.max_age is None or now - info.used / 1e9 <= policy.max_age):
                room = None if room is None else room - info.size
                continue
            if not dry_run:
                moved = self._caches.take_away(info.name)
                if moved is None:
                    continue
                trash.append(moved)
            gone.append(info.name.id)
            freed += info.size
        return replace(report, removed_caches=tuple(gone), freed=report.freed + freed)

    def _sizes(self, named: set[str]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for identity in self._snapshots.ids():
            try:
                sizes[identity] = self._snapshots.read(identity).size
            except Damaged as error:
                if identity not in named:  # a power cut may leave such a one, and nobody was promised it
                    sizes[identity] = 0
                    continue
                self._core.quarantine(self._snapshots.path(identity), f"snapshot {identity}", str(error))
            except MissingObject:
                continue
        return sizes

    def _layer_is_dead(
        self, found: Found[LayerRecord], gone: set[str], sizes: dict[str, int], policy: KeepPolicy
    ) -> bool:
        record = found.record
        if record.snapshots:
            return any(name in gone or name not in sizes for name in record.snapshots)
        return policy.max_age is not None and time.time() - found.used / 1e9 > policy.max_age

    def _leftovers(self, policy: KeepPolicy) -> list[Path]:
        """Logs of forgotten steps, old quarantined objects and old beginnings of downloads, taken away."""
        known = {f"{file_name(found.record.key)}.log" for found in self._steps.all()}
        limit = time.time() - policy.leftovers
        taken = []
        for directory in ("logs", "quarantine", "partial"):
            for name in sorted(os.listdir(self._core.root / directory)):
                path = self._core.root / directory / name
                try:
                    # A rename keeps mtime but moves ctime: an object counts from its arrival here.
                    old = path.lstat().st_ctime <= limit
                except FileNotFoundError:
                    continue
                if old and name not in known and (moved := self._core.take_away(path)) is not None:
                    taken.append(moved)
        return taken
