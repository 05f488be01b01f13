"""One statement of a planned recipe, or a block of them, carried out.

Invariant: a step runs by the builder itself, so that its key, its record and its snapshot are those of a build.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from metalor_lang.build.builder import Builder
from metalor_lang.build.events import EventSink
from metalor_lang.build.failures import Refused
from metalor_lang.build.lookup import Chain
from metalor_lang.build.model import Options, Performer
from metalor_lang.checker.program import ImageBase, RootfsBase
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.plan.describe import base_name
from metalor_lang.plan.graph import (
    CacheMount,
    Exec,
    Plan,
    PlannedStage,
    Step,
)
from metalor_lang.plan.why.words import AS_ASKED
from metalor_lang.record import replace
from metalor_lang.repl.former import BASE, UNSAID, Former, Late, lines_of
from metalor_lang.repl.ground import Ground
from metalor_lang.repl.outcome import BLOCKS, Entry
from metalor_lang.repl.planning import Part, Planned, joined, plan_recipe
from metalor_lang.repl.timeline import Line, chains
from metalor_lang.store.store import Store
from metalor_lang.syntax import ast
from metalor_lang.syntax.printer import print_statement

NETWORK: Final = "the network"
"""The one thing outside that most steps may reach."""


def _outside(step: Step) -> tuple[str, ...]:
    """What a step may change that is in no snapshot."""
    if not isinstance(step.action, Exec):
        return ()
    caches = tuple(f"the cache {mount.path}" for mount in step.action.mounts if isinstance(mount, CacheMount))
    return (*caches, NETWORK) if step.action.network == "host" else caches


class Ahead:
    """Plans of a recipe that grows: as far ahead as it is right, so that many statements cost one plan.

    Args:
        done: texts of the statements that are carried out.
        todo: texts of those that are to come.
        args, ground, known: as for `plan_recipe`.
        waits: serials of the statements that wait behind them.

    """

    def __init__(
        self,
        done: Sequence[str],
        todo: Sequence[str],
        *,
        args: Mapping[str, str],
        ground: Ground,
        known: Sequence[str],
        waits: frozenset[int],
    ) -> None:
        self.waits = waits
        self._texts = (*done, *todo)
        self._done = len(done)
        self._args = args
        self._ground = ground
        self._known = known
        self._planned: Planned | None = None

    def upto(self, index: int) -> Planned:
        """A plan that holds at least the statement of that index among those to come; errors as `plan_recipe`."""
        want = self._done + index + 1
        count = len(self._texts)
        while self._planned is None or len(self._planned.parts) < want:
            try:
                self._planned = plan_recipe(
                    self._texts[:count], args=self._args, ground=self._ground, known=self._known
                )  # fmt: skip
            except Refused as error:
                if count == want:
                    raise
                first = error.diagnostics[0].span.start
                good = sum(start <= first for start in joined(self._texts, "")[1]) - 1
                count = max(min(good, count - 1), want)
            except MetalorError:
                if count == want:
                    raise
                count = want
        return self._planned


def _all_cached(done: Sequence[Entry]) -> bool:
    acting = [entry for entry in done if entry.key and entry.kind != "config"]
    return bool(acting) and all(entry.cached for entry in acting)


Performers = Callable[[Plan, Ground], Performer]
"""Makes who does what the steps of a plan say."""


class Carrier:
    """Carries statements out.

    Args:
        store: stays the caller's.
        performers: makes who does it.
        events: hears of the steps.

    """

    def __init__(self, *, store: Store, performers: Performers, events: EventSink) -> None:
        self._store = store
        self._performers = performers
        self._events = events
        self._builder: Builder | None = None
        self._former = Former(store)

    def stop(self) -> bool:
        """End the step that runs; the second call kills it. False when none runs."""
        builder = self._builder
        if builder is None:
            return False
        builder.stop()
        return True

    def carry(
        self,
        planned: Planned,
        index: int,
        line: Line,
        ground: Ground,
        *,
        serial: int,
        text: str,
        waits: frozenset[int],
        anew: bool = False,
    ) -> Entry:
        """Carry a statement, or a whole block, out on the line before it.

        Args:
            planned: a plan that holds it.
            index: of its text.
            line: the statements before it, all of them.
            ground: what it was planned with.
            serial: of the entry.
            text: of the entry.
            waits: as for `Former.reasons`.
            anew: take nothing from the store.

        Raises:
            BuildFailed, Interrupted, MetalorError: as `Builder.step`.

        """
        head, last, ends = planned.heads[index], line.entry if line is not None else None, chains(line)
        done: list[Entry] = []
        reasons = Late(partial(self._former.reasons, planned, line, ground, waits))
        for part in planned.parts[index]:
            last = self._one(planned, part, last, ends, ground, reasons, anew=anew)
            ends[last.stage] = last.chain
            done.append(last)
        if head.word.lower() not in BLOCKS:
            return replace(done[0], text=text, serial=serial)
        return replace(
            last or Entry(text="", statement="", kind=""),
            text=text,
            statement=print_statement(head),
            kind=head.word.lower(),
            key="",
            cached=_all_cached(done),
            duration_ms=sum(entry.duration_ms for entry in done),
            answers=planned.answers(index),
            outside=tuple(dict.fromkeys(place for entry in done for place in entry.outside)),
            why=next((entry.why for entry in done if entry.why), ""),
            causes=(),
            values=(),
            serial=serial,
            parts=tuple(done),
        )

    def carried(self, planned: Planned, before: Line, line: Line, ground: Ground, *, last: bool) -> None:
        """Note what was carried out, for the reasons of what will be; arguments as `Former.carried`."""
        self._former.carried(planned, before, line, ground, last=last)

    def _one(
        self,
        planned: Planned,
        part: Part,
        last: Entry | None,
        ends: Mapping[int, Chain],
        ground: Ground,
        reasons: Late,
        *,
        anew: bool,
    ) -> Entry:
        """Carry out one statement, or one of a block, behind what stands `last`."""
        node, stage, step = part.node, part.stage, part.step
        entry = Entry(
            text="",
            statement=print_statement(node),
            kind=step.kind.value if step is not None else node.word.lower(),
            answers=part.answers,
            values=step.origin.values if step is not None and step.origin is not None else (),
        )
        if planned.plan is None or stage is None:
            return entry
        base = base_name(planned.plan, stage.base)
        entry = replace(entry, stage=stage.index, title=stage.title, base=base, platform=str(stage.platform))
        if step is None and not isinstance(node, ast.From):
            assert last is not None
            return replace(entry, start=last.start, chain=last.chain, state=last.state)
        began = time.monotonic()
        builder = self._builder = self._make(planned.plan, ground, reasons, anew=anew)
        try:
            if step is None:
                cached = self._unpacked(stage, ground)
                start = chain = builder.start(stage, ends)
                entry = replace(entry, key=stage.base_key, state=stage.base_info.state)
            else:
                assert last is not None
                start, chain = last.start, builder.step(stage, step, last.chain, ends)
                cached = builder.tally.cached > 0
                entry = replace(entry, key=step.key, state=step.after, outside=_outside(step))
        finally:
            self._builder = None
        took = int((time.monotonic() - began) * 1000)
        entry = replace(entry, start=start, chain=chain, cached=cached, duration_ms=took)
        if cached or not (step is None or step.kind.acts):
            return entry
        if anew:
            return replace(entry, causes=(AS_ASKED,))
        place = stage.index, step.number if step is not None else BASE
        causes = lines_of(reasons.made, planned, place)
        why = reasons.why(place, {})
        return replace(entry, causes=causes, why=why.words if causes and why.code not in UNSAID else "")

    def _make(self, plan: Plan, ground: Ground, reasons: Late, *, anew: bool) -> Builder:
        return Builder(
            plan,
            store=self._store,
            performer=self._performers(plan, ground),
            events=self._events,
            options=Options(jobs=1, no_cache=anew),
            recipe=ground.name,
            ledger=reasons,
        )

    def _unpacked(self, stage: PlannedStage, ground: Ground) -> bool:
        if not isinstance(stage.base, ImageBase | RootfsBase):
            return True
        return self._store.steps.get(ground.bases.resolve(stage.base, stage.platform).key) is not None
