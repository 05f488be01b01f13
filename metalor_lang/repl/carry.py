"""A recipe of statements → checked and planned as a whole, and one statement of it carried out.

Invariant: the plan is the one a build would make of the same text and the same answers; a step runs by the builder
itself, so that its key, its record and its snapshot are those of a build.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from metalor_lang.build.asked import one_platform
from metalor_lang.build.builder import Builder
from metalor_lang.build.events import EventSink
from metalor_lang.build.failures import Refused
from metalor_lang.build.foreign import emulators
from metalor_lang.build.model import Options, Performer
from metalor_lang.checker.checker import check
from metalor_lang.checker.program import ImageBase, Program, RootfsBase
from metalor_lang.checker.scope import PROXIES
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.plan.describe import base_name
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import (
    BindMount,
    CacheMount,
    CloneGit,
    CopyFiles,
    Exec,
    FetchFile,
    Inputs,
    Plan,
    PlannedStage,
    Step,
)
from metalor_lang.record import dataclass, replace
from metalor_lang.repl.ground import Ground
from metalor_lang.repl.outcome import Entry
from metalor_lang.repl.timeline import Line, chains
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store
from metalor_lang.syntax import ast
from metalor_lang.syntax.parser import parse
from metalor_lang.syntax.printer import print_statement

NETWORK: Final = "the network"
"""The one thing outside that most steps may reach."""

_NO_FROM: Final = "E0313"
_NOT_GIVEN: Final = "E0307"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A recipe that is right.

    Args:
        source: its whole text.
        starts: where each statement's text begins in it.
        nodes: the statements.
        plan: of every stage; None while there is no FROM.
        places: for each statement its stage (-1 above the first FROM) and its step (None where it has none).
        answers: what contexts said, for each statement.

    """

    source: SourceFile
    starts: tuple[int, ...]
    nodes: tuple[ast.Statement, ...]
    plan: Plan | None
    places: tuple[tuple[int, Step | None], ...]
    answers: tuple[tuple[str, ...], ...]

    def stage(self, index: int) -> PlannedStage | None:
        """The stage of a statement."""
        number = self.places[index][0]
        return self.plan.stages[number] if self.plan is not None and number >= 0 else None


def joined(texts: Sequence[str], path: str) -> tuple[SourceFile, tuple[int, ...]]:
    """The recipe of some statements, and where each begins."""
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text) + 1
    return SourceFile(path, "".join(f"{text}\n" for text in texts)), tuple(starts)


def checked(
    source: SourceFile,
    args: Mapping[str, str],
    ground: Ground,
    *,
    strict: bool = True,
    read: Callable[[SourceFile], tuple[ast.Recipe, tuple[Diagnostic, ...]]] = parse,
) -> tuple[ast.Recipe, Program | None, tuple[Diagnostic, ...]]:
    """Parse and check a text that is to become a recipe: that it has no FROM yet is no error."""
    recipe, syntax = read(source)
    names = {node.name for node in recipe.statements if isinstance(node, ast.Arg)} | PROXIES
    program, wrong = check(
        recipe,
        args={name: value for name, value in args.items() if name in names},
        contexts=ground,
        platform=one_platform(ground.options.platform),
        source_date_epoch=ground.options.epoch,
        given_args_strict=strict,
        secrets=ground.options.secret_names,
        syntax=syntax,
    )
    if not any(isinstance(node, ast.From) for node in recipe.statements):
        wrong = tuple(each for each in wrong if each.code != _NO_FROM)
        wrong += tuple(
            Diagnostic(
                code="E0312",
                message=f"{node.word} stands before the first FROM",
                span=node.word_span,
                help="start a stage first: FROM debian:12",
            )
            for node in recipe.statements
            if not isinstance(node, ast.Arg | ast.RecipeVersion)
        )
    found = tuple(_as_said_here(each) for each in (*syntax, *wrong))
    return recipe, program, tuple(sorted(found, key=lambda each: (each.span.start, each.span.end)))


def _as_said_here(diagnostic: Diagnostic) -> Diagnostic:
    """A session has no command line any more on which an argument could be given."""
    if diagnostic.code != _NOT_GIVEN:
        return diagnostic
    return replace(diagnostic, help=diagnostic.help.replace("--arg ", ":set ", 1))


def plan_recipe(texts: Sequence[str], *, args: Mapping[str, str], ground: Ground, known: Sequence[str]) -> Planned:
    """Check and plan the recipe of some statements; bases are fetched, nothing runs.

    Args:
        texts: one statement each, with comment lines above.
        args: values of ARGs; those that nothing declares are left aside.
        ground: where contexts and bases are.
        known: what contexts answered for the first of them.

    Raises:
        Refused: with everything that is wrong.
        MachineError: as bases and emulators raise it.

    """
    source, starts = joined(texts, str(ground.path))
    recipe, program, wrong = checked(source, args, ground)
    if wrong:
        raise Refused(wrong, source)
    answers = ground.answers(known)
    plan = None if program is None else _plan_all(program, answers, source)
    if plan is not None and ground.options.secrets is not None:
        ground.options.secrets.vet_plan(plan, source)
    places = _places(recipe.statements, plan)
    given = iter(answers.given)
    shares = tuple(tuple(next(given) for _ in range(_asks(step))) for _, step in places)
    return Planned(
        source=source, starts=starts, nodes=recipe.statements, plan=plan, places=places, answers=shares
    )  # fmt: skip


def _plan_all(program: Program, inputs: Inputs, source: SourceFile) -> Plan:
    """A plan in which every stage is needed: they live side by side."""
    plan, wrong = evaluate(replace(program, needed=frozenset(range(len(program.stages)))), inputs)
    if plan is None or wrong:
        raise Refused(wrong, source)
    emulators((plan,))
    return plan


def _places(nodes: Sequence[ast.Statement], plan: Plan | None) -> tuple[tuple[int, Step | None], ...]:
    found: list[tuple[int, Step | None]] = []
    stage, number = -1, 0
    for node in nodes:
        match node:
            case ast.From():
                stage, number = stage + 1, 0
                found.append((stage, None))
            case ast.Arg() | ast.RecipeVersion():
                found.append((stage, None))
            case _:
                assert plan is not None
                found.append((stage, plan.stages[stage].steps[number]))
                number += 1
    return tuple(found)


def _asks(step: Step | None) -> int:
    """How often planning a step asks what is outside."""
    match step.action if step is not None else None:
        case CopyFiles(stage=None) | FetchFile(unpinned=True):
            return 1
        case CloneGit(branch=branch):
            return int(bool(branch))
        case Exec(mounts=mounts):
            return sum(isinstance(mount, BindMount) and mount.stage is None for mount in mounts)
        case _:
            return 0


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

    """

    def __init__(
        self, done: Sequence[str], todo: Sequence[str], *, args: Mapping[str, str], ground: Ground, known: Sequence[str]
    ) -> None:
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
        while self._planned is None or len(self._planned.nodes) < want:
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

    def stop(self) -> bool:
        """End the step that runs; the second call kills it. False when none runs."""
        builder = self._builder
        if builder is None:
            return False
        builder.stop()
        return True

    def carry(
        self, planned: Planned, index: int, line: Line, ground: Ground, *, serial: int, text: str, anew: bool = False
    ) -> Entry:
        """Carry a statement out on the line before it.

        Args:
            planned: a plan that holds it.
            index: of the statement in it.
            line: the statements before it, all of them.
            ground: what it was planned with.
            serial: of the entry.
            text: of the entry.
            anew: take nothing from the store.

        Raises:
            BuildFailed, Interrupted, MetalorError: as `Builder.step`.

        """
        node, (_, step), stage = planned.nodes[index], planned.places[index], planned.stage(index)
        entry = Entry(
            text=text,
            statement=print_statement(node),
            kind=step.kind.value if step is not None else node.word.lower(),
            serial=serial,
            answers=planned.answers[index],
        )
        if planned.plan is None or stage is None:
            return entry
        base = base_name(planned.plan, stage.base)
        entry = replace(entry, stage=stage.index, title=stage.title, base=base, platform=str(stage.platform))
        if step is None and not isinstance(node, ast.From):
            assert line is not None
            last = line.entry
            return replace(entry, start=last.start, chain=last.chain, state=last.state)
        began = time.monotonic()
        builder = self._builder = self._make(planned.plan, ground, anew=anew)
        try:
            if step is None:
                cached = self._unpacked(stage, ground)
                start = chain = builder.start(stage, chains(line))
                entry = replace(entry, key=stage.base_key, state=stage.base_info.state)
            else:
                assert line is not None
                start, chain = line.entry.start, builder.step(stage, step, line.entry.chain, chains(line))
                cached = builder.counts[1] > 0
                entry = replace(entry, key=step.key, state=step.after, outside=_outside(step))
        finally:
            self._builder = None
        took = int((time.monotonic() - began) * 1000)
        return replace(entry, start=start, chain=chain, cached=cached, duration_ms=took)

    def _make(self, plan: Plan, ground: Ground, *, anew: bool) -> Builder:
        return Builder(
            plan,
            store=self._store,
            performer=self._performers(plan, ground),
            events=self._events,
            options=Options(jobs=1, no_cache=anew),
            recipe=ground.name,
        )

    def _unpacked(self, stage: PlannedStage, ground: Ground) -> bool:
        if not isinstance(stage.base, ImageBase | RootfsBase):
            return True
        return self._store.steps.get(ground.bases.resolve(stage.base, stage.platform).key) is not None
