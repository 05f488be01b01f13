"""Which record of the store is a step's, and which stages a step reads.

Invariant: a record counts on the very snapshots that it was made from.
"""

from collections.abc import Callable, Iterable, Mapping

from metalor_lang.checker.program import ScratchBase, StageBase
from metalor_lang.plan.graph import BindMount, CopyFiles, Exec, Plan, PlannedStage, Step
from metalor_lang.store.records import StepRecord

Chain = tuple[str, ...]
"""Snapshots of a tree, lowest first."""

Place = tuple[int, int]
"""Index of a stage, number of a step in it."""


def usable(record: StepRecord | None, step: Step, chain: Chain, inputs: Chain, now: int) -> StepRecord | None:
    """The record if it was made on these very snapshots and is not too old, else None."""
    if record is None or record.parent != chain or record.inputs != inputs:
        return None
    fresh = step.action.fresh if isinstance(step.action, Exec) else None
    return None if fresh is not None and record.created + fresh < now else record


def read_stages(step: Step) -> tuple[int, ...]:
    """The stages a step reads files from, in order of their use."""
    match step.action:
        case CopyFiles(stage=int(index)):
            return (index,)
        case Exec(mounts=mounts):
            return tuple(mount.stage for mount in mounts if isinstance(mount, BindMount) and mount.stage is not None)
        case _:
            return ()


def find_records(
    plan: Plan,
    records: Callable[[Iterable[str]], Mapping[str, StepRecord]],
    start: Callable[[PlannedStage], Chain | None],
    now: int,
) -> dict[Place, StepRecord]:
    """The record of every step that a build would take from the store.

    Args:
        plan: what would be built.
        records: the records of many keys, as `Steps.get_all`.
        start: the chain of a stage's image or tree, None where it is not unpacked yet.
        now: seconds since 1970.

    """
    keys = [step.key for stage in plan.stages.values() for step in stage.steps if step.kind.acts]
    there = records(keys)
    found: dict[Place, StepRecord] = {}
    chains: dict[int, Chain | None] = {}
    for index in sorted(plan.stages):
        stage = plan.stages[index]
        chain: Chain | None
        match stage.base:
            case StageBase(stage=number):
                chain = chains.get(number)
            case ScratchBase():
                chain = ()
            case _:
                chain = start(stage)
        for step in stage.steps:
            if chain is None:
                break
            if not step.kind.acts:
                continue
            inputs = [chains.get(number) for number in read_stages(step)]
            together = tuple(identity for each in inputs if each is not None for identity in each)
            known = all(each is not None for each in inputs)
            record = usable(there.get(step.key), step, chain, together, now) if known else None
            if record is not None:
                found[index, step.number] = record
                chain = record.chain
            elif step.kind.writes or not known:
                # What does not write files leaves the chain as it is, run or not.
                chain = None
        chains[index] = chain
    return found
