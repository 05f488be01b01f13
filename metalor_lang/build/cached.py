"""Which steps of a plan a build would take from the store.

Invariant: the same rule as the builder's: a record counts on the very snapshots that it was made from.
"""

import time

from metalor_lang.build.bases import Bases
from metalor_lang.build.lookup import Chain, read_stages, usable
from metalor_lang.checker.program import ScratchBase, StageBase
from metalor_lang.plan.graph import Configure, Plan
from metalor_lang.store.store import Store


def cached_steps(plan: Plan, store: Store, bases: Bases) -> frozenset[tuple[int, int]]:
    """(stage index, step number) of every step that would not run."""
    found: set[tuple[int, int]] = set()
    chains: dict[int, Chain | None] = {}
    now = int(time.time())
    for index in sorted(plan.stages):
        stage = plan.stages[index]
        chain: Chain | None
        match stage.base:
            case StageBase(stage=number):
                chain = chains.get(number)
            case ScratchBase():
                chain = ()
            case base:
                record = store.steps.get(bases.resolve(base, stage.platform).key)
                chain = record.chain if record is not None else None
        for step in stage.steps:
            if isinstance(step.action, Configure) or chain is None:
                continue
            inputs = [chains.get(number) for number in read_stages(step)]
            if any(each is None for each in inputs):
                chain = None
                continue
            together = tuple(identity for each in inputs if each is not None for identity in each)
            record = usable(store.steps.get(step.key), step, chain, together, now)
            if record is None:
                # What does not write files leaves the chain as it is, run or not.
                chain = None if step.kind.writes else chain
            else:
                found.add((index, step.number))
                chain = record.chain
        chains[index] = chain
    return frozenset(found)
