"""The typed tree of a recipe.

Invariant: nodes are immutable and compare by meaning: spans take no part in equality.
"""

from enum import StrEnum

from metalor_lang.hints import ClassVar
from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile, Span


def _span() -> Span:
    return field(compare=False, repr=False)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Literal text, escapes already decoded."""

    value: str
    span: Span = _span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """`${NAME}`; the span covers the whole expansion."""

    name: str
    span: Span = _span()


Part = Text | Ref


class Form(StrEnum):
    """How a value was written: only bare words may glob."""

    BARE = "bare"
    DOUBLE = "double"
    SINGLE = "single"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One value: a bare, double-quoted or single-quoted word. An empty value has no parts."""

    parts: tuple[Part, ...]
    form: Form = field(default=Form.BARE, compare=False)
    span: Span = _span()

    @property
    def literal(self) -> str | None:
        """The text when nothing is expanded in it, else None."""
        if any(isinstance(part, Ref) for part in self.parts):
            return None
        return "".join(part.value for part in self.parts if isinstance(part, Text))

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The expansions in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, Ref))


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """An exec array: never empty."""

    items: tuple[Word, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`key=value`."""

    key: str
    value: Word
    key_span: Span = _span()
    span: Span = _span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """`--name` or `--name=value`; `name` without the dashes."""

    name: str
    value: Word | None
    name_span: Span = _span()
    span: Span = _span()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellText:
    """The text of `SH` as the shell sees it: continuations joined, a block's indentation removed."""

    text: str
    block: bool = field(compare=False)
    span: Span = _span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The content of a `FILE` fence; ``raw`` for three single quotes. Every line ends in LF."""

    parts: tuple[Part, ...]
    raw: bool
    span: Span = _span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of the statements."""

    word: ClassVar[str]
    span: Span = _span()
    word_span: Span = _span()
    flags: tuple[Flag, ...] = ()
    expands: bool = field(default=True, compare=False, repr=False)
    """False when no name is expanded anywhere in it, so that nobody needs to look."""

    def flag(self, name: str) -> Flag | None:
        """The (first) flag of a name."""
        return next((flag for flag in self.flags if flag.name == name), None)

    def all_flags(self, name: str) -> tuple[Flag, ...]:
        """Every flag of a name, in order."""
        return tuple(flag for flag in self.flags if flag.name == name)


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


Statement = (
    RecipeVersion | Arg | From | Env | Label | Annotate | Unset | Workdir | User | Expose | Volume
    | StopSignal
    | Shell | Entrypoint | Cmd | Run | Sh | Copy | File | Fetch | Git | Test | Layer
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole file: the statements that parsed, in order."""

    statements: tuple[Statement, ...]
    source: SourceFile = field(compare=False, repr=False)
