"""A recipe and what it is built with → a program in which every name, flag, stage and source is resolved.

Invariant: all errors of the file come in one go, sorted by place; a Program exists only without any.
"""

from collections.abc import Mapping, Sequence

from metalor_lang.checker.arguments import Arguments, Declaring, declare
from metalor_lang.checker.broken import Broken, read_broken
from metalor_lang.checker.platforms import host_platform
from metalor_lang.checker.program import (
    Argument,
    Contexts,
    Imported,
    Pending,
    Platform,
    Program,
    ScratchBase,
    Stage,
)
from metalor_lang.checker.report import Report
from metalor_lang.checker.resolver import needed_by
from metalor_lang.checker.rules import check_statement, stageless
from metalor_lang.checker.scope import StageFacts
from metalor_lang.checker.stages import Draft, Stages
from metalor_lang.checker.walk import Names, SecretUse, StageWalk
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.record import dataclass, field, replace
from metalor_lang.source import Span
from metalor_lang.syntax import ast

if TYPE_CHECKING:
    from metalor_lang.checker.expansion import Flat, Unbuilt
    from metalor_lang.checker.places import Places
    from metalor_lang.checker.unbuilt import Trial

_START: Final = Span(0, 0)
"""Where errors stand that no line of the recipe causes."""


def check(
    recipe: ast.Recipe,
    *,
    args: Mapping[str, str] | None = None,
    contexts: Contexts,
    target: str | None = None,
    platform: Platform | None = None,
    source_date_epoch: int | None = None,
    secrets: frozenset[str] | None = None,
    given_args_strict: bool = True,
    syntax: tuple[Diagnostic, ...] = (),
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Check a recipe.

    Args:
        recipe: as parsed.
        args: the arguments given, by name; proxies need no ARG.
        contexts: the folders that COPY, --bind and local bases are looked up in.
        target: name of the stage to build; the last one when None.
        platform: what is built for; this machine's when None.
        source_date_epoch: seconds since 1970 for every stage; None when each has its base's.
        secrets: names of the secrets given; None when nothing is said of them, then none is asked for.
        given_args_strict: False for editors: what only a build can be given (arguments without a default, secrets)
            is not asked for, and arguments that no ARG declares are ignored. Such a program is not to be planned.
        syntax: what the parser refused; names in those statements are not held against the others.

    """
    platform = platform or host_platform()
    report = Report()
    checker = _Checker(
        recipe=recipe,
        args=args or {},
        contexts=contexts,
        target=target,
        platform=platform,
        epoch=source_date_epoch,
        secrets=secrets,
        strict=given_args_strict,
        broken=read_broken(recipe, syntax),
        syntax=syntax,
        report=report,
        stages=Stages(report, platform),
    )
    program = checker.check()
    found = report.sorted()
    if found:
        from metalor_lang.syntax.rewrites import with_remedy

        if checker.places is not None:
            found = checker.places.shown(found)
        found = tuple(with_remedy(recipe.source, each) for each in found)
    return (None if found or syntax else program), found


def _start(node: ast.Statement) -> int:
    return node.span.start


_BLOCK_LINES: Final = frozenset((ast.If, ast.Else, ast.End, ast.For, ast.Define, ast.Use, ast.Import))


@dataclass(slots=True, kw_only=True)
class _Checker:
    recipe: ast.Recipe
    args: Mapping[str, str]
    contexts: Contexts
    target: str | None
    platform: Platform
    epoch: int | None
    secrets: frozenset[str] | None
    strict: bool
    broken: Broken
    syntax: tuple[Diagnostic, ...]
    report: Report
    stages: Stages
    used: set[str] = field(default_factory=set)
    pending: list[Pending] = field(default_factory=list)
    wanted: list[SecretUse] = field(default_factory=list)
    flat: "Sequence[Flat]" = ()
    """The statements, as far as they are built; beside them what is not."""
    places: "Places | None" = None
    imports: tuple[Imported, ...] = ()
    elsewhere: Mapping[str, Span] = field(default_factory=dict)
    trial: "Trial | None" = None
    outside: "list[Unbuilt]" = field(default_factory=list)
    """What is not built and stands before the first FROM."""
    alone: "list[Unbuilt]" = field(default_factory=list)
    """Groups that nothing uses."""

    def check(self) -> Program | None:
        """Read the file from top to bottom; what it found is in `report`."""
        arguments = self._arguments()
        names = Names(
            source=self.recipe.source, report=self.report, arguments=arguments.known, contexts=self.contexts,
            broken=self.broken.names, lost=self.broken.words, vague=self.broken.vague, places=self.places,
            elsewhere=self.elsewhere,
        )  # fmt: skip
        self._split()
        self.stages.name(self.contexts.names(), once=not self.broken.open)
        drafts = self.stages.drafts
        if self.outside:
            self._unbuilt(self.outside, None, names)
        for draft in drafts:
            self._resolve(draft, names)
            self._walk(draft, names)
        if self.alone:
            self._unbuilt(self.alone, None, names, alone=True)
        if not drafts:
            if not self.broken.open and not self._misplaced():
                message = "the recipe has no FROM" if self.recipe.statements else "the recipe is empty"
                self.report.add("E0313", message, _START, "start a stage: FROM debian:12")
            return None
        target = self._target()
        needed = needed_by(target, {draft.index: draft.needs for draft in drafts})
        self._secrets(needed)
        stages = tuple(
            Stage(
                index=draft.index,
                name=draft.node.stage,
                node=self._as_written(draft.node),
                base=draft.base or ScratchBase(),
                platform=draft.platform,
                statements=tuple(draft.statements),
                needs=draft.needs,
            )
            for draft in drafts
        )
        return Program(
            recipe=self.recipe,
            arguments={
                name: Argument(name=name, value=each.value or "", public=each.public, span=each.span)
                for name, each in arguments.known.items()
            },
            stages=stages,
            target=target,
            needed=needed,
            platform=self.platform,
            contexts=tuple(sorted(self.used)),
            pending=tuple(self.pending),
            proxies=arguments.proxies,
            places=self.places,
            imports=self.imports,
        )

    def _misplaced(self) -> bool:
        """Whether a FROM stands where none can: the parser has said so."""
        refused = {each.span.start for each in self.syntax if each.code == "E0806"}
        return any(isinstance(node, ast.From) and node.span.start in refused for node in self.recipe.statements)

    # --- blocks ---------------------------------------------------------------------------------------------------

    def _arguments(self) -> Arguments:
        """Every argument; the statements that are built are in `flat` then."""
        given = (self.recipe, self.args, self.platform, self.epoch, self.report)
        self.flat = self.recipe.statements
        if _BLOCK_LINES.isdisjoint(map(type, self.flat)):
            return declare(*given, strict=self.strict, broken=self.broken)
        from metalor_lang.checker.expansion import expand_blocks

        declaring = Declaring(*given, strict=self.strict, broken=self.broken)
        expanded = expand_blocks(
            self.recipe, self.broken.stages, self.syntax, declaring, self.contexts, self.report, self.broken
        )
        self.flat, self.places, self.imports = expanded.flat, expanded.places, expanded.imports
        self.elsewhere = expanded.elsewhere
        refused = (node for node in self.flat if isinstance(node, ast.From) and node.span.start in expanded.refused)
        vague = self.broken.vague | {"USE"} if expanded.lost else self.broken.vague
        self.broken = replace(self.broken, names=expanded.broken, stages=tuple(refused), vague=vague)
        return declaring.finish(expanded.elsewhere.keys())

    def _as_written(self, node: ast.From) -> ast.From:
        """A FROM at its place in the recipe."""
        piece = None if self.places is None else self.places.piece(node.span.start)
        if piece is None:
            return node
        from metalor_lang.syntax.moving import moved

        return moved(node, -piece.by)

    def _unbuilt(self, nodes: "Sequence[Flat]", around: StageWalk | None, names: Names, *, alone: bool = False) -> None:
        """Check statements that are not built for what is wrong with them whatever the arguments."""
        if self.trial is None:
            from metalor_lang.checker.unbuilt import Trial, trial_names

            self.trial = Trial(
                names=trial_names(names, self.flat),
                stages=self.stages.seen,
                begin=self._begin,
                staged=any(isinstance(node, ast.From) for node in self.recipe.statements),
            )
        index = around.index if around is not None else len(self.stages.drafts) if alone else -1
        self.trial.check(nodes, around, index, alone=alone)

    def _begin(self, node: ast.From, index: int, names: Names) -> StageFacts:
        draft = Draft(index, node)
        self._resolve(draft, names)
        return draft.facts

    def _taken(self, walk: StageWalk, node: ast.Statement) -> None:
        """Report a loop variable or parameter that has the name of an ENV of its stage."""
        assert self.places is not None
        scope = self.places.scope(node.span.start)
        for name, known in scope.own.items() if scope is not walk.scope else ():
            if name in walk.facts.values and name not in walk.facts.shipped and known.span is not None:
                message = f"the name `{name}` is taken: the stage has an ENV of this name"
                help = "take another name: one name means one thing"
                self.report.add("E0820", message, known.span, help)
        walk.scope = scope

    def _line(self, offset: int) -> int:
        """The 1-based line of the recipe that an offset is shown in."""
        return self.recipe.source.position(offset).line if self.places is None else self.places.line(offset)

    # --- stages ---------------------------------------------------------------------------------------------------

    def _split(self) -> None:
        orphans: list[ast.Statement] = []
        drafts = self.stages.drafts
        # A FROM that was refused starts a stage, too: of what stands behind it nothing belongs to the stage before.
        nodes: Sequence[Flat] = self.flat
        if self.broken.stages and self.flat is self.recipe.statements:
            whole: tuple[ast.Statement, ...] = (*self.recipe.statements, *self.broken.stages)
            ordered = sorted(whole, key=_start)
            nodes = ordered
        for node in nodes:
            match node:
                case ast.From():
                    self.stages.add(node, self._line(node.span.start))
                case ast.Arg() | ast.RecipeVersion():
                    pass
                case ast.Node() if drafts:
                    drafts[-1].statements.append(node)
                case ast.Node():
                    orphans.append(node)
                case _ if node.alone:
                    self.alone.append(node)
                case _ if drafts:
                    draft = drafts[-1]
                    draft.unbuilt.setdefault(len(draft.statements), []).append(node)
                case _:
                    self.outside.append(node)
        if orphans and drafts:
            stageless(self.report, *orphans)

    def _resolve(self, draft: Draft, names: Names) -> None:
        if not any(draft.node is each for each in self.broken.stages):
            self.stages.resolve(draft, names)

    def _walk(self, draft: Draft, names: Names) -> None:
        walk = StageWalk(
            names=names,
            index=draft.index,
            facts=draft.facts,
            stages=self.stages.seen(draft.index),
            needs=set(draft.needs),
        )
        for at, node in enumerate(draft.statements):
            if draft.unbuilt:
                self._unbuilt(draft.unbuilt.get(at, ()), walk, names)
            if self.places is not None:
                self._taken(walk, node)
            check_statement(walk, node)
        if draft.unbuilt:
            self._unbuilt(draft.unbuilt.get(len(draft.statements), ()), walk, names)
        draft.needs = tuple(sorted(walk.needs))
        self.used |= walk.contexts
        self.pending += walk.pending
        self.wanted += walk.secrets

    # --- what the build is given ----------------------------------------------------------------------------------

    def _target(self) -> int:
        if self.target is None:
            return len(self.stages.drafts) - 1
        named = self.stages.named
        if self.target in named:
            return named[self.target]
        if "FROM" in self.broken.vague or self.target in self.broken.names:
            return len(self.stages.drafts) - 1
        near = nearest(self.target, named)
        listed = "stages: " + ", ".join(sorted(named, key=named.__getitem__)) if named else "no stage has a name"
        help = f"did you mean `{near}`? {listed}" if near else listed
        self.report.add("E0322", f"there is no stage `{self.target}` to build", _START, help)
        return len(self.stages.drafts) - 1

    def _secrets(self, needed: frozenset[int]) -> None:
        if not self.strict or self.secrets is None:
            return
        for use in self.wanted:
            if use.stage in needed and use.name not in self.secrets:
                near = nearest(use.name, sorted(self.secrets))
                hint = f"`{near}` is given: is it meant? " if near else ""
                help = f"{hint}give it: --secret {use.name}=FILE or --secret {use.name}=env:VARIABLE"
                self.report.add("E0408", f"the secret `{use.name}` is not given", use.span, help, cause=use.name)
