"""One stage while it is checked: what its names mean at the statement at hand, and what it reads from.

Invariant: looking a value up never reports; `notice` reports every name of a statement exactly once.
"""

from collections.abc import Callable, Iterable, Mapping

from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.program import Contexts, Pending
from metalor_lang.checker.report import Report
from metalor_lang.checker.resolver import StageNames, unknown_origin
from metalor_lang.checker.scope import Known, StageFacts, expand, words_of
from metalor_lang.diagnostics.model import Label
from metalor_lang.diagnostics.suggest import nearest
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
        places: where the statements of a recipe with blocks come from, and what is seen in them.
        elsewhere: ARGs in branches that are not built.

    """

    source: SourceFile
    report: Report
    arguments: Mapping[str, Known]
    contexts: Contexts
    broken: frozenset[str] = frozenset()
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

    def hidden(self, name: str, offset: int) -> tuple[str, str] | None:
        """Message and help for an ARG that a group of another file does not see."""
        if self.places is None or name not in self.arguments or not self.places.scope(offset).sealed:
            return None
        message = f"`{name}` is an ARG of the recipe, and a group of another file sees its parameters only"
        return message, f"give the group a parameter for it: USE … {name}=${{{name}}}"

    def undefined(self, ref: ast.Ref, known: tuple[str, ...], *, only_arguments: bool) -> None:
        """Report a `${NAME}` that means nothing."""
        name = ref.name
        if name in self.broken:
            return
        later = self.arguments.get(name)
        labels: tuple[Label, ...] = ()
        near = nearest(name, (*self._seen(ref.span.start), *known))
        hidden = self.hidden(name, ref.span.start)
        if hidden is not None:
            message, help = hidden
        elif later is not None and later.span is not None:
            line = self.line(later.span.start)
            message = f"`{name}` is declared only in line {line}, below its use"
            labels = (Label(span=later.span, text="declared here"),)
            help = "move the ARG up: it is visible from its line on"
        elif name in self.elsewhere:
            message = f"`{name}` is not declared in this build"
            labels = (Label(span=self.elsewhere[name], text="declared here, in a branch that is not built"),)
            help = "declare it above the IF"
        elif name == "HOME":
            message = "`HOME` is known only while a step runs"
            help = 'use it in shell text, such as SH echo "$HOME", or write the path'
        elif near is not None:
            message, help = f"`{name}` is not defined", f"did you mean ${{{near}}}?"
        elif only_arguments:
            message = f"`{name}` is not defined"
            help = f"here only ARGs are seen; declare it above: ARG {name}"
        else:
            message, help = f"`{name}` is not defined", f"declare it above: ARG {name}, or ENV {name}=value"
        self.report.add("E0301", message, ref.span, help, labels=labels, cause=name)

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
        self.report.add(error.code, error.message, span, error.help)

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
            raise ValueProblem("E0316", f"stage `{name}` copies from itself", help)
        if where is not None:
            raise ValueProblem("E0316", f"stage `{name}` comes {where}", "move that stage up, above this one")
        known = sorted(self.names.contexts.names() - {""})
        if name not in known:
            if name in self.names.broken:
                return None
            raise unknown_origin(name, self.stages.listed(), tuple(known), flag)
        self.contexts.add(name)
        return None
