"""What statements are made of: words, arrays, pairs, flags, texts, and the base of their nodes.

Invariant: as in `ast`, which gives all of it under its own name.
"""

from enum import StrEnum

from metalor_lang.hints import ClassVar
from metalor_lang.record import dataclass, field
from metalor_lang.source import Span


def place() -> Span:
    """The field of a span: it takes no part in equality."""
    return field(compare=False, repr=False)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Literal text, escapes already decoded."""

    value: str
    span: Span = place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """`${NAME}`; the span covers the whole expansion."""

    name: str
    span: Span = place()


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
    span: Span = place()

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
    span: Span = place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`key=value`."""

    key: str
    value: Word
    key_span: Span = place()
    span: Span = place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """`--name` or `--name=value`; `name` without the dashes."""

    name: str
    value: Word | None
    name_span: Span = place()
    span: Span = place()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellText:
    """The text of `SH` as the shell sees it: continuations joined, a block's indentation removed."""

    text: str
    block: bool = field(compare=False)
    span: Span = place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The content of a `FILE` fence; ``raw`` for three single quotes. Every line ends in LF."""

    parts: tuple[Part, ...]
    raw: bool
    span: Span = place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of the statements."""

    word: ClassVar[str]
    span: Span = place()
    word_span: Span = place()
    flags: tuple[Flag, ...] = ()
    expands: bool = field(default=True, compare=False, repr=False)
    """False when no name is expanded anywhere in it, so that nobody needs to look."""

    def flag(self, name: str) -> Flag | None:
        """The (first) flag of a name."""
        return next((flag for flag in self.flags if flag.name == name), None)

    def all_flags(self, name: str) -> tuple[Flag, ...]:
        """Every flag of a name, in order."""
        return tuple(flag for flag in self.flags if flag.name == name)
