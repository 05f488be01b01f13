"""The typed tree of a recipe.

Invariant: nodes are immutable and compare by meaning: spans take no part in equality.
"""

from enum import StrEnum

from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax.values import Array as Array
from metalor_lang.syntax.values import Block as Block
from metalor_lang.syntax.values import Flag as Flag
from metalor_lang.syntax.values import Form as Form
from metalor_lang.syntax.values import Node as Node
from metalor_lang.syntax.values import Pair as Pair
from metalor_lang.syntax.values import Part as Part
from metalor_lang.syntax.values import Ref as Ref
from metalor_lang.syntax.values import ShellText as ShellText
from metalor_lang.syntax.values import Text as Text
from metalor_lang.syntax.values import Word as Word
from metalor_lang.syntax.values import place as _span


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeVersion(Node):
    """`RECIPE 1`."""

    word = "RECIPE"
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Node):
    """`ARG [--public] NAME[=default]`."""

    word = "ARG"
    name: str
    name_span: Span = _span()
    default: Word | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Node):
    """`FROM [--platform=…] BASE [AS stage]`."""

    word = "FROM"
    base: Word
    stage: str | None = None
    stage_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Node):
    """`ENV key=value …`."""

    word = "ENV"
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Node):
    """`LABEL key=value …`."""

    word = "LABEL"
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate(Node):
    """`ANNOTATE key=value …`."""

    word = "ANNOTATE"
    pairs: tuple[Pair, ...]


class UnsetKind(StrEnum):
    """What `UNSET` can take away."""

    ENV = "ENV"
    LABEL = "LABEL"
    VOLUME = "VOLUME"
    EXPOSE = "EXPOSE"
    CMD = "CMD"
    ENTRYPOINT = "ENTRYPOINT"
    USER = "USER"
    WORKDIR = "WORKDIR"
    STOPSIGNAL = "STOPSIGNAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unset(Node):
    """`UNSET ENV NAME`, `UNSET CMD` …; `name` is None for the kinds that take none."""

    word = "UNSET"
    kind: UnsetKind
    name: Word | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Node):
    """`WORKDIR /path`."""

    word = "WORKDIR"
    path: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Node):
    """`USER name[:group]`."""

    word = "USER"
    user: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Node):
    """`EXPOSE port[/proto] …`."""

    word = "EXPOSE"
    ports: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Node):
    """`VOLUME path …`."""

    word = "VOLUME"
    paths: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Node):
    """`STOPSIGNAL signal`."""

    word = "STOPSIGNAL"
    signal: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Node):
    """`SHELL ["/bin/sh", "-c"]`."""

    word = "SHELL"
    argv: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Node):
    """`ENTRYPOINT [...]`."""

    word = "ENTRYPOINT"
    argv: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Node):
    """`CMD [...]`."""

    word = "CMD"
    argv: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Node):
    """`RUN [flags] [...]`."""

    word = "RUN"
    argv: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Sh(Node):
    """`SH [flags] text` or a block."""

    word = "SH"
    text: ShellText


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Node):
    """`COPY [flags] source… destination`."""

    word = "COPY"
    sources: tuple[Word, ...]
    destination: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Node):
    """`FILE [flags] destination` and a block."""

    word = "FILE"
    destination: Word
    block: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch(Node):
    """`FETCH --sha256=… url destination`."""

    word = "FETCH"
    url: Word
    destination: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Git(Node):
    """`GIT --commit=… url destination`."""

    word = "GIT"
    url: Word
    destination: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Test(Node):
    """`TEST RUN …` or `TEST SH …`; the flags stand on `step`."""

    word = "TEST"
    step: Run | Sh


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer(Node):
    """`LAYER "name"`."""

    word = "LAYER"
    name: Word


class Comparison(StrEnum):
    """How the value of an `IF` is held against others."""

    EQUAL = "=="
    UNEQUAL = "!="
    IN = "IN"
    NOT_IN = "NOT IN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`value == other`, `value IN one two …`; texts are compared character by character."""

    value: Word
    comparison: Comparison
    others: tuple[Word, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True, kw_only=True)
class If(Node):
    """`IF condition`: the line that opens a block."""

    word = "IF"
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Else(Node):
    """`ELSE IF condition`, or `ELSE` (then there is no condition)."""

    word = "ELSE"
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Node):
    """`END`: closes the innermost block."""

    word = "END"


@dataclass(frozen=True, slots=True, kw_only=True)
class For(Node):
    """`FOR [--split] NAME IN value …`: the line that opens a block."""

    word = "FOR"
    name: str
    name_span: Span = _span()
    values: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a group, with its default."""

    name: str
    default: Word | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Define(Node):
    """`DEFINE name PARAMETER[=default] …`: the line that opens the body of a group."""

    word = "DEFINE"
    name: str
    name_span: Span = _span()
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Node):
    """`USE [space.]name PARAMETER=value …`; `space` is that of an import, "" for this file's."""

    word = "USE"
    space: str
    name: str
    name_span: Span = _span()
    pairs: tuple[Pair, ...] = ()

    @property
    def title(self) -> str:
        """The name as it is written."""
        return f"{self.space}.{self.name}" if self.space else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Import(Node):
    """`IMPORT path AS space`."""

    word = "IMPORT"
    path: Word
    space: str
    space_span: Span = _span()


BlockLine = If | Else | End | For | Define | Use | Import
"""Statements that say which others are built, and how often."""

Statement = (
    RecipeVersion | Arg | From | Env | Label | Annotate | Unset | Workdir | User | Expose | Volume
    | StopSignal
    | Shell | Entrypoint | Cmd | Run | Sh | Copy | File | Fetch | Git | Test | Layer
    | If | Else | End | For | Define | Use | Import
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole file: the statements that parsed, in order."""

    statements: tuple[Statement, ...]
    source: SourceFile = field(compare=False, repr=False)
