"""Which record of the store is a step's, and which stages a step reads.

Invariant: a record counts on the very snapshots that it was made from.
"""

import time
from collections.abc import Callable, Iterable, Mapping

from metalor_lang.build.several import Shared
from metalor_lang.checker.program import ScratchBase, StageBase
from metalor_lang.plan.graph import BindMount, CopyFiles, Exec, Kind, Plan, PlannedStage, Step
from metalor_lang.store.records import StepRecord, Steps

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


class Records:
    """What the store has of the steps of one build: looked up all at once before it, one by one while it goes on.

    Args:
        plan: what is built.
        steps: the records of the store.
        shared: what steps of this command gave.
        anew: take nothing else.

    Attributes:
        found: those of the steps that need not run.

    """

    def __init__(self, plan: Plan, steps: Steps, *, shared: Shared, anew: bool) -> None:
        self._plan = plan
        self._steps = steps
        self._shared = shared
        self._anew = anew
        self._began = int(time.time())
        self.found: Mapping[Place, StepRecord] = {}

    def look_up(self, unpacked: Callable[[PlannedStage], Chain | None]) -> bool:
        """Find the records of all steps at once; gives whether every base that was asked for is in the store.

        Args:
            unpacked: the chain of a stage's image or tree, None where it is not unpacked yet.

        """
        if self._anew:
            return False
        there = True

        def start(stage: PlannedStage) -> Chain | None:
            nonlocal there
            chain = unpacked(stage)
            there = there and chain is not None
            return chain

        self.found = find_records(self._plan, self._steps.get_all, start, self._began)
        return there

    def lacking(self, *, tests: bool) -> list[Step]:
        """The steps that may run, by what was found so far; `tests`: whether TESTs do."""
        return [
            step
            for index, stage in self._plan.stages.items()
            for step in stage.steps
            if (index, step.number) not in self.found and step.kind.acts and (tests or step.kind is not Kind.TEST)
        ]

    def of(self, stage: int, step: Step, chain: Chain, inputs: Chain) -> StepRecord | None:
        """The record of a step that can be used, found before or there by now.

        Args:
            stage: index of its stage.
            step: whose record.
            chain: what it stands on.
            inputs: the snapshots that it reads beside.

        """
        found = usable(self.found.get((stage, step.number)), step, chain, inputs, self._began)
        return found or self.now(step, chain, inputs)

    def now(self, step: Step, chain: Chain, inputs: Chain) -> StepRecord | None:
        """The record of a step as the store has it now; arguments as `of`."""
        if self._anew:
            record = self._shared.made(step.key)
        else:
            record = self._steps.get(step.key)
        return usable(record, step, chain, inputs, self._began)
