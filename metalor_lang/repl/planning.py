"""A recipe of statements → checked and planned as a whole, with what each text of it stands for.

Invariant: the plan is the one a build would make of the same text and the same answers; the parts of the texts, one
after the other, are its steps.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence

from metalor_lang.build.failures import Refused
from metalor_lang.build.foreign import emulators
from metalor_lang.build.reading import one_platform
from metalor_lang.checker.checker import check
from metalor_lang.checker.places import Places
from metalor_lang.checker.program import Program
from metalor_lang.checker.scope import PROXIES
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import Final
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import (
    BindMount,
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
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.parser import parse

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
            for node in _of_stages(recipe.statements)
        )
    found = tuple(_as_said_here(each) for each in (*syntax, *wrong))
    return recipe, program, tuple(sorted(found, key=lambda each: (each.span.start, each.span.end)))


def _of_stages(nodes: Sequence[ast.Statement]) -> Iterator[ast.Statement]:
    """The statements that can only stand in a stage, groups left out: they stand nowhere yet."""
    blocks: list[str] = []
    for node in nodes:
        match node:
            case ast.If() | ast.For() | ast.Define():
                blocks.append(node.word)
            case ast.End():
                del blocks[-1:]
            case ast.Arg() | ast.RecipeVersion() | ast.Else() | ast.Import():
                pass
            case _ if "DEFINE" not in blocks:
                yield node


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
    first = tuple(heads[index] for index in range(len(texts)))
    parts = _parts(first, starts, program, plan, iter(answers.given))
    return Planned(source=source, starts=starts, nodes=recipe.statements, heads=first, parts=parts, plan=plan)


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


def _parts(
    heads: Sequence[ast.Statement],
    starts: Sequence[int],
    program: Program | None,
    plan: Plan | None,
    answers: Iterator[str],
) -> tuple[tuple[Part, ...], ...]:
    """What is carried out for each text, in order."""
    owned: list[list[Part]] = [[] for _ in heads]
    if program is not None and plan is not None:
        for stage in program.stages:
            planned = plan.stages[stage.index]
            place = _index(starts, stage.node.span.start)
            owned[place].append(Part(node=stage.node, stage=planned, step=None, answers=()))
            for node, step in zip(stage.statements, planned.steps, strict=True):
                place = _index(starts, _outermost(program.places, node.span.start))
                given = tuple(next(answers) for _ in range(_asks(step)))
                owned[place].append(Part(node=node, stage=planned, step=step, answers=given))
    last: PlannedStage | None = None
    for head, parts in zip(heads, owned):
        if not parts and isinstance(head, ast.Arg | ast.RecipeVersion):
            parts.append(Part(node=head, stage=last, step=None, answers=()))
        last = parts[-1].stage if parts else last
    return tuple(map(tuple, owned))


def _outermost(places: Places | None, offset: int) -> int:
    """Where the statement that a statement of the expanded recipe comes from stands: the USE or FOR around it all."""
    if places is None:
        return offset
    frames = places.frames(offset)
    return frames[0].span.start if frames else places.span(Span(offset, offset)).start


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
