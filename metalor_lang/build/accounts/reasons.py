"""Why steps of a build run: its plan compared with the last build's, and what the store lacks.

Invariant: asked only for steps that run; nothing is compared before the first question, and a recipe that was never
built needs no comparison. An answer is never an error: what is not known is said in fewer words.
"""

import time
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

from metalor_lang.build.accounts.ledger import Whose
from metalor_lang.build.accounts.past import Past
from metalor_lang.build.bases import Bases
from metalor_lang.build.events import Why
from metalor_lang.build.folders import Folders
from metalor_lang.build.locked import lock_digest
from metalor_lang.build.lookup import Place
from metalor_lang.checker.program import ImageBase, RootfsBase
from metalor_lang.guards import Lock
from metalor_lang.hints import Final
from metalor_lang.plan.graph import Exec, Plan, PlannedStage
from metalor_lang.plan.why.account import Account, account_of
from metalor_lang.plan.why.causes import Cause, Reason
from metalor_lang.plan.why.compare import Comparison, Miss, Missing
from metalor_lang.plan.why.words import few_words
from metalor_lang.store.glance import Absent, Glance
from metalor_lang.store.records import StepRecord
from metalor_lang.store.store import Store

_MISSING: Final = {
    Absent.GONE: Missing.GONE,
    Absent.DAMAGED: Missing.DAMAGED,
    Absent.SNAPSHOTS: Missing.SNAPSHOTS,
}


class Reasons:
    """Why the steps of one plan run.

    Args:
        plan: what is built.
        store: an open one.
        bases: of the build.
        contexts: of the recipe.
        whose: which builds it is compared with.
        before: what it is compared with instead.
        done: steps that are there, whatever the store says.
        names: what steps are called where they have other names than their numbers.

    """

    def __init__(
        self,
        plan: Plan,
        *,
        store: Store,
        bases: Bases,
        contexts: Folders,
        whose: Whose,
        before: Account | None = None,
        done: Container[Place] = frozenset(),
        names: Mapping[Place, str] | None = None,
    ) -> None:
        self._before = before
        self._done = done
        self._names = names or {}
        self._plan = plan
        self._store = store
        self._bases = bases
        self._contexts = contexts
        self._whose = whose
        self._lock = Lock()
        self._comparison: Comparison | None = None

    def why(self, place: Place, found: Mapping[Place, StepRecord]) -> Why:
        """Why a step runs, in a few words.

        Args:
            place: of the step.
            found: the records of those that need not run.

        """
        reason = self.reason(place, found)
        code = reason.causes[0].code if reason.causes else "behind"
        return Why(code=str(code), words=few_words(reason, place, self._names.get(reason.root, "")))

    def reason(self, place: Place, found: Mapping[Place, StepRecord]) -> Reason:
        """Why a step runs; arguments as `why`."""
        with self._lock:
            if self._comparison is None:
                self._comparison = self._compare(found)
            return self._comparison.reason(place)

    @property
    def before(self) -> Account | None:
        """The account of the last build, once something was asked."""
        return self._comparison.before if self._comparison is not None else None

    def _compare(self, found: Mapping[Place, StepRecord]) -> Comparison:
        before = self._before or Past(self._store).recall(self._whose)
        now = account_of(self._plan, recipe=self._whose.path, lock=lock_digest(Path(self._whose.path)))
        files = _Files(self._plan, self._contexts, self._store, self._bases, before)
        return Comparison(before, now, self._misses(found), files)

    def _misses(self, found: Mapping[Place, StepRecord]) -> dict[Place, Miss]:
        """The steps that have no record that can be used, and the bases that are not there."""
        look = Glance(self._store.root).look
        now = int(time.time())
        misses: dict[Place, Miss] = {}
        for index, stage in self._plan.stages.items():
            if self._base_is_missing(stage):
                misses[index, 0] = Miss(why=Missing.NO_BASE)
            for step in stage.steps:
                place = index, step.number
                if not step.kind.acts or place in found or place in self._done:
                    continue
                record = look(step.key)
                fresh = step.action.fresh if isinstance(step.action, Exec) else None
                if isinstance(record, Absent):
                    misses[place] = Miss(why=_MISSING[record])
                elif fresh is not None and record.created + fresh < now:
                    misses[place] = Miss(why=Missing.EXPIRED, age=now - record.created, limit=fresh)
                else:
                    misses[place] = Miss(why=Missing.ELSEWHERE)
        return misses

    def _base_is_missing(self, stage: PlannedStage) -> bool:
        if not isinstance(stage.base, ImageBase | RootfsBase):
            return False
        return self._bases.unpacked(stage.base, stage.platform) is None


class _Files:
    """What contexts and trees held, with the code for it brought in when it is first asked."""

    def __init__(self, plan: Plan, contexts: Folders, store: Store, bases: Bases, before: Account | None) -> None:
        self._plan = plan
        self._contexts = contexts
        self._store = store
        self._bases = bases
        self._ignores = before.ignores if before is not None else {}

    def changes(self, old: str, place: Place, at: str) -> Sequence[Cause]:
        from metalor_lang.build.accounts.filechanges import FileChanges
        from metalor_lang.build.listings import Listings

        files = FileChanges(self._plan, self._contexts.opened(), Listings(self._store), self._ignores)
        return files.changes(old, place, at)

    def tree(self, old: str, stage: int) -> Sequence[Cause]:
        from metalor_lang.build.accounts.treechanges import tree_changes

        planned = self._plan.stages[stage]
        assert isinstance(planned.base, RootfsBase)
        tree = self._bases.tree(planned.base, planned.platform)
        return tree_changes(old, tree, self._store, self._bases.unpacker)
