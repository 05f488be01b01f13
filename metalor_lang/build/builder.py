"""Walk a plan: take from the store what is there, run what is not, remember what was run.

Invariant: a step's record is used only on the very snapshots it was made from; a failed or interrupted step leaves
nothing behind; with the lock of its key held, a step runs once however many builds want it.
"""

import os
import time
from collections.abc import Mapping

from metalor_lang.build.events import (
    BuildStarted,
    EventSink,
    Notice,
    StageStarted,
    StepCached,
    StepConfigured,
    StepFinished,
    StepRef,
    StepSkipped,
    StepStarted,
    StepStopped,
    Why,
)
from metalor_lang.build.failures import (
    BuildFailed,
    Interrupted,
    base_failed,
    failed_with,
    not_cached,
    sayable,
    told_failure,
)
from metalor_lang.build.foreign import emulated
from metalor_lang.build.lookup import Records, read_stages
from metalor_lang.build.model import BuildResult, Chain, Job, Options, Performer, StageResult
from metalor_lang.build.several import Shared
from metalor_lang.build.tally import Tally
from metalor_lang.build.telling import Telling
from metalor_lang.build.walk import Aside
from metalor_lang.checker.program import ImageBase, RootfsBase, ScratchBase, StageBase
from metalor_lang.errors import MetalorError
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.plan.describe import base_name
from metalor_lang.plan.graph import Exec, Kind, Plan, PlannedStage, Step
from metalor_lang.store.errors import StoreError
from metalor_lang.store.locks import Held
from metalor_lang.store.records import StepRecord
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.build.accounts.ledger import Answering


class Builder:
    """One build of one plan.

    Args:
        shared: what builds of one command, which differ in their platform, tell each other; None for a build alone,
            whose own stages may still have steps in common.
        ledger: says why a step runs; None where nobody asks.

    """

    def __init__(
        self,
        plan: Plan,
        *,
        store: Store,
        performer: Performer,
        events: EventSink,
        options: Options,
        recipe: str,
        shared: Shared | None = None,
        ledger: "Answering | None" = None,
    ) -> None:
        self._ledger = ledger
        self._plan = plan
        self._shared = shared if shared is not None else Shared()
        self._store = store
        self._performer = performer
        # One that is given may be the performer's as well: what a step writes is then told in its order too.
        self._events = events if isinstance(events, Telling) else Telling(events)
        self._unsaved: dict[int, BuildFailed] = {}
        self._options = options
        self._recipe = recipe
        self._stopping = False
        self._tally = Tally()
        self._records = Records(plan, store.steps, shared=self._shared, anew=options.no_cache)
        self._runs = self._commands = True

    def build(self) -> BuildResult:
        """Build every needed stage.

        Raises:
            BuildFailed: a step failed, or with `expect_cached` was not in the store.
            MachineError, MetalorError: as its parts.
            KeyboardInterrupt: after everything that ran has ended.

        """
        from metalor_lang.build.together import build_together  # which needs builders

        return build_together((self,))[0]

    def stop(self) -> None:
        """End the build soon: running commands are ended, nothing new begins."""
        self._stopping = True
        self._performer.stop()

    def look_up(self) -> bool:
        """Find the records of all steps at once; gives whether everything is in the store, bases and steps."""
        there = self._records.look_up(self._performer.unpacked)
        left = self._records.lacking(tests=not self._options.no_tests)
        self._runs = bool(left)
        self._commands = any(isinstance(step.action, Exec) for step in left)
        return there and not left

    def ready(self) -> None:
        """Start what steps need, if one may run; raises MachineError."""
        if self._runs and not self._options.expect_cached:
            self._performer.ready(commands=self._commands)

    @property
    def tally(self) -> Tally:
        """What became of its steps so far."""
        return self._tally

    @property
    def jobs(self) -> int:
        """How many stages at once."""
        return self._options.jobs or os.cpu_count() or 1

    @property
    def plan(self) -> Plan:
        """What is built."""
        return self._plan

    def announce(self, platforms: tuple[str, ...], stages: tuple[PlannedStage, ...]) -> None:
        """Tell that the build begins, for every plan that is built with this one."""
        target = self._plan.program.stages[self._plan.target].title
        self._events.emit(
            BuildStarted(
                recipe=self._recipe,
                target=target,
                stages=tuple(stage.title for stage in stages),
                skipped=self._plan.skipped,
                steps=sum(len(stage.steps) for stage in stages),
                platforms=platforms,
            )
        )

    def result(self, stages: Mapping[int, StageResult]) -> BuildResult:
        """The result, of what `stage` gave."""
        return BuildResult(
            plan=self._plan,
            stages=stages,
            ran=self._tally.ran,
            cached=self._tally.cached,
            skipped=tuple(self._tally.skipped),
        )

    # --- stages and steps -------------------------------------------------------------------------------------------

    def stage(self, index: int, done: Mapping[int, StageResult], aside: Aside | None = None) -> StageResult:
        """Build a stage when those that it needs are done; errors as `build`.

        Args:
            index: of the stage.
            done: the stages before it.
            aside: who may run tests while the stage goes on; others run where they stand.

        """
        stage = self._plan.stages[index]
        chains = {number: result.chain for number, result in done.items()}
        chain = start = self.start(stage, chains)
        after: list[Chain] = []
        self._events.emit(
            StageStarted(stage=index, title=stage.title, base=base_name(self._plan, stage.base), steps=len(stage.steps))
        )
        try:
            for step in stage.steps:
                if index in self._unsaved:
                    break
                chain = self._step(stage, step, chain, chains, aside)
                after.append(chain)
        finally:
            self._store.publishing.hurry()
            self._events.settle(index, stage.title)
        if index in self._unsaved:
            raise self._unsaved[index]
        return StageResult(stage=stage, start=start, after=tuple(after))

    def start(self, stage: PlannedStage, chains: Mapping[int, Chain]) -> Chain:
        """What a stage begins with, unpacked; `chains` are the stages before it. Errors as `build`."""
        self._check()
        match stage.base:
            case StageBase(stage=number):
                return chains[number]
            case ScratchBase():
                return ()
            case ImageBase() | RootfsBase():
                return self._base(stage)

    def _base(self, stage: PlannedStage) -> Chain:
        try:
            return self._performer.base(stage)
        except InterruptedError:
            raise Interrupted("the build was interrupted") from None
        except (BuildFailed, Interrupted):
            raise
        except (MetalorError, OSError) as error:
            raise base_failed(sayable(error), stage) from error

    def _ref(self, stage: PlannedStage, step: Step) -> StepRef:
        return StepRef(
            stage=stage.index,
            title=stage.title,
            number=step.number,
            total=len(stage.steps),
            kind=step.kind.value,
            text=step.text,
            line=self._plan.program.recipe.source.position(step.span.start).line,
            key=step.key,
            platform=str(stage.platform),
            values=step.origin.values if step.origin is not None else (),
        )

    def step(self, stage: PlannedStage, step: Step, chain: Chain, chains: Mapping[int, Chain]) -> Chain:
        """The chain after a step on `chain`, taken from the store or made; what was made is kept. Errors as `build`.

        Args:
            stage: whose step it is.
            step: what to do.
            chain: what it stands on.
            chains: of the stages before its own.

        """
        try:
            after = self._step(stage, step, chain, chains)
        finally:
            self._events.settle(stage.index, stage.title)
        if stage.index in self._unsaved:
            raise self._unsaved[stage.index]
        return after

    def _step(
        self, stage: PlannedStage, step: Step, chain: Chain, chains: Mapping[int, Chain], aside: Aside | None = None
    ) -> Chain:
        """As `step`, without waiting until what was made is kept, nor for a test that is left to others."""
        self._check()
        ref = self._ref(stage, step)
        if not step.kind.acts:
            self._events.emit(StepConfigured(step=ref))
            return chain
        if step.kind is Kind.TEST and self._options.no_tests:
            self._tally.skip(step)
            self._events.emit(StepSkipped(step=ref, reason="--no-tests"))
            return chain
        inputs = tuple(identity for index in read_stages(step) for identity in chains[index])
        found = self._records.of(stage.index, step, chain, inputs)
        if found is not None:
            return self._taken(ref, found)
        if self._options.expect_cached:
            raise self._fail(ref, not_cached(step, self._why(ref)), 0)
        job = Job(stage=stage, step=step, chain=chain, chains=chains, inputs=inputs, ref=ref)
        if aside is None or step.kind is not Kind.TEST:
            return self._make(job)
        # It reads the files as they are now, and nobody reads what it does to its copy.
        taken = aside.take(lambda: self._test(job), prepare=lambda: self._events.part(ref))
        return chain if taken else self._make(job)

    def _test(self, job: Job) -> None:
        """Run a test in a thread of its own; returns when its pass is kept. Errors as `build`."""
        try:
            self._check()
            self._make(job)
        finally:
            self._store.publishing.hurry()
            self._events.settle(job.stage.index, job.stage.title, job.step.number)
        if job.stage.index in self._unsaved:
            raise self._unsaved[job.stage.index]

    def _make(self, job: Job) -> Chain:
        """Run a step with the lock of its key held, if nobody else has done so meanwhile."""
        try:
            held = self._store.locks.take(
                f"step:{job.step.key}", on_wait=lambda _: self._wait_notice(job), stop=lambda: self._stopping
            )
        except InterruptedError:
            raise Interrupted("the build was interrupted") from None
        try:
            # Whoever held the lock may have made what we want.
            found = self._records.now(job.step, job.chain, job.inputs)
            if found is not None:
                held.release()
                return self._taken(job.ref, found)
            self._check()
            return self._run(job, held)
        except BaseException:
            held.release()
            raise

    def _taken(self, ref: StepRef, record: StepRecord) -> Chain:
        self._tally.add(ref, ran=False)
        self._events.emit(StepCached(step=ref))
        return record.chain

    def _wait_notice(self, job: Job) -> None:
        if self._shared.runs(job.step.key):
            return  # the screen shows it already
        text = f"waiting for another build, which runs step {job.step.number} ({job.step.text.splitlines()[0]})"
        self._events.emit(Notice(text=text, title=job.stage.title))

    def _run(self, job: Job, held: Held) -> Chain:
        step, ref = job.step, job.ref
        self._events.emit(StepStarted(step=ref, emulated=emulated(job.stage, step), why=self._why(ref)))
        began = time.monotonic()
        self._shared.begin(step.key)
        try:
            after = self._performer.perform(job.stage, step, job.chain, job.chains, ref)
            took = _since(began)
            record = StepRecord(
                key=step.key,
                chain=after,
                parent=job.chain,
                inputs=job.inputs,
                parts=step.parts,
                text=step.text,
                created=int(time.time()),
                duration_ms=took,
                recipe=self._recipe,
            )
            self._publish(record, step, ref, held)
        except BuildFailed as failure:
            raise self._fail(ref, failure, _since(began)) from None
        except Interrupted:
            self._events.emit(StepStopped(step=ref, duration_ms=_since(began)))
            raise
        except (MetalorError, OSError) as error:
            raise self._fail(ref, failed_with(sayable(error), step, "E0604"), _since(began)) from error
        self._shared.add(record)
        self._tally.add(ref, ran=True)
        return after

    def _publish(self, record: StepRecord, step: Step, ref: StepRef, held: Held) -> None:
        """Have the record kept; the next step need not wait until it is, whoever listens or wants the same step must.

        The step's lock is released, and the step's end told, when the record is on the disk.
        """

        def done(error: StoreError | OSError | None) -> None:
            held.release()
            if error is None:
                self._events.tell(StepFinished(step=ref, duration_ms=record.duration_ms))
                return
            failure = failed_with(sayable(error), step, "E0604")
            self._unsaved.setdefault(ref.stage, failure)
            self._events.tell(told_failure(ref, failure, record.duration_ms))

        self._events.hold(ref)
        held.hand_over()
        try:
            self._store.publishing.put(record, done)
        except BaseException:
            self._events.cancel(ref)
            raise

    def _why(self, ref: StepRef) -> Why | None:
        if self._options.no_cache:
            return Why(code="no-cache", words="--no-cache")
        return None if self._ledger is None else self._ledger.why((ref.stage, ref.number), self._records.found)

    def _fail(self, ref: StepRef, failure: BuildFailed, took: int) -> BuildFailed:
        self._events.emit(told_failure(ref, failure, took))
        return failure

    def _check(self) -> None:
        if self._stopping:
            raise Interrupted("the build was interrupted")


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
