"""Which statement of an older recipe a statement is.

Invariant: statements that are paired keep their order; a statement is paired with one of the same word only, and one
that stands in both recipes is not taken for a changed one where the order allows it.
"""

from collections.abc import Mapping, Sequence

from metalor_lang.hints import Final
from metalor_lang.plan.why.account import Account, StageAccount, StepAccount

_SAME: Final = 1000.0
"""What a pair of equal statements is worth; a changed one is worth its likeness, from 0 to 1, and `_KIN`."""
_KEY: Final = 1.0
_KIN: Final = 0.05
_LARGE: Final = 40_000
"""Pairs of statements beyond which likeness is not measured."""


def align_steps(before: Sequence[StepAccount], now: Sequence[StepAccount]) -> dict[int, StepAccount]:
    """The older step of each step, by its number; new ones are left out."""
    start = 0
    while start < min(len(before), len(now)) and _same(before[start], now[start]):
        start += 1
    end = 0
    while end < min(len(before), len(now)) - start and _same(before[-1 - end], now[-1 - end]):
        end += 1
    pairs = list(zip(before[:start], now[:start]))
    pairs += _aligned(before[start : len(before) - end], now[start : len(now) - end])
    pairs += zip(before[len(before) - end :], now[len(now) - end :])
    return {new.number: old for old, new in pairs}


def _same(old: StepAccount, new: StepAccount) -> bool:
    return old.kind == new.kind and old.text == new.text


def _word(step: StepAccount) -> str:
    return step.text.split(None, 1)[0]


def _aligned(before: Sequence[StepAccount], now: Sequence[StepAccount]) -> list[tuple[StepAccount, StepAccount]]:
    """The pairs that are worth most together."""
    if not before or not now:
        return []
    exact = len(before) * len(now) > _LARGE
    # worth[i][j]: the most that the first i of one and the first j of the other give.
    worth = [[0.0] * (len(now) + 1)]
    for old in before:
        above, row = worth[-1], [0.0]
        for at, new in enumerate(now):
            best = max(above[at + 1], row[at])
            if _word(old) == _word(new):
                best = max(best, above[at] + _likeness(old, new, exact))
            row.append(best)
        worth.append(row)
    pairs = []
    i, j = len(before), len(now)
    while i and j:
        if worth[i][j] == worth[i - 1][j]:
            i -= 1
        elif worth[i][j] == worth[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((before[i], now[j]))
    return pairs[::-1]


def _likeness(old: StepAccount, new: StepAccount, exact: bool) -> float:
    if old.text == new.text:
        return _SAME + (_KEY if old.key == new.key else 0)
    if exact:
        return _KIN
    from difflib import SequenceMatcher

    return _KIN + SequenceMatcher(None, old.text, new.text, autojunk=False).quick_ratio() * 0.9


def align_stages(before: Account, now: Account) -> Mapping[int, StageAccount]:
    """The older stage of each stage, by its index; new ones are left out.

    A name tells which is which; those whose name is in one recipe only, or that have none, are paired by what is in
    them, and by their order.
    """
    named = {stage.name: stage for stage in before.stages if stage.name}
    found = {stage.index: named[stage.name] for stage in now.stages if stage.name in named}
    taken = {stage.index for stage in found.values()}
    left = [stage for stage in before.stages if stage.index not in taken]

    def last(old: StageAccount, new: StageAccount) -> bool:
        return old is before.stages[-1] and new is now.stages[-1]

    for alike in (_equal, _kindred, _on_the_same, last):
        for stage in now.stages:
            if stage.index in found:
                continue
            old = next((each for each in left if alike(each, stage)), None)
            if old is not None:
                found[stage.index] = old
                left.remove(old)
    return found


def _equal(old: StageAccount, new: StageAccount) -> bool:
    return old.key == new.key or (
        old.base == new.base and [step.text for step in old.steps] == [step.text for step in new.steps]
    )


def _kindred(old: StageAccount, new: StageAccount) -> bool:
    """Whether a stage can be an older one under another name: they share a statement."""
    return not {step.text for step in old.steps}.isdisjoint(step.text for step in new.steps)


def _on_the_same(old: StageAccount, new: StageAccount) -> bool:
    return old.base == new.base
