"""A recipe and what it is built with → a program in which every name, flag, stage and source is resolved.

Invariant: all errors of the file come in one go, sorted by place; a Program exists only without any.
"""

import re
from collections.abc import Mapping, Sequence

from metalor_lang.checker import flags
from metalor_lang.checker.arguments import Arguments, Declaring, declare
from metalor_lang.checker.broken import Broken, read_broken
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.platforms import host_platform, parse_platform, same_platform
from metalor_lang.checker.program import (
    Argument,
    Base,
    Contexts,
    ImageBase,
    Imported,
    Pending,
    Platform,
    Program,
    RootfsBase,
    ScratchBase,
    Stage,
    StageBase,
)
from metalor_lang.checker.report import Report
from metalor_lang.checker.resolver import STAGE_NAME, StageNames, classify, needed_by
from metalor_lang.checker.rules import check_statement, stageless
from metalor_lang.checker.scope import EPOCH, StageFacts, expand
from metalor_lang.checker.walk import Names, SecretUse, StageWalk
from metalor_lang.diagnostics.model import Diagnostic, Label
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
    checker = _Checker(
        recipe=recipe,
        args=args or {},
        contexts=contexts,
        target=target,
        platform=platform or host_platform(),
        epoch=source_date_epoch,
        secrets=secrets,
        strict=given_args_strict,
        broken=read_broken(recipe, syntax),
        syntax=syntax,
    )
    program = checker.check()
    found = checker.report.sorted()
    if found:
        from metalor_lang.syntax.rewrites import with_remedy

        if checker.places is not None:
            found = checker.places.shown(found)
        found = tuple(with_remedy(recipe.source, each) for each in found)
    return (None if found or syntax else program), found


def _start(node: ast.Statement) -> int:
    return node.span.start


_BLOCK_LINES: Final = frozenset((ast.If, ast.Else, ast.End, ast.For, ast.Define, ast.Use, ast.Import))


@dataclass(slots=True)
class _Draft:
    """A stage while the file is read."""

    index: int
    node: ast.From
    statements: list[ast.Statement] = field(default_factory=list)
    unbuilt: "dict[int, list[Unbuilt]]" = field(default_factory=dict)
    """What is not built, by the number of statements before it."""
    base: Base | None = None
    platform: Platform | None = None
    facts: StageFacts = field(default_factory=lambda: StageFacts(open=True))
    needs: tuple[int, ...] = ()


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
    report: Report = field(default_factory=Report)
    stages: list[_Draft] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)
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
            broken=self.broken.names, places=self.places, elsewhere=self.elsewhere,
        )  # fmt: skip
        self._split()
        self._stage_names()
        if self.outside:
            self._unbuilt(self.outside, None, names)
        for draft in self.stages:
            self._resolve(draft, names)
            self._walk(draft, names)
        if self.alone:
            self._unbuilt(self.alone, None, names, alone=True)
        if not self.stages:
            if not self.broken.open:
                message = "the recipe has no FROM" if self.recipe.statements else "the recipe is empty"
                self.report.add("E0313", message, _START, "start a stage: FROM debian:12")
            return None
        target = self._target()
        needed = needed_by(target, {draft.index: draft.needs for draft in self.stages})
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
            for draft in self.stages
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

    # --- blocks ---------------------------------------------------------------------------------------------------

    def _arguments(self) -> Arguments:
        """Every argument; the statements that are built are in `flat` then."""
        given = (self.recipe, self.args, self.platform, self.epoch, self.report)
        self.flat = self.recipe.statements
        if _BLOCK_LINES.isdisjoint(map(type, self.flat)):
            return declare(*given, strict=self.strict, broken=self.broken.names)
        from metalor_lang.checker.expansion import expand_blocks

        declaring = Declaring(*given, strict=self.strict, broken=self.broken.names)
        expanded = expand_blocks(
            self.recipe, self.broken.stages, self.syntax, declaring, self.contexts, self.report, self.broken.names
        )
        self.flat, self.places, self.imports = expanded.flat, expanded.places, expanded.imports
        self.elsewhere = expanded.elsewhere
        refused = (node for node in self.flat if isinstance(node, ast.From) and node.span.start in expanded.refused)
        self.broken = replace(self.broken, names=expanded.broken, stages=tuple(refused))
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

            self.trial = Trial(names=trial_names(names, self.flat), stages=self._stages_seen, begin=self._begin)
        index = around.index if around is not None else len(self.stages) if alone else -1
        self.trial.check(nodes, around, index, alone=alone)

    def _stages_seen(self, index: int) -> StageNames:
        return StageNames(named=self.named, lines=self.lines, index=index)

    def _begin(self, node: ast.From, index: int, names: Names) -> StageFacts:
        draft = _Draft(index, node)
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
        # A FROM that was refused starts a stage, too: of what stands behind it nothing belongs to the stage before.
        nodes: Sequence[Flat] = self.flat
        if self.broken.stages and self.flat is self.recipe.statements:
            whole: tuple[ast.Statement, ...] = (*self.recipe.statements, *self.broken.stages)
            ordered = sorted(whole, key=_start)
            nodes = ordered
        for node in nodes:
            match node:
                case ast.From():
                    self.stages.append(_Draft(len(self.stages), node))
                    self.lines.append(self._line(node.span.start))
                case ast.Arg() | ast.RecipeVersion():
                    pass
                case ast.Node() if self.stages:
                    self.stages[-1].statements.append(node)
                case ast.Node():
                    orphans.append(node)
                case _ if node.alone:
                    self.alone.append(node)
                case _ if self.stages:
                    draft = self.stages[-1]
                    draft.unbuilt.setdefault(len(draft.statements), []).append(node)
                case _:
                    self.outside.append(node)
        if orphans and self.stages:
            stageless(self.report, *orphans)

    def _stage_names(self) -> None:
        seen: dict[str, Span] = {}
        contexts = self.contexts.names()
        for draft in self.stages:
            name, span = draft.node.stage, draft.node.stage_span or draft.node.span
            if name is None:
                continue
            if name == "scratch":
                help = "scratch is the empty base; take another name"
                self.report.add("E0315", "no stage can be called `scratch`", span, help)
            elif not STAGE_NAME.fullmatch(name):
                help = f"write AS {re.sub('[^a-z0-9_-]', '-', name.lower()).lstrip('-_0123456789') or 'build'}"
                message = f"`{name}` is no name of a stage: it is a small letter, then a-z, 0-9, _ and -"
                self.report.add("E0315", message, span, help)
            elif name in seen:
                label = Label(span=seen[name], text="the first one")
                help = "give each stage its own name"
                self.report.add("E0314", f"a second stage `{name}`", span, help, labels=(label,))
            elif name in contexts:
                message = f"`{name}` is a stage here, and a context of that name is given"
                self.report.add("E0319", message, span, f"rename one of them: --context other={name}")
            seen.setdefault(name, span)
            self.named.setdefault(name, draft.index)

    def _seen_by(self, draft: _Draft) -> StageNames:
        return self._stages_seen(draft.index)

    def _resolve(self, draft: _Draft, names: Names) -> None:
        node, report = draft.node, self.report
        if any(node is each for each in self.broken.stages):
            return

        def value_of(ref: ast.Ref) -> str | None:
            argument = names.argument(ref.name, ref.span.start)
            if argument is None:
                names.undefined(ref, (), only_arguments=True)
            elif argument.value is None and ref.name == EPOCH:
                message = f"`{EPOCH}` is each stage's own, and known here only when it is given"
                report.add("E0308", message, ref.span, "give it: --epoch N; or write a fixed value")
            return None if argument is None else argument.value

        flag = node.flag("platform")
        if flag is not None and flag.value is not None:
            wanted = expand(flag.value.parts, value_of)
            try:
                if wanted is not None:
                    draft.platform = parse_platform(flags.platform(wanted))
            except ValueProblem as error:
                report.add(error.code, error.message, flag.value.span, error.help)
        text = expand(node.base.parts, value_of)
        if text is None:
            return
        if text in names.broken and ":" not in text:
            return
        try:
            draft.base = classify(text, self._seen_by(draft), names.contexts)
        except ValueProblem as error:
            report.add(error.code, error.message, node.base.span, error.help)
            return
        match draft.base:
            case StageBase(stage=index):
                below = self.stages[index]
                draft.facts = below.facts.copy()
                draft.needs = (index,)
                given = below.platform or self.platform
                if draft.platform is not None and flag is not None and not same_platform(draft.platform, given):
                    message = f"stage `{text}` is for {given}, not for {draft.platform}"
                    help = "remove --platform: a stage has the platform of what it stands on"
                    report.add("E0323", message, flag.span, help)
                draft.platform = below.platform
            case ScratchBase():
                draft.facts = StageFacts(open=False)
            case ImageBase() | RootfsBase():
                pass

    def _walk(self, draft: _Draft, names: Names) -> None:
        walk = StageWalk(
            names=names,
            index=draft.index,
            facts=draft.facts,
            stages=self._seen_by(draft),
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
            return len(self.stages) - 1
        named = self.named
        if self.target in named:
            return named[self.target]
        if self.target in self.broken.names:
            return len(self.stages) - 1
        near = nearest(self.target, named)
        listed = "stages: " + ", ".join(sorted(named, key=named.__getitem__)) if named else "no stage has a name"
        help = f"did you mean `{near}`? {listed}" if near else listed
        self.report.add("E0322", f"there is no stage `{self.target}` to build", _START, help)
        return len(self.stages) - 1

    def _secrets(self, needed: frozenset[int]) -> None:
        if not self.strict or self.secrets is None:
            return
        for use in self.wanted:
            if use.stage in needed and use.name not in self.secrets:
                near = nearest(use.name, sorted(self.secrets))
                hint = f"`{near}` is given: is it meant? " if near else ""
                help = f"{hint}give it: --secret {use.name}=FILE or --secret {use.name}=env:VARIABLE"
                self.report.add("E0408", f"the secret `{use.name}` is not given", use.span, help, cause=use.name)
