"""Several plans of one recipe, which differ in the platform: what they have in common, and how they are told apart.

Invariant: a stage is shared only if its base, its steps and all that they read are the same by their keys.
"""

from collections.abc import Mapping, Sequence

from metalor_lang.checker.program import StageBase
from metalor_lang.guards import Lock
from metalor_lang.plan.graph import Plan, PlannedStage
from metalor_lang.record import replace
from metalor_lang.store.records import StepRecord

Place = tuple[int, int]
"""Number of a plan, index of a stage in it."""


def twins(plans: Sequence[Plan]) -> Mapping[Place, int]:
    """For each stage that an earlier plan has too: the number of the first such plan."""
    found: dict[Place, int] = {}
    for which, plan in enumerate(plans):
        for index in sorted(plan.stages):
            for earlier in range(which):
                if (earlier, index) not in found and _same(plans, found, which, earlier, index):
                    found[which, index] = earlier
                    break
    return found


def _same(plans: Sequence[Plan], found: Mapping[Place, int], which: int, earlier: int, index: int) -> bool:
    stage, other = plans[which].stages[index], plans[earlier].stages.get(index)
    if other is None or _made_from(stage) != _made_from(other):
        return False
    below = {*stage.needs, *((stage.base.stage,) if isinstance(stage.base, StageBase) else ())}
    # Equal keys may still stand for files that were made twice, where a command is not deterministic.
    return all(found.get((which, need)) == earlier for need in below if need in plans[which].stages)


def _made_from(stage: PlannedStage) -> tuple[str, ...]:
    return (str(stage.platform), stage.base_key, *(step.key for step in stage.steps))


def named(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """The plans with stages that say whom they are for: the platform before the title, except where all share them."""
    if len(plans) == 1:
        return tuple(plans)
    same = twins(plans)
    shared = {index for which, index in same}
    return tuple(
        replace(
            plan,
            stages={
                index: stage
                if index in shared and all((which, index) in same for which in range(1, len(plans)))
                else replace(stage, title=f"{plan.program.platform} {stage.title}")
                for index, stage in plan.stages.items()
            },
        )
        for plan in plans
    )


class Shared:
    """What steps of one command gave, its builds' for several platforms among them; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[str] = set()
        self._made: dict[str, StepRecord] = {}

    def begin(self, key: str) -> None:
        """Note that a step runs."""
        with self._lock:
            self._running.add(key)

    def runs(self, key: str) -> bool:
        """Whether the step ran or runs."""
        with self._lock:
            return key in self._running

    def add(self, record: StepRecord) -> None:
        """Note what a step gave."""
        with self._lock:
            self._made[record.key] = record

    def made(self, key: str) -> StepRecord | None:
        """What a step gave; used instead of running it again even where nothing may be taken from the cache."""
        with self._lock:
            return self._made.get(key)
