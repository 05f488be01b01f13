"""The names that mean something at a place in a recipe, by the checker's own rules.

Invariant: a statement sees what the statements before it declare, as the checker sees it; nothing is looked up on disk.
"""

from collections.abc import Mapping
from functools import lru_cache

from metalor_lang.checker.arguments import declare
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.platforms import host_platform
from metalor_lang.checker.presumed import EverythingIsThere
from metalor_lang.checker.program import ScratchBase, StageBase
from metalor_lang.checker.report import Report
from metalor_lang.checker.resolver import StageNames, classify
from metalor_lang.checker.rules import check_statement
from metalor_lang.checker.scope import Known, StageFacts, expand
from metalor_lang.checker.walk import Names, StageWalk
from metalor_lang.record import dataclass, field, replace
from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast
from metalor_lang.syntax.blocks import has_blocks
from metalor_lang.syntax.parser import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is known where a statement starts.

    Args:
        arguments: every ARG above, the always-defined names, and the loop variables and parameters that are bound, with
            values where they are known.
        environment: what ENV set in the stage so far.
        stages: the named stages above the current one, in order.
        current: the name of the current stage, "" without one.
        in_stage: whether a FROM stands above.
        first: whether nothing stands above.
        set: names that are set here, by kind of UNSET.
        written: words that stand once in a stage and are there already.
        workdir: where WORKDIR left it, None where the base says.
        blocks: first words of the blocks that are open, the outermost first; ELSE for an IF that has no more branches.
        groups: those that are defined above, by name.
        spaces: those of imports, with the path of each file.

    """

    arguments: Mapping[str, str | None]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    current: str = ""
    in_stage: bool = False
    first: bool = True
    set: Mapping[ast.UnsetKind, tuple[str, ...]] = field(default_factory=dict)
    written: frozenset[str] = frozenset()
    workdir: str | None = None
    blocks: tuple[str, ...] = ()
    groups: Mapping[str, ast.Define] = field(default_factory=dict)
    spaces: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=16)
def scope_behind(before: str) -> Scope:
    """The scope at the end of a text of whole statements; statements with errors count as far as they parse."""
    recipe, _ = parse(SourceFile("", before))
    return scope_of(recipe)


_LINES = (ast.Arg, ast.RecipeVersion, ast.If, ast.Else, ast.End, ast.For, ast.Define, ast.Use, ast.Import)
"""Statements that change nothing in a stage."""


def scope_of(recipe: ast.Recipe) -> Scope:
    """The scope behind the last statement of a recipe."""
    scope = _of_stages(recipe)
    if not has_blocks(recipe.statements):
        return scope
    blocks: list[str] = []
    bound: list[dict[str, str | None]] = []
    for node in recipe.statements:
        match node:
            case ast.If() | ast.For() | ast.Define():
                blocks.append(node.word)
                bound.append(_bound(node))
            case ast.Else(condition=None) if blocks and blocks[-1] == "IF":
                blocks[-1] = "ELSE"
            case ast.End() if blocks:
                blocks.pop()
                bound.pop()
            case _:
                pass
    return replace(
        scope,
        arguments={**scope.arguments, **{name: value for names in bound for name, value in names.items()}},
        first=False,
        in_stage=scope.in_stage or "DEFINE" in blocks,
        blocks=tuple(blocks),
        groups={node.name: node for node in recipe.statements if isinstance(node, ast.Define)},
        spaces={node.space: node.path.literal or "" for node in recipe.statements if isinstance(node, ast.Import)},
    )


def groups_of(text: str) -> Mapping[str, ast.Define]:
    """The groups that a recipe file defines."""
    return scope_behind(text).groups


def _bound(node: ast.If | ast.For | ast.Define) -> dict[str, str | None]:
    """What a line of a block binds."""
    match node:
        case ast.For(name=name):
            return {name: None}
        case ast.Define(parameters=parameters):
            return {each.name: None if each.default is None else each.default.literal for each in parameters}
        case _:
            return {}


def _of_stages(recipe: ast.Recipe) -> Scope:
    report = Report()
    known = declare(recipe, {}, host_platform(), None, report, strict=False).known
    names = Names(source=recipe.source, report=report, arguments=known, contexts=EverythingIsThere())
    arguments = {name: each.value for name, each in known.items()}
    stages: list[tuple[ast.From, list[ast.Statement]]] = []
    for node in recipe.statements:
        if isinstance(node, ast.From):
            stages.append((node, []))
        elif stages and not isinstance(node, _LINES):
            stages[-1][1].append(node)
    if not stages:
        return Scope(arguments=arguments, first=not recipe.statements)
    named: dict[str, int] = {}
    facts: list[StageFacts] = []
    walk = None
    for index, (node, statements) in enumerate(stages):
        seen = StageNames(named=dict(named), lines=[0] * len(stages), index=index)
        facts.append(_base(node, seen, facts, known))
        walk = StageWalk(names=names, index=index, facts=facts[-1], stages=seen)
        for statement in statements:
            check_statement(walk, statement)
        if node.stage is not None:
            named.setdefault(node.stage, index)
    assert walk is not None
    here, last = stages[-1]
    return Scope(
        arguments=arguments,
        environment=dict(walk.facts.values),
        stages=walk.stages.listed(),
        current=here.stage or "",
        in_stage=True,
        first=False,
        set={
            kind: tuple(sorted(name for each, name in walk.facts.present if each is kind and name))
            for kind in ast.UnsetKind
        },
        written=frozenset(walk.firsts) & {"CMD", "ENTRYPOINT"},
        workdir=next((walk.value(each.path) for each in reversed(last) if isinstance(each, ast.Workdir)), None),
    )


def _base(node: ast.From, seen: StageNames, facts: list[StageFacts], known: Mapping[str, Known]) -> StageFacts:
    """What is known of a stage at its FROM."""

    def value_of(ref: ast.Ref) -> str | None:
        argument = known.get(ref.name)
        return argument.value if argument is not None and argument.visible(ref.span.start) else None

    text = expand(node.base.parts, value_of)
    try:
        base = None if text is None else classify(text, seen, EverythingIsThere())
    except ValueProblem:
        base = None
    match base:
        case StageBase(stage=index):
            return facts[index].copy()
        case ScratchBase():
            return StageFacts(open=False)
        case _:
            return StageFacts(open=True)
