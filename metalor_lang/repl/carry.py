"""A recipe of statements → checked and planned as a whole, and one statement of it carried out.

Invariant: the plan is the one a build would make of the same text and the same answers; a step runs by the builder
itself, so that its key, its record and its snapshot are those of a build.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence

from metalor_lang.build.asked import one_platform
from metalor_lang.build.builder import Builder
from metalor_lang.build.events import EventSink
from metalor_lang.build.failures import Refused
from metalor_lang.build.foreign import emulators
from metalor_lang.build.lookup import Chain
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
class Part:
    """A statement as it is carried out.

    Args:
        node: the statement.
        stage: its stage; None above the first FROM.
        step: its step; None where it has none.
        answers: what contexts said for it.

    """

    node: ast.Statement
    stage: PlannedStage | None
    step: Step | None
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A recipe that is right.

    Args:
        source: its whole text.
        starts: where each text begins in it.
        nodes: the statements as they are written.
        heads: of each text, its first statement.
        parts: of each text, what it stands for: itself, or the statements that a block comes to.
        plan: of every stage; None while there is no FROM.

    """

    source: SourceFile
    starts: tuple[int, ...]
    nodes: tuple[ast.Statement, ...]
    heads: tuple[ast.Statement, ...]
    parts: tuple[tuple[Part, ...], ...]
    plan: Plan | None

    def answers(self, index: int) -> tuple[str, ...]:
        """What contexts said for a text."""
        return tuple(answer for part in self.parts[index] for answer in part.answers)


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
    heads: dict[int, ast.Statement] = {}
    for node in recipe.statements:
        heads.setdefault(_index(starts, node.span.start), node)
    parts: list[list[Part]] = [[] for _ in texts]
    for part in _parts(recipe.statements, plan, iter(answers.given)):
        parts[_index(starts, part.node.span.start)].append(part)
    return Planned(
        source=source,
        starts=starts,
        nodes=recipe.statements,
        heads=tuple(heads[index] for index in range(len(texts))),
        parts=tuple(map(tuple, parts)),
        plan=plan,
    )


def _index(starts: Sequence[int], offset: int) -> int:
    """The text that an offset lies in."""
    return bisect_right(starts, offset) - 1


def _plan_all(program: Program, inputs: Inputs, source: SourceFile) -> Plan:
    """A plan in which every stage is needed: they live side by side."""
    plan, wrong = evaluate(replace(program, needed=frozenset(range(len(program.stages)))), inputs)
    if plan is None or wrong:
        raise Refused(wrong, source)
    emulators((plan,))
    return plan


def _parts(nodes: Sequence[ast.Statement], plan: Plan | None, answers: Iterator[str]) -> Iterator[Part]:
    """What is carried out for statements, in order."""
    stage: PlannedStage | None = None
    index = -1
    steps: Iterator[Step] = iter(())
    for node in nodes:
        step: Step | None = None
        match node:
            case ast.From():
                assert plan is not None
                index += 1
                stage = plan.stages[index]
                steps = iter(stage.steps)
            case ast.Arg() | ast.RecipeVersion():
                pass
            case _:
                step = next(steps)
        yield Part(node=node, stage=stage, step=step, answers=tuple(next(answers) for _ in range(_asks(step))))


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
        """Carry a statement, or a whole block, out on the line before it.

        Args:
            planned: a plan that holds it.
            index: of its text.
            line: the statements before it, all of them.
            ground: what it was planned with.
            serial: of the entry.
            text: of the entry.
            anew: take nothing from the store.

        Raises:
            BuildFailed, Interrupted, MetalorError: as `Builder.step`.

        """
        head, last, ends = planned.heads[index], line.entry if line is not None else None, chains(line)
        done: list[Entry] = []
        for part in planned.parts[index]:
            last = self._one(planned, part, last, ends, ground, anew=anew)
            ends[last.stage] = last.chain
            done.append(last)
        if len(done) == 1 and planned.parts[index][0].node is head:
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
            serial=serial,
            parts=tuple(done),
        )

    def _one(
        self, planned: Planned, part: Part, last: Entry | None, ends: Mapping[int, Chain], ground: Ground, *, anew: bool
    ) -> Entry:
        """Carry out one statement, or one of a block, behind what stands `last`."""
        node, stage, step = part.node, part.stage, part.step
        entry = Entry(
            text="",
            statement=print_statement(node),
            kind=step.kind.value if step is not None else node.word.lower(),
            answers=part.answers,
        )
        if planned.plan is None or stage is None:
            return entry
        base = base_name(planned.plan, stage.base)
        entry = replace(entry, stage=stage.index, title=stage.title, base=base, platform=str(stage.platform))
        if step is None and not isinstance(node, ast.From):
            assert last is not None
            return replace(entry, start=last.start, chain=last.chain, state=last.state)
        began = time.monotonic()
        builder = self._builder = self._make(planned.plan, ground, anew=anew)
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
