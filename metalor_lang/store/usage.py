"""What a store holds, as data for `cache ls`.

Invariant: reading changes nothing; a snapshot used by several recipes counts for each of them and once in the total.
"""

from metalor_lang.record import dataclass
from metalor_lang.store.blobs import Blobs
from metalor_lang.store.records import Layers, StepRecord, Steps
from metalor_lang.store.snapshots import SnapshotInfo, Snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUsage:
    """A step record; `size` is the bytes of the snapshot it made or 0, `used` nanoseconds since 1970."""

    record: StepRecord
    size: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotUsage:
    """A snapshot and the names of the recipes that use it (none: only garbage or a running build does)."""

    info: SnapshotInfo
    recipes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeUsage:
    """The steps of one recipe name, oldest first; `size` is the bytes of all snapshots they stand on."""

    recipe: str
    steps: tuple[StepUsage, ...]
    size: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUsage:
    """Everything in a store; sizes in bytes."""

    recipes: tuple[RecipeUsage, ...]
    snapshots: tuple[SnapshotUsage, ...]
    snapshot_bytes: int
    blobs: int
    blob_bytes: int
    layers: int


def usage(blobs: Blobs, snapshots: Snapshots, steps: Steps, layers: Layers) -> StoreUsage:
    """Take stock of a store."""
    infos = {info.id: info for info in snapshots.all()}
    by_recipe: dict[str, list[StepUsage]] = {}
    users: dict[str, set[str]] = {}
    standing: dict[str, set[str]] = {}
    for found in steps.all():
        record = found.record
        made = record.chain[-1] if record.chain and record.chain != record.parent else ""
        size = infos[made].size if made in infos else 0
        by_recipe.setdefault(record.recipe, []).append(StepUsage(record=record, size=size, used=found.used))
        names = {name for name in (*record.chain, *record.inputs) if name in infos}
        standing.setdefault(record.recipe, set()).update(names)
        for name in names:
            users.setdefault(name, set()).add(record.recipe)
    recipes = tuple(
        RecipeUsage(
            recipe=recipe,
            steps=tuple(sorted(found_steps, key=lambda step: (step.record.created, step.record.key))),
            size=sum(infos[name].size for name in standing[recipe]),
            used=max(step.used for step in found_steps),
        )
        for recipe, found_steps in sorted(by_recipe.items())
    )
    blob_sizes = [size for _, size in blobs.all()]
    return StoreUsage(
        recipes=recipes,
        snapshots=tuple(
            SnapshotUsage(info=info, recipes=tuple(sorted(users.get(info.id, ())))) for info in infos.values()
        ),
        snapshot_bytes=sum(info.size for info in infos.values()),
        blobs=len(blob_sizes),
        blob_bytes=sum(blob_sizes),
        layers=sum(1 for _ in layers.all()),
    )
