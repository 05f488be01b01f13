"""Reads the names of a recipe, statement by statement, as the checker does.

Invariant: a statement is read with what stands above it, and only then changes what is known.
"""

import re
from collections.abc import Mapping
from typing import Final

from metalor_lang.checker.arguments import declare
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.platforms import PlatformError, host_platform, parse_platform
from metalor_lang.checker.presumed import EverythingIsThere
from metalor_lang.checker.program import Base, Platform, ScratchBase, StageBase
from metalor_lang.checker.report import Report
from metalor_lang.checker.resolver import StageNames, classify
from metalor_lang.checker.rules import check_statement
from metalor_lang.checker.scope import DEFAULT_PATH, StageFacts, words_of
from metalor_lang.checker.walk import Names as Declared
from metalor_lang.checker.walk import StageWalk
from metalor_lang.record import dataclass, field
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.tooling.binding import Bindings, places
from metalor_lang.tooling.names import (
    Environment,
    How,
    NameKind,
    Names,
    Origin,
    StageView,
    Symbol,
    Use,
    literal_span,
    name_span,
    nothing_known,
    refs,
)

_BOUND: Final = 1 << 30
"""The first number of the symbols that blocks bring."""
_IN_SHELL: Final = re.compile(r"\$(?:\{[#!]?)?([A-Za-z_][A-Za-z0-9_]*)")
_STAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def read_names(
    recipe: ast.Recipe,
    *,
    args: Mapping[str, str] | None = None,
    platform: Platform | None = None,
    contexts: frozenset[str] = frozenset(),
    environment: Environment = nothing_known,
) -> Names:
    """Every place of a name in a recipe.

    Args:
        recipe: as parsed; refused statements are not in it, and their names are nobody's.
        args: arguments that are given.
        platform: what would be built for; this machine's when None.
        contexts: the named contexts.
        environment: what bases set.

    """
    reading = _Reading(recipe=recipe, platform=platform or host_platform(), contexts=contexts, environment=environment)
    reading.read(args or {})
    uses = sorted(reading.uses, key=lambda use: (use.span.start, use.span.end))
    return Names(
        source=recipe.source,
        uses=tuple(uses),
        values=reading.values,
        stages=tuple(reading.stages),
        conditions=tuple(reading.conditions),
        groups=reading.bodies,
    )


@dataclass(slots=True)
class _Stage:
    """What is known in a stage at the statement at hand.

    Args:
        walk: the checker's.
        given: what the base at the bottom sets.
        mine: the symbol of each variable that is set now.
        ever: of each that was set at any time, here or in the stages below.
        root: index of the stage at the bottom.

    """

    walk: StageWalk
    given: Mapping[str, str]
    mine: dict[str, Symbol]
    ever: dict[str, Symbol]
    root: int


@dataclass(slots=True, kw_only=True)
class _Reading:
    recipe: ast.Recipe
    platform: Platform
    contexts: frozenset[str]
    environment: Environment
    uses: list[Use] = field(default_factory=list)
    values: dict[int, str] = field(default_factory=dict)
    stages: list[StageView] = field(default_factory=list)
    conditions: list[ast.Condition] = field(default_factory=list)
    bodies: dict[str, tuple[ast.Define, Span]] = field(default_factory=dict)
    bindings: Bindings = field(default_factory=Bindings)
    declared: Declared = field(init=False)
    _starts: list[int] = field(init=False)
    _symbols: dict[tuple[NameKind, str, int], Symbol] = field(default_factory=dict)
    _done: list[_Stage] = field(default_factory=list)
    _named: dict[str, int] = field(default_factory=dict)
    _later: dict[str, Symbol] = field(default_factory=dict)

    def read(self, args: Mapping[str, str]) -> None:
        report = Report()
        known = declare(self.recipe, args, self.platform, None, report, strict=False).known
        self.declared = Declared(
            source=self.recipe.source, report=report, arguments=known, contexts=EverythingIsThere()
        )
        self._starts = [node.span.start for node in self.recipe.statements if isinstance(node, ast.From)]
        for node in self.recipe.statements:
            if isinstance(node, ast.From) and node.stage is not None:
                self._later.setdefault(node.stage, self._symbol(NameKind.STAGE, node.stage, node.span.start))
        self.bindings = Bindings.of(self.recipe.statements, _BOUND)
        stage: _Stage | None = None
        group: _Stage | None = None
        for node in self.recipe.statements:
            match node:
                case ast.Arg():
                    self._argument(node)
                case ast.From():
                    stage = self._from(node)
                case ast.RecipeVersion():
                    pass
                case ast.If() | ast.Else() | ast.End() | ast.For() | ast.Define() | ast.Use() | ast.Import():
                    self._block_line(node)
                    group = self._anywhere() if isinstance(node, ast.Define) else group
                case _ if self.bindings.in_group:
                    assert group is not None
                    self._statement(node, group)
                case _ if stage is not None:
                    self._statement(node, stage)

    def _symbol(self, kind: NameKind, name: str, home: int, origin: Origin = Origin.RECIPE) -> Symbol:
        """The symbol of a name and the place that makes it another than its namesakes."""
        key = (kind, name, home)
        if key not in self._symbols:
            self._symbols[key] = Symbol(number=len(self._symbols), kind=kind, name=name, origin=origin)
        return self._symbols[key]

    def _use(
        self,
        span: Span,
        symbol: Symbol,
        how: How,
        node: ast.Statement,
        value: str | None = None,
        *,
        exact: bool = True,
    ) -> None:
        self.uses.append(Use(span=span, symbol=symbol, how=how, value=value, exact=exact, statement=node.span))

    # ---- blocks ------------------------------------------------------------------------------------------------

    def _block_line(self, node: ast.BlockLine) -> None:
        for parts in words_of(node):
            for ref in refs(parts):
                self._read_argument(ref, node)
        for span, symbol, declares in places(node, self.bindings):
            self._use(span, symbol, How.DECLARES if declares else How.READS, node)
        match node:
            case ast.If(condition=condition) | ast.Else(condition=condition) if condition is not None:
                self.conditions.append(condition)
            case ast.Define(name=name):
                self.bodies.setdefault(name, (node, Span(node.span.end, node.span.end)))
            case ast.End() if self.bindings.in_group:
                # The last END before the next DEFINE is the group's: the span grows with each one in it.
                define, body = list(self.bodies.values())[-1]
                self.bodies[define.name] = define, Span(body.start, node.span.end)
            case _:
                pass
        self.bindings.take(node)

    def _anywhere(self) -> _Stage:
        """A stage of which nothing is known: a group may be used in any."""
        names = StageNames(named=dict(self._named), lines=[0], index=0)
        walk = StageWalk(names=self.declared, index=0, facts=StageFacts(open=True), stages=names)
        return _Stage(walk, {}, {}, {}, -1)

    # ---- arguments and stages ----------------------------------------------------------------------------------

    def _of_argument(self, name: str) -> Symbol | None:
        known = self.declared.arguments.get(name)
        if known is None:
            return None
        return self._symbol(NameKind.ARGUMENT, name, 0, Origin.ALWAYS if known.span is None else Origin.RECIPE)

    def _argument(self, node: ast.Arg) -> None:
        for parts in words_of(node):
            for ref in refs(parts):
                self._read_argument(ref, node)
        symbol = self._of_argument(node.name)
        if symbol is not None:
            self._use(node.name_span, symbol, How.DECLARES, node, self.declared.arguments[node.name].value)

    def _read_argument(self, ref: ast.Ref, node: ast.Statement) -> bool:
        """Note a `${NAME}` that is an argument, or could only be one declared below; false where it is none."""
        bound = self.bindings.get(ref.name)
        if bound is not None:
            self._use(name_span(ref), bound, How.READS, node)
            return True
        known = self.declared.argument(ref.name, ref.span.start)
        symbol = self._of_argument(ref.name)
        if symbol is None:
            return False
        value = None if known is None else known.value
        self._use(name_span(ref), symbol, How.READS, node, value)
        if value is not None:
            self.values[ref.span.start] = value
        return True

    def _from(self, node: ast.From) -> _Stage:
        for parts in words_of(node):
            for ref in refs(parts):
                self._read_argument(ref, node)
        index = len(self._done)
        names = StageNames(named=dict(self._named), lines=[0] * (index + 1), index=index)
        text = self._text(node.base)
        base = None if text is None else self._base(text, names)
        if text is not None:
            self._name_stage(text, node.base, node)
        platform, given, root = self._platform(node), {}, index
        mine: dict[str, Symbol] = {}
        ever: dict[str, Symbol] = {}
        if isinstance(base, StageBase):
            below = self._done[base.stage]
            facts, mine, ever = below.walk.facts.copy(), dict(below.mine), dict(below.ever)
            given, root, platform = dict(below.given), below.root, self.stages[base.stage].platform
        else:
            facts = StageFacts(open=not isinstance(base, ScratchBase))
            given = dict(self.environment(base, platform)) if base is not None else {}
        if node.stage is not None and node.stage_span is not None:
            home = self._later[node.stage] if node.stage not in self._named else None
            symbol = home or self._symbol(NameKind.STAGE, node.stage, node.span.start)
            self._use(node.stage_span, symbol, How.DECLARES, node)
            self._named.setdefault(node.stage, index)
        walk = StageWalk(names=self.declared, index=index, facts=facts, stages=names)
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(self.recipe.source.text)
        self.stages.append(StageView(index=index, node=node, base=base, platform=platform, root=root, end=end))
        stage = _Stage(walk, given, mine, ever, root)
        self._done.append(stage)
        return stage

    def _text(self, word: ast.Word) -> str | None:
        texts = [part.value if isinstance(part, ast.Text) else self.values.get(part.span.start) for part in word.parts]
        return None if None in texts else "".join(text for text in texts if text is not None)

    def _base(self, text: str, names: StageNames) -> Base | None:
        try:
            return classify(text, names, EverythingIsThere())
        except ValueProblem:
            return None

    def _platform(self, node: ast.From) -> Platform:
        flag = node.flag("platform")
        text = None if flag is None or flag.value is None else self._text(flag.value)
        try:
            return self.platform if text is None else parse_platform(text)
        except PlatformError:
            return self.platform

    def _name_stage(self, name: str, word: ast.Word, node: ast.Statement) -> None:
        """Note a word that is the name of a stage or of a context."""
        symbol = self._origin(name)
        if symbol is None:
            return
        span = literal_span(self.recipe.source, word)
        self._use(span or word.span, symbol, How.READS, node, exact=span is not None)

    def _origin(self, name: str) -> Symbol | None:
        if name in self._later:
            return self._later[name]
        if name in self.contexts:
            return self._symbol(NameKind.CONTEXT, name, 0, Origin.SETTINGS)
        return None

    # ---- the statements of a stage -----------------------------------------------------------------------------

    def _statement(self, node: ast.Statement, stage: _Stage) -> None:
        if node.expands:
            for parts in words_of(node):
                for ref in refs(parts):
                    if not self._read_argument_here(ref, node):
                        self._read_variable(ref, node, stage)
        step = node.step if isinstance(node, ast.Test) else node
        self._flags(step, node)
        match step:
            case ast.Sh():
                self._shell(step, node, stage)
            case ast.Env():
                check_statement(stage.walk, node)
                self._set(step, node, stage)
                return
            case ast.Unset(kind=ast.UnsetKind.ENV, name=ast.Word() as word) if name := word.literal:
                symbol = stage.mine.pop(name, None) or self._of_base(name, stage)
                self._use(word.span, symbol, How.TAKES_AWAY, node)
            case _:
                pass
        check_statement(stage.walk, node)

    def _read_argument_here(self, ref: ast.Ref, node: ast.Statement) -> bool:
        seen = (
            self.bindings.in_group  # it is seen where it stands above the USE
            or self.bindings.get(ref.name) is not None
            or self.declared.argument(ref.name, ref.span.start) is not None
        )
        return seen and self._read_argument(ref, node)

    def _read_variable(self, ref: ast.Ref, node: ast.Statement, stage: _Stage) -> None:
        name = ref.name
        if name in stage.mine:
            symbol, value = stage.mine[name], stage.walk.facts.values.get(name)
        elif name in self.declared.arguments:
            self._read_argument(ref, node)  # it is declared below: an error, but it is what was meant
            return
        elif stage.walk.facts.may_have(name) or name == "PATH":
            symbol = self._of_base(name, stage)
            value = stage.given.get(name, DEFAULT_PATH if name == "PATH" and stage.given else None)
        else:
            return
        self._use(name_span(ref), symbol, How.READS, node, value)
        if value is not None:
            self.values[ref.span.start] = value

    def _of_base(self, name: str, stage: _Stage) -> Symbol:
        return self._symbol(NameKind.VARIABLE, name, -1 - stage.root, Origin.BASE)

    def _set(self, step: ast.Env, node: ast.Statement, stage: _Stage) -> None:
        for pair in step.pairs:
            symbol = stage.mine.get(pair.key) or stage.ever.get(pair.key)
            symbol = symbol or self._symbol(NameKind.VARIABLE, pair.key, pair.key_span.start)
            stage.mine[pair.key] = stage.ever[pair.key] = symbol
            self._use(pair.key_span, symbol, How.DECLARES, node, self._text(pair.value))

    def _flags(self, step: ast.Statement, node: ast.Statement) -> None:
        for flag in step.flags:
            if flag.value is None:
                continue
            text = self._text(flag.value)
            span = literal_span(self.recipe.source, flag.value)
            if text is None:
                continue
            if flag.name == "arg" and (symbol := self.bindings.get(text) or self._of_argument(text)) is not None:
                value = self.declared.arguments[text].value if symbol.kind is NameKind.ARGUMENT else None
                self._use(span or flag.value.span, symbol, How.READS, node, value, exact=span is not None)
            elif flag.name == "from":
                self._name_stage(text, flag.value, node)
            elif flag.name == "bind" and text.count(":") > 1 and (named := _STAGE.match(text)) is not None:
                symbol = self._origin(named.group())
                if symbol is not None and text[named.end() : named.end() + 1] == ":":
                    exact = Span(span.start, span.start + named.end()) if span is not None else flag.value.span
                    self._use(exact, symbol, How.READS, node, exact=span is not None)

    def _shell(self, step: ast.Sh, node: ast.Statement, stage: _Stage) -> None:
        source = self.recipe.source
        start = step.text.span.start
        for found in _IN_SHELL.finditer(source.text, start, step.text.span.end):
            name = found.group(1)
            known = self.declared.argument(name, start)
            symbol: Symbol | None
            value: str | None
            if (bound := self.bindings.get(name)) is not None:
                symbol, value = bound, None
            elif known is not None or (self.bindings.in_group and name in self.declared.arguments):
                symbol, value = self._of_argument(name), None if known is None else known.value
            else:
                symbol, value = stage.mine.get(name), stage.walk.facts.values.get(name)
            if symbol is not None and (step.text.block or not self._in_comment(found.start())):
                self._use(Span(found.start(1), found.end(1)), symbol, How.SHELL, node, value)

    def _in_comment(self, offset: int) -> bool:
        """Whether an offset of one-line shell text is in a comment line between its continued lines."""
        return self.recipe.source.line(self.recipe.source.position(offset).line).lstrip(" \t").startswith("#")
