"""A large store, and a builder with a large heap."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench import steps
from tests.bench.rows import Bar, Row
from tests.bench.timing import beside, seconds
from tests.bench.workload import Bench

FEW: Final = 100
MANY: Final = 20_000


def stores(bench: Bench) -> Iterator[Row]:
    """20,000 snapshots beside 100: the start of a build, the list of the cache, and collecting half."""
    recipe = bench.recipe("scale.metalor", 'RUN ["/bin/true"]\n')
    found: dict[int, Path] = {}
    for count in (FEW, MANY):
        found[count] = bench.disk / f"store-{count}"
        steps.fabricate(found[count], count)
        bench.build(recipe, store=found[count])
        bench.metalor("cache", "ls", store=found[count])
    for case, work in (
        ("start of a cached build", lambda store: bench.build(recipe, store=store)),
        ("`cache ls`", lambda store: seconds(lambda: bench.metalor("cache", "ls", store=store))),
    ):
        pair = beside(lambda work=work: work(found[MANY]), lambda work=work: work(found[FEW]), 7)  # type: ignore[misc]
        yield Row(
            case=f"{MANY:,} snapshots: {case}",
            ours=pair.ours,
            floor=pair.floor,
            floor_name=f"with {FEW} snapshots",
            steady=pair.steady,
            bars=(Bar(text="≤ 1.2 × a small store", measured=pair.ours / pair.floor, limit=1.2),),
        )
    each = {}
    for count in (MANY // 4, MANY):
        store = bench.disk / "collected"
        steps.fabricate(store, count)
        each[count] = steps.gc_half(store) / count
        shutil.rmtree(store)
    yield Row(
        case=f"gc of half of {MANY:,} snapshots",
        ours=each[MANY] * MANY,
        bars=(
            Bar(
                text="linear: a snapshot of many ≤ 1.3 × of a quarter", measured=each[MANY] / each[MANY // 4], limit=1.3
            ),
        ),
    )
