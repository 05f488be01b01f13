"""Walk a plan: take from the store what is there, run what is not, remember what was run.

Invariant: a step's record is used only on the very snapshots it was made from; a failed or interrupted step leaves
nothing behind; with the lock of its key held, a step runs once however many builds want it.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from metalor_lang.build.events import (
    BuildStarted,
    EventSink,
    Notice,
    StageStarted,
    StepCached,
    StepConfigured,
    StepFailed,
    StepFinished,
    StepRef,
    StepSkipped,
    StepStarted,
)
from metalor_lang.build.failures import BuildFailed, Interrupted, failed_with
from metalor_lang.build.walk import walk
from metalor_lang.checker.program import ImageBase, RootfsBase, ScratchBase, StageBase
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.plan.describe import base_name
from metalor_lang.plan.graph import BindMount, Configure, CopyFiles, Exec, Kind, Plan, PlannedStage, Step
from metalor_lang.runtime.request import Limits
from metalor_lang.store.records import StepRecord
from metalor_lang.store.store import Store

Chain = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """A built stage.

    Args:
        stage: as planned.
        start: the chain that the stage began with (its base's).
        chain: the chain after its last step.

    """

    stage: PlannedStage
    start: Chain
    chain: Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What a build gave: every needed stage, and how many steps ran, were cached, were left out."""

    plan: Plan
    stages: Mapping[int, StageResult]
    ran: int
    cached: int
    skipped: tuple[Step, ...]

    @property
    def target(self) -> StageResult:
        """The stage that was asked for."""
        return self.stages[self.plan.target]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to build.

    Args:
        jobs: how many stages at once; 0 for one a CPU.
        no_cache: run every step anew.
        expect_cached: fail at the first step that would run.
        no_tests: leave TEST out.
        limits: what a step may use; in no key, as it changes no result.

    """

    jobs: int = 0
    no_cache: bool = False
    expect_cached: bool = False
    no_tests: bool = False
    limits: Limits = Limits()


class Performer(Protocol):
    """Does what steps say; the builder decides whether they must."""

    def base(self, stage: PlannedStage) -> Chain:
        """The chain of an image or rootfs base, unpacked."""
        ...

    def perform(
        self, stage: PlannedStage, step: Step, chain: Chain, sources: Mapping[int, Chain], ref: StepRef
    ) -> Chain:
        """Run a step on a chain and give the chain after it; raises BuildFailed, MetalorError, Interrupted."""
        ...

    def stop(self) -> None:
        """End running commands soon; later ones end at once."""
        ...


class Builder:
    """One build of one plan."""

    def __init__(
        self,
        plan: Plan,
        *,
        store: Store,
        performer: Performer,
        events: EventSink,
        options: Options,
        recipe: str,
    ) -> None:
        self._plan = plan
        self._store = store
        self._performer = performer
        self._events = events
        self._options = options
        self._recipe = recipe
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._ran = 0
        self._cached = 0
        self._skipped: list[Step] = []
        self._began = int(time.time())

    def build(self) -> BuildResult:
        """Build every needed stage.

        Raises:
            BuildFailed: a step failed, or with `expect_cached` was not in the store.
            MachineError, MetalorError: as its parts.
            KeyboardInterrupt: after everything that ran has ended.

        """
        plan = self._plan
        stages = plan.stages
        self._events.emit(
            BuildStarted(
                recipe=self._recipe,
                target=stages[plan.target].title,
                stages=tuple(stages[index].title for index in sorted(stages)),
                skipped=plan.skipped,
                steps=sum(len(stage.steps) for stage in stages.values()),
            )
        )
        needs = {index: tuple(need for need in stage.needs if need in stages) for index, stage in stages.items()}
        results = walk(needs, self._stage, jobs=self._options.jobs or os.cpu_count() or 1, stop=self.stop)
        return BuildResult(plan=plan, stages=results, ran=self._ran, cached=self._cached, skipped=tuple(self._skipped))

    def stop(self) -> None:
        """End the build soon: running commands are ended, nothing new begins."""
        self._stopping.set()
        self._performer.stop()

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many steps ran, were cached, were left out so far."""
        return self._ran, self._cached, len(self._skipped)

    # --- stages and steps -------------------------------------------------------------------------------------------

    def _stage(self, index: int, done: Mapping[int, StageResult]) -> StageResult:
        stage = self._plan.stages[index]
        self._check()
        match stage.base:
            case StageBase(stage=number):
                start = done[number].chain
            case ScratchBase():
                start = ()
            case ImageBase() | RootfsBase():
                start = self._base(stage)
        self._events.emit(
            StageStarted(stage=index, title=stage.title, base=base_name(self._plan, stage.base), steps=len(stage.steps))
        )
        chain = start
        chains = {number: result.chain for number, result in done.items()}
        for step in stage.steps:
            self._check()
            chain = self._step(stage, step, chain, chains)
        return StageResult(stage=stage, start=start, chain=chain)

    def _base(self, stage: PlannedStage) -> Chain:
        try:
            return self._performer.base(stage)
        except (BuildFailed, Interrupted):
            raise
        except InterruptedError:
            raise Interrupted("the build was interrupted") from None
        except MetalorError as error:
            # No room on the disk is no damage of the image.
            code = "E0609" if isinstance(error, MachineError) else "E0503"
            diagnostic = Diagnostic(code=code, message=error.message, span=stage.span, help=error.help)
            raise BuildFailed(diagnostic, reason=error.message, exit=error.exit) from error

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
        )

    def _step(self, stage: PlannedStage, step: Step, chain: Chain, chains: Mapping[int, Chain]) -> Chain:
        ref = self._ref(stage, step)
        if isinstance(step.action, Configure):
            self._events.emit(StepConfigured(step=ref))
            return chain
        if step.kind is Kind.TEST and self._options.no_tests:
            with self._lock:
                self._skipped.append(step)
            self._events.emit(StepSkipped(step=ref, reason="--no-tests"))
            return chain
        inputs = tuple(identity for index in read_stages(step) for identity in chains[index])
        found = self._lookup(step, chain, inputs)
        if found is not None:
            return self._taken(ref, found)
        if self._options.expect_cached:
            raise self._fail(ref, _not_cached(step), 0)
        try:
            with self._store.locks.exclusive(
                f"step:{step.key}", on_wait=lambda _: self._wait_notice(stage, step), stop=self._stopping.is_set
            ):
                # Whoever held the lock may have made what we want.
                found = self._lookup(step, chain, inputs)
                if found is not None:
                    return self._taken(ref, found)
                self._check()
                return self._run(stage, step, chain, chains, inputs, ref)
        except InterruptedError:
            raise Interrupted("the build was interrupted") from None

    def _taken(self, ref: StepRef, record: StepRecord) -> Chain:
        with self._lock:
            self._cached += 1
        self._events.emit(StepCached(step=ref))
        return record.chain

    def _wait_notice(self, stage: PlannedStage, step: Step) -> None:
        text = f"waiting for another build, which runs step {step.number} ({step.text.splitlines()[0]})"
        self._events.emit(Notice(text=text, title=stage.title))

    def _run(
        self, stage: PlannedStage, step: Step, chain: Chain, chains: Mapping[int, Chain], inputs: Chain, ref: StepRef
    ) -> Chain:
        self._events.emit(StepStarted(step=ref))
        began = time.monotonic()
        try:
            after = self._performer.perform(stage, step, chain, chains, ref)
        except BuildFailed as failure:
            raise self._fail(ref, failure, _since(began)) from None
        except Interrupted:
            raise
        except MetalorError as error:
            raise self._fail(ref, failed_with(error, step, "E0604"), _since(began)) from error
        took = _since(began)
        self._store.steps.put(
            StepRecord(
                key=step.key,
                chain=after,
                parent=chain,
                inputs=inputs,
                parts=step.parts,
                text=step.text,
                created=int(time.time()),
                duration_ms=took,
                recipe=self._recipe,
            )
        )
        with self._lock:
            self._ran += 1
        self._events.emit(StepFinished(step=ref, duration_ms=took))
        return after

    def _fail(self, ref: StepRef, failure: BuildFailed, took: int) -> BuildFailed:
        self._events.emit(
            StepFailed(
                step=ref,
                reason=failure.reason,
                status=failure.command_status,
                tail=tuple(line.decode("utf-8", "backslashreplace") for line in failure.tail),
                log=failure.log,
                duration_ms=took,
            )
        )
        return failure

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Interrupted("the build was interrupted")

    def _lookup(self, step: Step, chain: Chain, inputs: Chain) -> StepRecord | None:
        if self._options.no_cache:
            return None
        return usable(self._store.steps.get(step.key), step, chain, inputs, self._began)


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


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _not_cached(step: Step) -> BuildFailed:
    diagnostic = Diagnostic(
        code="E0606",
        message="this step is not in the cache, and --expect-cached allows nothing to run",
        span=step.span,
        help="build without --expect-cached, or see `metalor plan` for what would run",
    )
    return BuildFailed(diagnostic, reason="not in the cache")
