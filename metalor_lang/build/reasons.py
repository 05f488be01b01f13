"""Why steps of a build run: its plan compared with the last build's, and what the store lacks.

Invariant: asked only for steps that run; nothing is compared before the first question, and a recipe that was never
built needs no comparison. An answer is never an error: what is not known is said in fewer words.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from metalor_lang.build.bases import Bases
from metalor_lang.build.events import Why
from metalor_lang.build.folders import Folders
from metalor_lang.build.locked import lock_path
from metalor_lang.build.lookup import Place
from metalor_lang.build.past import Past, Whose, whose
from metalor_lang.checker.program import ImageBase, RootfsBase
from metalor_lang.digest import sha256
from metalor_lang.errors import MetalorError
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.plan.graph import BindMount, CopyFiles, Exec, Plan, PlannedStage
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.build.contexts import Listing
    from metalor_lang.plan.why.account import Account
    from metalor_lang.plan.why.causes import Reason
    from metalor_lang.plan.why.compare import Comparison, Miss
    from metalor_lang.store.records import StepRecord

_UNFINISHED: Final = b"-" * 71


class Reasons:
    """Why the steps of one plan run, and what is kept of it for the next build.

    Args:
        plan: what is built.
        store: an open one.
        bases: of the build.
        contexts: of the recipe.
        name: what the recipe is remembered by.
        path: of its file.

    """

    def __init__(self, plan: Plan, *, store: Store, bases: Bases, contexts: Folders, name: str, path: Path) -> None:
        self._plan = plan
        self._store = store
        self._bases = bases
        self._contexts = contexts
        self._path = path
        self._whose: Whose = whose(plan, name, path)
        self._past = Past(store)
        self._lock = Lock()
        self._comparison: Comparison | None = None

    def why(self, place: Place, found: Mapping[Place, "StepRecord"]) -> Why:
        """Why a step runs, in a few words.

        Args:
            place: of the step.
            found: the records of those that need not run.

        """
        from metalor_lang.plan.why.words import few_words

        reason = self.reason(place, found)
        code = reason.causes[0].code if reason.causes else "behind"
        return Why(code=str(code), words=few_words(reason, place))

    def reason(self, place: Place, found: Mapping[Place, "StepRecord"]) -> "Reason":
        """Why a step runs; arguments as `why`."""
        with self._lock:
            if self._comparison is None:
                self._comparison = self._compare(found)
            return self._comparison.reason(place)

    @property
    def before(self) -> "Account | None":
        """The account of the last build, once something was asked."""
        return self._comparison.before if self._comparison is not None else None

    def _compare(self, found: Mapping[Place, "StepRecord"]) -> "Comparison":
        from metalor_lang.plan.why.account import account_of
        from metalor_lang.plan.why.compare import Comparison

        before = self._past.recall(self._whose)
        now = account_of(self._plan, recipe=str(self._path), lock=self._lock_digest())
        return Comparison(before, now, self._misses(found), _Files(self._plan, self._contexts, self._store, before))

    def _misses(self, found: Mapping[Place, "StepRecord"]) -> dict[Place, "Miss"]:
        """The steps that have no record that can be used, and the bases that are not there."""
        from metalor_lang.plan.why.compare import Miss, Missing
        from metalor_lang.store.glance import Absent, Glance

        look = Glance(self._store.root).look
        gone = {
            Absent.GONE: Missing.GONE, Absent.DAMAGED: Missing.DAMAGED, Absent.SNAPSHOTS: Missing.SNAPSHOTS,
        }  # fmt: skip
        now = int(time.time())
        misses: dict[Place, Miss] = {}
        for index, stage in self._plan.stages.items():
            if self._base_is_missing(stage):
                misses[index, 0] = Miss(why=Missing.NO_BASE)
            for step in stage.steps:
                place = index, step.number
                if not step.kind.acts or place in found:
                    continue
                record = look(step.key)
                fresh = step.action.fresh if isinstance(step.action, Exec) else None
                if isinstance(record, Absent):
                    misses[place] = Miss(why=gone[record])
                elif fresh is not None and record.created + fresh < now:
                    misses[place] = Miss(why=Missing.EXPIRED, age=now - record.created, limit=fresh)
                else:
                    misses[place] = Miss(why=Missing.ELSEWHERE)
        return misses

    def _base_is_missing(self, stage: PlannedStage) -> bool:
        if not isinstance(stage.base, ImageBase | RootfsBase):
            return False
        return self._bases.unpacked(stage.base, stage.platform) is None

    # --- for the next build -----------------------------------------------------------------------------------------

    def note(self, signature: bytes | None, done: frozenset[Place] | None = None) -> None:
        """Keep what the next build is compared with.

        Args:
            signature: as `past.signature`; None where the build was not finished.
            done: the steps whose results are in the store; None for all.

        """
        from metalor_lang.plan.why.account import account_of

        listings, ignores = self._kept()
        account = account_of(
            self._plan,
            recipe=os.path.abspath(self._path),
            done=done,
            ignores=ignores,
            lock=self._lock_digest(),
            when=int(time.time()),
        )
        self._past.note(self._whose, signature or _UNFINISHED, account)
        if listings:
            from metalor_lang.build.listings import Listings

            kept = Listings(self._store)
            for listing in listings:
                kept.keep(listing.kept)

    def _lock_digest(self) -> str:
        try:
            return sha256(lock_path(self._path).read_bytes())
        except OSError:
            return ""

    def _kept(self) -> "tuple[list[Listing], dict[str, str]]":
        """What steps took from contexts, and the rules that hid other files of these."""
        taken: list[CopyFiles | BindMount] = []
        for stage in self._plan.stages.values():
            for step in stage.steps:
                match step.action:
                    case CopyFiles(stage=None):
                        taken.append(step.action)
                    case Exec(mounts=mounts):
                        taken += [each for each in mounts if isinstance(each, BindMount) and each.stage is None]
                    case _:
                        pass
        if not taken:
            return [], {}
        contexts = self._contexts.opened()
        listings: list[Listing] = []
        for each in taken:
            try:
                match each:
                    case CopyFiles():
                        listings.append(contexts.listing(each))
                    case BindMount():
                        listings.append(contexts.bound_listing(each))
            except MetalorError:
                continue  # it is not any more what was built
        ignores = {}
        for name in {each.context for each in taken}:
            try:
                ignores[name] = contexts.rules(name)
            except MetalorError:
                continue
        return listings, {name: text for name, text in ignores.items() if text}


class _Files:
    """What contexts held, with the code for it brought in when it is first asked."""

    def __init__(self, plan: Plan, contexts: Folders, store: Store, before: "Account | None") -> None:
        self._plan = plan
        self._contexts = contexts
        self._store = store
        self._ignores = before.ignores if before is not None else {}

    def changes(self, old: str, place: Place, at: str):  # type: ignore[no-untyped-def]
        from metalor_lang.build.filechanges import FileChanges
        from metalor_lang.build.listings import Listings

        files = FileChanges(self._plan, self._contexts.opened(), Listings(self._store), self._ignores)
        return files.changes(old, place, at)
