"""A recipe and what it is built with → a program in which every name, flag, stage and source is resolved.

Invariant: all errors of the file come in one go, sorted by place; a Program exists only without any.
"""

import re
from collections.abc import Mapping, Sequence

from metalor_lang.checker import flags
from metalor_lang.checker.arguments import declare
from metalor_lang.checker.broken import Broken, read_broken
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.platforms import host_platform, parse_platform, same_platform
from metalor_lang.checker.program import (
    Argument,
    Base,
    Contexts,
    ImageBase,
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
from metalor_lang.checker.rules import check_statement
from metalor_lang.checker.scope import EPOCH, StageFacts, expand
from metalor_lang.checker.walk import Names, SecretUse, StageWalk
from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.blocks import has_blocks

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
    )
    program = checker.check()
    found = checker.report.sorted()
    if found:
        from metalor_lang.syntax.rewrites import with_remedy

        found = tuple(with_remedy(recipe.source, each) for each in found)
    return (None if found or syntax else program), found


@dataclass(slots=True)
class _Draft:
    """A stage while the file is read."""

    index: int
    node: ast.From
    statements: list[ast.Statement] = field(default_factory=list)
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
    report: Report = field(default_factory=Report)
    stages: list[_Draft] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    pending: list[Pending] = field(default_factory=list)
    wanted: list[SecretUse] = field(default_factory=list)

    def check(self) -> Program | None:
        """Read the file from top to bottom; what it found is in `report`."""
        arguments = declare(
            self.recipe,
            self.args,
            self.platform,
            self.epoch,
            self.report,
            strict=self.strict,
            broken=self.broken.names,
        )
        names = Names(
            source=self.recipe.source, report=self.report, arguments=arguments.known, contexts=self.contexts,
            broken=self.broken.names,
        )  # fmt: skip
        if has_blocks(self.recipe.statements):
            first = next(each for each in self.recipe.statements if has_blocks((each,)))
            self.report.add("E0807", f"{first.word} is read, and cannot be built yet", first.word_span)
            return None
        self._split()
        self._stage_names()
        for draft in self.stages:
            self._resolve(draft, names)
            self._walk(draft, names)
        if not self.stages:
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
                node=draft.node,
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
        )

    # --- stages ---------------------------------------------------------------------------------------------------

    def _split(self) -> None:
        orphans: list[ast.Statement] = []
        # A FROM that was refused starts a stage, too: of what stands behind it nothing belongs to the stage before.
        nodes: Sequence[ast.Statement] = self.recipe.statements
        if self.broken.stages:
            nodes = sorted((*nodes, *self.broken.stages), key=lambda node: node.span.start)
        for node in nodes:
            match node:
                case ast.From():
                    self.stages.append(_Draft(len(self.stages), node))
                    self.lines.append(self.recipe.source.position(node.span.start).line)
                case ast.Arg() | ast.RecipeVersion():
                    pass
                case _ if self.stages:
                    self.stages[-1].statements.append(node)
                case _:
                    orphans.append(node)
        if orphans and self.stages:
            labels = tuple(Label(span=node.word_span, text="also before it") for node in orphans[1:])
            message = f"{orphans[0].word} stands before the first FROM"
            help = "only RECIPE and ARG may: move it behind the FROM of its stage"
            self.report.add("E0312", message, orphans[0].word_span, help, labels=labels)

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
        return StageNames(named=self.named, lines=self.lines, index=draft.index)

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
        if text in self.broken.names and ":" not in text:
            return
        try:
            draft.base = classify(text, self._seen_by(draft), self.contexts)
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
        for node in draft.statements:
            check_statement(walk, node)
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
