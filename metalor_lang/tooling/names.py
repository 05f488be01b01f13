"""Who is who: every place where a recipe declares or names an argument, a variable, a stage or a group, by the
checker's rules.

Invariant: a place belongs to the name that the checker would look up there; what it takes for an error belongs to the
declaration that was perhaps meant, or to nobody.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

from metalor_lang.checker.program import Base, Platform
from metalor_lang.checker.scope import expand
from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast


class NameKind(StrEnum):
    """What a name is of."""

    ARGUMENT = "argument"
    VARIABLE = "variable"
    STAGE = "stage"
    CONTEXT = "context"
    LOOP = "loop variable"
    PARAMETER = "parameter"
    GROUP = "group"
    SPACE = "space"


class Origin(StrEnum):
    """Who declares a name."""

    RECIPE = "recipe"
    ALWAYS = "always"
    BASE = "base"
    SETTINGS = "settings"


class How(StrEnum):
    """What a place does with a name. SHELL: shell text names it, which is a match of text and no look-up."""

    DECLARES = "declares"
    READS = "reads"
    TAKES_AWAY = "takes away"
    SHELL = "shell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A name and who declares it; `number` tells two of the same name apart."""

    number: int
    kind: NameKind
    name: str
    origin: Origin = Origin.RECIPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A place of a name.

    Args:
        span: of the name alone.
        symbol: whose place it is.
        how: what it does.
        value: of an argument or variable there (of a declaration: what it sets), None where it is not known.
        exact: whether the name is written there; false where an expansion gives it.
        statement: the span of the statement.

    """

    span: Span
    symbol: Symbol
    how: How
    value: str | None = None
    exact: bool = True
    statement: Span = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """A stage: where it is, what it stands on, and which stage is at the bottom of it."""

    index: int
    node: ast.From
    base: Base | None
    platform: Platform
    root: int
    end: int

    @property
    def title(self) -> str:
        """The name, or "stage N" (1-based) for an unnamed one."""
        return self.node.stage or f"stage {self.index + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of a recipe.

    Args:
        uses: every place, in order.
        values: of `${NAME}` by where it starts, those that are known.
        stages: in order.
        conditions: of every IF and ELSE IF, in order.
        groups: each DEFINE with the span of its body's lines, by name.

    """

    source: SourceFile
    uses: tuple[Use, ...]
    values: Mapping[int, str]
    stages: tuple[StageView, ...]
    conditions: tuple[ast.Condition, ...] = ()
    groups: Mapping[str, tuple[ast.Define, Span]] = field(default_factory=dict)

    def at(self, offset: int) -> Use | None:
        """The place of a name that an offset is in, or at the end of."""
        behind = bisect_right(self.uses, offset, key=lambda use: use.span.start)
        for use in reversed(self.uses[max(0, behind - 4) : behind]):
            if use.span.start <= offset <= use.span.end:
                return use
        return None

    def of(self, symbol: Symbol) -> tuple[Use, ...]:
        """The places of a name, in order."""
        return tuple(use for use in self.uses if use.symbol.number == symbol.number)

    def declarations(self, symbol: Symbol) -> tuple[Use, ...]:
        """Where a name is declared."""
        return tuple(use for use in self.of(symbol) if use.how is How.DECLARES)

    def text(self, word: ast.Word) -> str | None:
        """A word with its names expanded; None where one is not known."""
        return expand(word.parts, lambda ref: self.values.get(ref.span.start))

    def stage_at(self, offset: int) -> StageView | None:
        """The stage that an offset is in."""
        at = bisect_right(self.stages, offset, key=lambda stage: stage.node.span.start)
        return self.stages[at - 1] if at else None


Environment = Callable[[Base | None, Platform], Mapping[str, str]]
"""The environment of a base that is no stage, as far as it is known."""


def nothing_known(base: Base | None, platform: Platform) -> Mapping[str, str]:
    """The environment of a base of which nothing is known."""
    return {}


def refs(parts: tuple[ast.Part, ...]) -> Iterator[ast.Ref]:
    """The expansions among parts."""
    return (part for part in parts if isinstance(part, ast.Ref))


def name_span(ref: ast.Ref) -> Span:
    """Where the name of `${NAME}` stands."""
    return Span(ref.span.start + 2, ref.span.end - 1)


def literal_span(source: SourceFile, word: ast.Word) -> Span | None:
    """Where the text of a word stands as it is; None where it is expanded or written with escapes."""
    text = word.literal
    if text is None:
        return None
    start = word.span.start + (0 if word.form is ast.Form.BARE else 1)
    span = Span(start, start + len(text))
    return span if source.slice(span) == text else None
