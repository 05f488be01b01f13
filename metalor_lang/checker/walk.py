"""One stage while it is checked: what its names mean at the statement at hand, and what it reads from.

Invariant: looking a value up never reports; `notice` reports every name of a statement exactly once.
"""

from collections.abc import Callable, Iterable, Mapping

from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.program import Contexts, Pending
from metalor_lang.checker.report import Report
from metalor_lang.checker.resolver import STAGE_NAME, StageNames, unknown_origin
from metalor_lang.checker.scope import Known, StageFacts, expand, words_of
from metalor_lang.checker.undefined import ARGUMENTS, BINDINGS, OF_ARGUMENTS, OF_STAGES, Sought, undefined
from metalor_lang.hints import TYPE_CHECKING, TypeVar
from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast

if TYPE_CHECKING:
    from metalor_lang.checker.places import Places, Scope

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Names:
    """What the whole file declares, and where errors go.

    Args:
        arguments: every ARG and always-defined name.
        contexts: the folders that COPY and --bind may read.
        broken: names in statements that did not parse: their declarations may be among those.
        lost: the words of those statements.
        vague: as in `Broken`.
        places: where the statements of a recipe with blocks come from, and what is seen in them.
        elsewhere: ARGs in branches that are not built.

    """

    source: SourceFile
    report: Report
    arguments: Mapping[str, Known]
    contexts: Contexts
    broken: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    vague: frozenset[str] = frozenset()
    places: "Places | None" = None
    elsewhere: Mapping[str, Span] = field(default_factory=dict)

    def argument(self, name: str, offset: int) -> Known | None:
        """The argument, loop variable or parameter of a name where it is visible."""
        known = self.arguments.get(name)
        if self.places is not None:
            scope = self.places.scope(offset)
            bound = scope.bound.get(name)
            if bound is not None:
                return bound
            if scope.sealed and known is not None and known.span is not None:
                return None
        return known if known is not None and known.visible(offset) else None

    def declared(self, name: str, offset: int) -> Known | None:
        """As `argument`, and ARGs that are declared below or hidden."""
        return self.argument(name, offset) or self.arguments.get(name)

    def line(self, offset: int) -> int:
        """The 1-based line of the recipe that an offset is shown in."""
        return self.source.position(offset).line if self.places is None else self.places.line(offset)

    def sealed(self, offset: int) -> bool:
        """Whether a group of another file stands there: it does not see the ARGs of the recipe."""
        return self.places is not None and self.places.scope(offset).sealed

    def lost_argument(self, name: str) -> bool:
        """Whether a refused statement may have declared an argument of that name."""
        return name in self.broken or not self.vague.isdisjoint(OF_ARGUMENTS)

    def lost_stage(self, name: str) -> bool:
        """Whether a FROM that was refused may have called its stage so."""
        return name in self.broken or ("FROM" in self.vague and STAGE_NAME.fullmatch(name) is not None)

    def undefined(self, ref: ast.Ref, known: tuple[str, ...], *, only_arguments: bool) -> None:
        """Report a `${NAME}` that means nothing; `known` are names beside arguments that could be meant."""
        name, offset = ref.name, ref.span.start
        if name in self.broken:
            return
        declared = self.arguments.get(name)
        sealed = self.sealed(offset)
        below = None if declared is None or declared.span is None else declared.span
        sought = Sought(
            seen=(*self._seen(offset), *known),
            only="" if not only_arguments else ARGUMENTS if self.places is None else BINDINGS,
            hidden=sealed and declared is not None,
            sealed=sealed,
            line=None if below is None else self.line(below.start),
            below=below,
            elsewhere=self.elsewhere.get(name) if declared is None else None,
            vague=not self.vague.isdisjoint(OF_ARGUMENTS if only_arguments else OF_STAGES),
        )
        undefined(self.report, ref, sought)

    def _seen(self, offset: int) -> Iterable[str]:
        if self.places is None:
            return self.arguments
        scope = self.places.scope(offset)
        own = (name for name, known in self.arguments.items() if known.span is None or not scope.sealed)
        return (*scope.bound, *own)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUse:
    """A `--secret` of a stage."""

    name: str
    stage: int
    span: Span


@dataclass(slots=True, kw_only=True)
class StageWalk:
    """A stage at one of its statements."""

    names: Names
    index: int
    facts: StageFacts
    stages: StageNames
    needs: set[int] = field(default_factory=set)
    contexts: set[str] = field(default_factory=set)
    pending: list[Pending] = field(default_factory=list)
    secrets: list[SecretUse] = field(default_factory=list)
    firsts: dict[str, Span] = field(default_factory=dict)
    """Where things that stand once a stage first stood: "CMD", "ENTRYPOINT", "LAYER name"."""
    scope: "Scope | None" = None
    """What the last statement saw beside ARGs."""

    @property
    def report(self) -> Report:
        """Where errors go."""
        return self.names.report

    def lookup(self, ref: ast.Ref) -> str | None:
        """The value of a name here; None where it is not known (yet)."""
        argument = self.names.argument(ref.name, ref.span.start)
        return argument.value if argument is not None else self.facts.values.get(ref.name)

    def value(self, word: ast.Word) -> str | None:
        """The text of a word; None when the base must settle a name in it, or one is wrong."""
        return expand(word.parts, self.lookup)

    def defined(self, name: str, offset: int) -> bool:
        """Whether a name certainly has a value here."""
        return (
            self.names.argument(name, offset) is not None
            or name in self.facts.values
            or name == "PATH"  # the usual one where nothing sets it
        )

    def waits(self, word: ast.Word) -> bool:
        """Whether a word holds a name whose value only the base or the build can give."""
        return any(
            self.names.argument(ref.name, ref.span.start) is None
            and self.lookup(ref) is None
            and (self.defined(ref.name, ref.span.start) or self.facts.may_have(ref.name))
            for ref in word.refs
        )

    def notice(self, node: ast.Statement) -> None:
        """Report undefined names of a statement and remember those that wait for the base."""
        for parts in words_of(node):
            for ref in parts:
                if not isinstance(ref, ast.Ref) or self.defined(ref.name, ref.span.start):
                    continue
                declared = self.names.arguments.get(ref.name)
                if declared is None and self.facts.may_have(ref.name):
                    self.pending.append(Pending(name=ref.name, stage=self.index, span=ref.span))
                else:
                    self.names.undefined(ref, tuple(self.facts.values), only_arguments=False)

    def read(self, word: ast.Word, parser: Callable[[str], T]) -> T | None:
        """A value as its parser reads it; None when it is not known here, or refused (and reported)."""
        text = self.value(word)
        if text is None:
            return None
        try:
            return parser(text)
        except ValueProblem as error:
            self.problem(error, word.span)
            return None

    def problem(self, error: ValueProblem, span: Span) -> None:
        """Report a refused value."""
        self.report.add(error.code, error.message, span, error.help, cause=error.cause)

    def origin(self, name: str, flag: str) -> int | None:
        """The stage of a name, noted as needed; None for a context, noted as used.

        Raises:
            ValueProblem: it is neither.

        """
        stage = self.stages.earlier(name)
        if stage is not None:
            self.needs.add(stage)
            return stage
        where = self.stages.later(name)
        if where == "itself":
            help = "a stage's own files are there already: RUN or SH can copy them"
            raise ValueProblem("E0316", f"stage `{name}` copies from itself", help, cause=name)
        if where is not None:
            help = "move that stage up, above this one"
            raise ValueProblem("E0316", f"stage `{name}` comes {where}", help, cause=name)
        known = sorted(self.names.contexts.names() - {""})
        if name not in known:
            if self.names.lost_stage(name):
                return None
            raise unknown_origin(name, self.stages.listed(), tuple(known), flag)
        self.contexts.add(name)
        return None
