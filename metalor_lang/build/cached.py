"""Which steps of a plan a build would take from the store.

Invariant: the builder's own rule (`lookup.find_records`), applied without building.
"""

import time

from metalor_lang.build.bases import Bases
from metalor_lang.build.lookup import find_records
from metalor_lang.plan.graph import Plan
from metalor_lang.store.store import Store


def cached_steps(plan: Plan, store: Store, bases: Bases) -> frozenset[tuple[int, int]]:
    """(stage index, step number) of every step that would not run."""
    return frozenset(
        find_records(
            plan, store.steps.get_all, lambda stage: bases.unpacked(stage.base, stage.platform), int(time.time())
        )
    )
