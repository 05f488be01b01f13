"""Two accounts of a recipe compared: which step runs for what, and which only for another one.

Invariant: a step whose key changed has a cause, or stands behind a step that has one; what it stands on always lies
above it.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from metalor_lang.plan.why.account import Account, Place, StageAccount, StepAccount
from metalor_lang.plan.why.align import align_stages, align_steps
from metalor_lang.plan.why.causes import Cause, Code, Found, Reason
from metalor_lang.plan.why.differences import Difference, Files
from metalor_lang.record import dataclass


class Missing(StrEnum):
    """Why the store's result of a step is not used."""

    GONE = "gone"
    SNAPSHOTS = "snapshots"
    DAMAGED = "damaged"
    EXPIRED = "expired"
    ELSEWHERE = "elsewhere"
    """There is one, made on other snapshots."""
    NO_BASE = "no-base"
    """Number 0: what the stage stands on is not unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A step that would run.

    Args:
        why: what became of its result.
        age, limit: in seconds, of an expired one.

    """

    why: Missing
    age: int = 0
    limit: int = 0


_LOST: Mapping[Missing, Code] = {Missing.SNAPSHOTS: Code.SNAPSHOTS_GONE, Missing.DAMAGED: Code.DAMAGED}


def explain(
    before: Account | None, now: Account, misses: Mapping[Place, Miss], files: Files
) -> dict[Place, Reason]:  # fmt: skip
    """Why each step that would run does.

    Args:
        before: the account of the last build, None where there was none.
        now: of the plan.
        misses: the steps that would run; with number 0, what must be unpacked.
        files: what contexts held.

    """
    comparison = Comparison(before, now, misses, files)
    return {place: comparison.reason(place) for place in misses if place[1]}


class Comparison:
    """Two accounts, and what the store lacks; arguments as `explain`."""

    def __init__(self, before: Account | None, now: Account, misses: Mapping[Place, Miss], files: Files) -> None:
        self.before = before
        self.now = now
        self.files = files
        self.new = {stage.index: stage for stage in now.stages}
        self.old = {stage.index: stage for stage in before.stages} if before is not None else {}
        self.stages = align_stages(before, now) if before is not None else {}
        """The older stage of each stage."""
        self._steps = {index: align_steps(old.steps, self.new[index].steps) for index, old in self.stages.items()}
        self._misses = misses
        self._known: dict[Place, Found] = {}

    def reason(self, place: Place) -> Reason:
        """Why a step runs."""
        own = self.found(place)
        root, first = place, own
        if not own.causes:
            while first.behind is not None:
                root = first.behind
                first = self.found(root)
        if not first.causes:  # a difference that nothing explains is said all the same
            first = Found(causes=(Cause(code=Code.PART, name="key"),))
            own = first if root == place else own
        title = self.new[root[0]].title
        return Reason(causes=own.causes, root=root, first=first.causes, changed=self.changed(root), title=title)

    def changed(self, place: Place) -> bool:
        """Whether what a step or a base gives is made from something else than it was."""
        stage, old = self.new[place[0]], self.stages.get(place[0])
        if old is None:
            return True
        if not place[1]:
            return old.base_key != stage.base_key
        then = self._steps[stage.index].get(place[1])
        return then is None or then.key != stage.steps[place[1] - 1].key

    def found(self, place: Place) -> Found:
        """The causes of a step itself, and a step above that has some."""
        if place not in self._known:
            self._known[place] = self._find(place)
        return self._known[place]

    def _find(self, place: Place) -> Found:
        stage, old_stage = self.new[place[0]], self.stages.get(place[0])
        if not place[1]:
            return self._base(stage, old_stage)
        step = stage.steps[place[1] - 1]
        miss = self._misses.get(place)
        if old_stage is None:
            if miss is not None and miss.why is not Missing.GONE:
                return self._lost(stage, step, miss, True)
            return Found(causes=(Cause(code=Code.NEVER_BUILT),))
        old = self._steps[stage.index].get(step.number)
        if old is None:
            moved = any(each.text == step.text for each in self._left_out(stage.index))
            return Found(causes=(Cause(code=Code.MOVED_STATEMENT if moved else Code.NEW_STATEMENT, name=step.text),))
        if old.key == step.key:
            return Found() if miss is None else self._lost(stage, step, miss, old.done)
        found = Difference(self, (old_stage, old), (stage, step)).find()
        return found if found else Found(causes=(Cause(code=Code.PART, name="key", old=old.key, new=step.key),))

    def _left_out(self, index: int) -> list[StepAccount]:
        """The older steps of a stage that no step is."""
        there = {old.number for old in self._steps[index].values()}
        return [old for old in self.stages[index].steps if old.number not in there]

    # --- results that are not there ---------------------------------------------------------------------------------

    def _lost(self, stage: StageAccount, step: StepAccount, miss: Miss, done: bool) -> Found:
        """Why a step runs that is what it was."""
        match miss.why:
            case Missing.GONE:
                return Found(causes=(Cause(code=Code.RECORD_GONE if done else Code.UNFINISHED),))
            case Missing.EXPIRED:
                return Found(causes=(Cause(code=Code.EXPIRED, old=str(miss.age), new=str(miss.limit)),))
            case Missing.ELSEWHERE | Missing.NO_BASE:
                read = [(origin, _END) for origin in step.origins.values() if isinstance(origin, int)]
                for place in ((stage.index, step.number), *read):
                    missed = self._missed_above(*place)
                    if missed is not None:
                        return Found(behind=missed)
                return Found(causes=(Cause(code=Code.MADE_ANEW),))
            case _:
                return Found(causes=(Cause(code=_LOST[miss.why]),))

    def _missed_above(self, index: int, number: int) -> Place | None:
        """The nearest step that a step stands on and that must run itself."""
        while True:
            stage = self.new[index]
            number = _above(stage, number)
            if (index, number) in self._misses:
                return index, number
            if not number:
                if stage.below is None:
                    return None
                index, number = stage.below, _END

    # --- what a step stands on --------------------------------------------------------------------------------------

    def _base(self, stage: StageAccount, old: StageAccount | None) -> Found:
        if old is None:
            return Found(causes=(Cause(code=Code.NEVER_BUILT),))
        if old.base_key == stage.base_key:
            gone = (stage.index, 0) in self._misses
            return Found(causes=(Cause(code=Code.BASE_GONE, name=stage.base),) if gone else ())
        below = None if stage.below is None else self.stages.get(stage.below)
        if below is not None and below.index == old.below:
            assert stage.below is not None
            return self.end(stage.below)
        if (old.base, old.platform) != (stage.base, stage.platform):
            named = {**old.arguments, **stage.arguments}
            causes = [
                Cause(
                    code=Code.ARGUMENT, name=name, old=old.arguments.get(name), new=stage.arguments.get(name),
                    via=stage.text, line=stage.line,
                )
                for name in named
                if old.text == stage.text and old.arguments.get(name) != stage.arguments.get(name)
            ]  # fmt: skip
            if old.platform != stage.platform and old.base == stage.base:
                causes = [Cause(code=Code.PLATFORM, old=old.platform, new=stage.platform)]
            if causes:
                return Found(causes=tuple(causes))
        called = [each.digest if each.below is None and each.digest else each.base for each in (old, stage)]
        if old.base != stage.base:
            called = [old.base, stage.base]
        cause = Cause(code=Code.BASE, name=stage.base, old=called[0], new=called[1], via=self.by_lock)
        inside: Sequence[Cause] = ()
        if old.base == stage.base and stage.base.startswith("rootfs:"):
            inside = self.files.tree(old.digest, stage.index)
        return Found(causes=(cause, *inside))

    @property
    def by_lock(self) -> str:
        """What to say of the lock where something from outside is another one: it decides what comes."""
        assert self.before is not None
        if self.before.lock == self.now.lock:
            return ""
        if not self.before.lock:
            return "there is a lock now"
        return "the lock changed" if self.now.lock else "there is no lock any more"

    def end(self, index: int) -> Found:
        """Why the files of a whole stage, which has an older one, are others."""
        return self.above(index, _END, _END)

    def above(self, index: int, number: int, old_number: int) -> Found:
        """Why the files that a step stands on are others: what was taken out of the recipe, or a step above.

        Args:
            index: of its stage, which has an older one.
            number: of the step.
            old_number: of the step that it was.

        """
        stage, pairs = self.new[index], self._steps[index]
        added = 0
        at = _above(stage, number)
        while at and at not in pairs:
            added = at
            at = _above(stage, at)
        if self.changed((index, at)):
            return Found(behind=(index, at))
        if added:
            return Found(behind=(index, added))
        start = pairs[at].number if at else 0
        texts = {step.text for step in stage.steps if step.number not in pairs}
        return Found(
            causes=tuple(
                Cause(code=Code.MOVED_STATEMENT if old.text in texts else Code.REMOVED_STATEMENT, name=old.text)
                for old in self._left_out(index)
                if old.writes and start < old.number < old_number
            )
        )


_END = 1 << 30
"""The number of a step behind all of a stage."""


def _above(stage: StageAccount, number: int) -> int:
    """The number of the step that one stands on, 0 for what the stage does."""
    return max((each.number for each in stage.steps[: number - 1] if each.writes), default=0)
