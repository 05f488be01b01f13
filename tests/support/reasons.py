"""Two plans compared without a store: what is missing is what the older one did not have."""

from collections.abc import Mapping, Sequence

from metalor_lang.plan.graph import Plan
from metalor_lang.plan.why.account import Account, Place, account_of
from metalor_lang.plan.why.causes import Cause, Reason
from metalor_lang.plan.why.compare import Miss, Missing, explain
from metalor_lang.plan.why.words import few_words, whole


class NoFiles:
    """Knows nothing of contexts."""

    def changes(self, old: str, place: Place, at: str) -> Sequence[Cause]:
        return ()

    def tree(self, old: str, stage: int) -> Sequence[Cause]:
        return ()


def account(plan: Plan) -> Account:
    return account_of(plan, recipe="test.metalor")


def missing(before: Plan | None, now: Plan) -> dict[Place, Miss]:
    """The steps that a store with all results of an older plan does not have."""
    there = set() if before is None else {step.key for stage in before.stages.values() for step in stage.steps}
    return {
        (index, step.number): Miss(why=Missing.GONE)
        for index, stage in now.stages.items()
        for step in stage.steps
        if step.key not in there and step.kind.acts
    }


def reasons(before: Plan | None, now: Plan, misses: Mapping[Place, Miss] | None = None) -> dict[Place, Reason]:
    """Why each step runs that does."""
    then = None if before is None else account(before)
    found = missing(before, now) if misses is None else misses
    return explain(then, account(now), found, NoFiles())


def lines(now: Plan, found: Mapping[Place, Reason]) -> list[str]:
    """Each step that runs, with why: all causes of its own, else where the first change is and what it is."""
    shown = []
    for (index, number), reason in sorted(found.items()):
        name = f"{now.stages[index].title}.{number}"
        if reason.causes:
            causes = [" ".join(line.strip() for line in whole(cause)) for cause in reason.causes]
            shown.append(f"{name}: {'; '.join(causes)}")
        else:
            shown.append(f"{name}: {few_words(reason, (index, number))}")
    return shown
