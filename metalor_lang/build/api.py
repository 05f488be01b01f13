"""From a recipe to a result, in two calls: `Session.plan` runs nothing, `Session.build` builds.

Invariant: the one path that every command takes; errors of the recipe come as `Refused` with all diagnostics of the
phase that found them, and nothing has run then.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from types import TracebackType

from metalor_lang.build.accounts.ledger import Ledger
from metalor_lang.build.bases import Bases
from metalor_lang.build.builder import Builder
from metalor_lang.build.events import BuildFinished, EventSink, Notice, NullSink
from metalor_lang.build.failures import Refused, refuse
from metalor_lang.build.foreign import emulators
from metalor_lang.build.inputs import BuildInputs
from metalor_lang.build.late import LateMachine
from metalor_lang.build.locked import LockedInputs, RecipeLock, notice_of
from metalor_lang.build.model import BuildResult, Chain, Options
from metalor_lang.build.reading import (
    STANDARD_INPUT,
    RecipeOptions,
    check_source,
    open_contexts,
    read_recipe,
    recipe_name,
    several_platforms,
)
from metalor_lang.build.remotes import Remotes
from metalor_lang.build.several import Shared, named
from metalor_lang.build.tally import Tally
from metalor_lang.build.telling import Telling
from metalor_lang.build.together import build_together
from metalor_lang.checker.platforms import same_platform
from metalor_lang.checker.program import Platform, Program
from metalor_lang.hints import TYPE_CHECKING, Self
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import Plan, Step
from metalor_lang.record import replace
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.build.nursery import Nursery
    from metalor_lang.build.perform import Machine
    from metalor_lang.runtime.client import Runtime
    from metalor_lang.runtime.rootfs import Snapshotter


def _nursery(store: Store) -> "Nursery":
    from metalor_lang.build.nursery import Nursery  # a build that finds everything has no use for it

    # Nobody has seen these files: a step of this build will copy them.
    return Nursery(store, meanwhile=_import_copying)


def _import_copying() -> None:
    for name in ("perform", "copysteps"):
        import_module(f"metalor_lang.build.{name}")


class Session:
    """A recipe, a store and what is needed between them; use as a context.

    Args:
        path: the recipe's file, or "-".
        options: what it is read with.
        store: stays the caller's.
        events: who listens.
        unpacker: who unpacks images, "own" or "umoci".
        owner: the ordinary user who builds, as this process sees him (`World.owner`); None for the superuser.
        ahead: what is planned will be built, so what nobody has seen is copied while its digest is made.

    """

    def __init__(
        self,
        path: str,
        options: RecipeOptions,
        *,
        store: Store,
        events: EventSink | None = None,
        unpacker: str = "own",
        owner: tuple[int, int] | None = None,
        ahead: bool = False,
    ) -> None:
        self._owner = owner
        self._ahead = ahead
        self.events: EventSink = events or NullSink()
        self.store = store
        self._options = options
        self._unpacker = unpacker
        self._path, self.source, self._early = read_recipe(path)
        self.name = recipe_name(self._path)
        self.lock = RecipeLock(None if path == STANDARD_INPUT else self._path, strict=options.locked)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        memory = self.store.root / "contexts"
        ahead = partial(_nursery, self.store) if self._ahead else None
        try:
            self.contexts = self._stack.enter_context(open_contexts(self._path, self._options, memory, ahead))
        except BaseException:
            self._stack.close()
            raise
        self.bases = Bases(
            self.store,
            self._path.parent,
            unpacker=self._unpacker,
            cache=self.contexts.cache,
            owner=self._owner,
            pins=self.lock.digest,
            on_wait=lambda _: self.events.emit(Notice(text="waiting for another build, which fetches the same base")),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def plan(self) -> Plan:
        """Check and plan; bases are fetched, nothing runs.

        Raises:
            Refused: the recipe has errors, or a base or a source cannot be had.
            MachineError, UsageError.

        """
        return self._plans(None)[0]

    def plans(self) -> tuple[Plan, ...]:
        """One plan for each platform of the options, in their order; errors as `plan`, before anything runs.

        Raises:
            Refused: also when the target is for another platform than what is asked for.

        """
        if self._options.platform is None:
            return (self.plan(),)
        platforms = several_platforms(self._options.platform)
        plans = self._plans(platforms)
        for plan, platform in zip(plans, platforms):
            target = plan.stages[plan.target]
            if len(plans) > 1 and not same_platform(target.platform, platform):
                message = f"the target is for {target.platform} always, so there is none for {platform}"
                help = f"leave --platform out of the target's FROM, or build --platform {target.platform} alone"
                raise refuse("E0507", message, target.span, self.source, help=help)
        return named(plans)

    def _plans(self, platforms: Sequence[Platform] | None) -> tuple[Plan, ...]:
        """The plan for each platform; None for that of the options."""
        every = [self._options]
        if platforms is not None:
            every = [replace(self._options, platform=str(each)) for each in platforms]
        programs = [
            check_source(self._path, self.source, self._early, options, self.contexts).program for options in every
        ]
        self.lock.vet(programs, self.source)
        asked: list[LockedInputs] = []
        plans = tuple(self._plan(program, asked) for program in programs)
        if said := notice_of(self.lock, asked):
            self.events.emit(Notice(text=said))
        return plans

    def _plan(self, program: Program, asked: list[LockedInputs]) -> Plan:
        inputs = self.lock.over(BuildInputs(self.bases, self.contexts, Remotes(self.store)))
        if isinstance(inputs, LockedInputs):
            inputs.imported(program.imports)
            asked.append(inputs)
        plan, wrong = evaluate(program, inputs)
        if plan is None or wrong:
            raise Refused(wrong, self.source)
        return plan

    def build(self, plan: Plan, *, runtime: "Runtime", snapshotter: "Snapshotter", options: Options) -> BuildResult:
        """Build a plan.

        Raises:
            Refused: it would ship a secret.
            BuildFailed: a step failed.
            KeyboardInterrupt: the user ended it; everything has been cleaned up.
            MachineError.

        """
        return self.build_all((plan,), runtime=runtime, snapshotter=snapshotter, options=options)[0]

    def build_all(
        self,
        plans: Sequence[Plan],
        *,
        runtime: "Runtime",
        snapshotter: "Snapshotter",
        options: Options,
        keep_failed: Callable[[Step, Chain], None] | None = None,
    ) -> tuple[BuildResult, ...]:
        """Build the plans of several platforms together; what they share is built once. Errors as `build`.

        Args:
            plans: one for each platform.
            runtime: runs the steps.
            snapshotter: makes views and drafts.
            options: how to build.
            keep_failed: given the files as a failed command left them; they are there as long as the store's lease.

        """
        for plan in plans:
            if self._options.secrets is not None:
                self._options.secrets.vet_plan(plan, self.source)
        emulators(plans, tests=not options.no_tests)
        began = time.monotonic()
        shared = Shared() if len(plans) > 1 else None
        telling = Telling(self.events)

        def machine(plan: Plan) -> "Machine":
            from metalor_lang.build.perform import Machine
            from metalor_lang.build.secrets import NONE

            return Machine(
                secrets=self._options.secrets or NONE,
                store=self.store,
                runtime=runtime,
                snapshotter=snapshotter,
                bases=self.bases,
                contexts=self.contexts.opened,
                events=telling,
                limits=options.limits,
                anew=options.no_cache,
                titles={index: stage.title for index, stage in plan.stages.items()},
                keep_failed=keep_failed,
            )

        ledgers = [self.ledger(plan) for plan in plans]
        builders = [
            Builder(
                plan,
                store=self.store,
                performer=LateMachine(self.bases, runtime, partial(machine, plan)),
                events=telling,
                options=options,
                recipe=self.name,
                shared=shared,
                ledger=ledger,
            )
            for plan, ledger in zip(plans, ledgers)
        ]
        ok = interrupted = False
        try:
            with self.store.lease():
                results = build_together(builders)
            ok = True
        except KeyboardInterrupt:
            interrupted = True
            raise
        finally:
            tallies = [builder.tally for builder in builders]
            self.events.emit(_end(tallies, began, ok=ok, interrupted=interrupted))
            if not options.expect_cached:
                for ledger, tally in zip(ledgers, tallies):
                    ledger.close(tally, finished=ok)
        return results

    def ledger(self, plan: Plan) -> Ledger:
        """What says why steps of a plan run, and keeps what the next build is compared with."""
        return Ledger(
            plan, store=self.store, bases=self.bases, contexts=self.contexts, name=self.name, path=self._path
        )  # fmt: skip


def _end(tallies: Sequence[Tally], began: float, *, ok: bool, interrupted: bool) -> BuildFinished:
    return BuildFinished(
        ok=ok,
        ran=sum(each.ran for each in tallies),
        cached=sum(each.cached for each in tallies),
        skipped=sum(len(each.skipped) for each in tallies),
        duration_ms=int((time.monotonic() - began) * 1000),
        image="",
        passed=sum(each.passed for each in tallies),
        interrupted=interrupted,
    )
