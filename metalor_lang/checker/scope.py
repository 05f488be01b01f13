"""Names: arguments of the build, the environment of a stage as far as it is known, and where they are named.

Invariant: an ARG is visible from its line to the end of the file; an ENV belongs to its stage;
a value that only a base can settle is None here, never guessed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from metalor_lang.checker.program import Platform
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass, field
from metalor_lang.source import Span
from metalor_lang.syntax import ast

ALWAYS: Final = (
    "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "BUILDPLATFORM", "BUILDOS", "BUILDARCH",
    "SOURCE_DATE_EPOCH",
)  # fmt: skip
"""Names that are defined everywhere; they count as arguments."""

EPOCH: Final = "SOURCE_DATE_EPOCH"

_PROXIES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
PROXIES: Final = frozenset((*_PROXIES, *(name.upper() for name in _PROXIES)))
"""Arguments that need no ARG; they enter no key, history or image."""

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH where neither base nor recipe sets one."""

RESERVED_ARGS: Final = ("PATH", "HOME")

_SECRET = pattern(r".*(?:TOKEN|PASSWORD|PASSWD|SECRET|PRIVATE_KEY|API_KEY|ACCESS_KEY)", re.IGNORECASE)


def looks_secret(name: str) -> bool:
    """Whether a name ends as the names of secrets do, in any case."""
    return _SECRET.fullmatch(name) is not None


def always_defined(target: Platform, build: Platform, epoch: int | None) -> dict[str, str]:
    """The values of the always-defined names; SOURCE_DATE_EPOCH is "" where each stage has its own."""
    return {
        "TARGETPLATFORM": str(target), "TARGETOS": target.os, "TARGETARCH": target.arch,
        "TARGETVARIANT": target.variant, "BUILDPLATFORM": str(build), "BUILDOS": build.os, "BUILDARCH": build.arch,
        EPOCH: "" if epoch is None else str(epoch),
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An argument: its value (None where it cannot be known), and its ARG (None for always-defined names)."""

    name: str
    value: str | None
    public: bool = True
    span: Span | None = None

    def visible(self, offset: int) -> bool:
        """Whether it is declared before an offset."""
        return self.span is None or self.span.start < offset


@dataclass(slots=True)
class StageFacts:
    """What is known of a stage's image at one point.

    Args:
        open: the base may hold more than is known here.
        values: ENV by name; None where the value waits for the base.
        present: what is set, as (kind of UNSET, name).
        gone: what is certainly not set.
        shipped: ENV that `ENV NAME=${NAME}` set.
        unsure: kinds of which something is set that was refused, or that only the base can tell.

    """

    open: bool
    values: dict[str, str | None] = field(default_factory=dict)
    present: set[tuple[ast.UnsetKind, str]] = field(default_factory=set)
    gone: set[tuple[ast.UnsetKind, str]] = field(default_factory=set)
    shipped: set[str] = field(default_factory=set)
    unsure: set[ast.UnsetKind] = field(default_factory=set)

    def copy(self) -> "StageFacts":
        """An independent copy, for a stage on this one."""
        return StageFacts(
            open=self.open, values=dict(self.values), present=set(self.present), gone=set(self.gone),
            shipped=set(self.shipped), unsure=set(self.unsure),
        )  # fmt: skip

    def set(self, kind: ast.UnsetKind, name: str = "") -> None:
        """Note that a statement sets it."""
        self.present.add((kind, name))
        self.gone.discard((kind, name))

    def take_away(self, kind: ast.UnsetKind, name: str = "") -> bool | None:
        """Note that it is gone; True if it was set, False if not, None where only the base knows."""
        key = (kind, name)
        known = key in self.gone or not (self.open or kind in self.unsure)
        was: bool | None = True if key in self.present else False if known else None
        self.present.discard(key)
        self.gone.add(key)
        if kind is ast.UnsetKind.ENV:
            self.values.pop(name, None)
        return was

    def may_have(self, name: str) -> bool:
        """Whether the base may set an environment variable that is not known here."""
        return self.open and (ast.UnsetKind.ENV, name) not in self.gone


def expand(parts: Sequence[ast.Part], value_of: Callable[[ast.Ref], str | None]) -> str | None:
    """The text of parts with every `${NAME}` replaced once; None when a value is not known.

    Every name is looked up, also after an unknown one, so that each is noticed.
    """
    if len(parts) == 1 and isinstance(only := parts[0], ast.Text):
        return only.value
    texts = [part.value if isinstance(part, ast.Text) else value_of(part) for part in parts]
    known = [text for text in texts if text is not None]
    return "".join(known) if len(known) == len(texts) else None


@lru_cache(maxsize=1024)
def _named(name: str) -> re.Pattern[str]:
    return re.compile(r"\$(?:\{[#!]?)?" + name + r"(?![A-Za-z0-9_])")


def named_in_shell(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that a shell text names as `$NAME` or `${NAME…}`, in the order given; by plain text match."""
    return tuple(name for name in names if name in text and _named(name).search(text) is not None)


def words_of(node: ast.Statement) -> Iterator[tuple[ast.Part, ...]]:
    """The parts of every value of a statement that expands, flags first; shell text is not among them."""
    for flag in _flags(node):
        if flag.value is not None:
            yield flag.value.parts
    for word in _words(node):
        yield word.parts
    if isinstance(node, ast.File):
        yield node.block.parts


def _flags(node: ast.Statement) -> tuple[ast.Flag, ...]:
    return node.step.flags + node.flags if isinstance(node, ast.Test) else node.flags


def _words(node: ast.Statement) -> tuple[ast.Word, ...]:
    match node:
        case ast.Arg(default=default):
            return () if default is None else (default,)
        case ast.From(base=base):
            return (base,)
        case ast.Env(pairs=pairs) | ast.Label(pairs=pairs) | ast.Annotate(pairs=pairs):
            return tuple(pair.value for pair in pairs)
        case ast.Unset(name=name):
            return () if name is None else (name,)
        case ast.Workdir(path=path):
            return (path,)
        case ast.User(user=user):
            return (user,)
        case ast.Expose(ports=ports):
            return ports
        case ast.Volume(paths=paths):
            return paths
        case ast.StopSignal(signal=signal):
            return (signal,)
        case ast.Shell(argv=argv) | ast.Entrypoint(argv=argv) | ast.Cmd(argv=argv) | ast.Run(argv=argv):
            return argv.items
        case ast.Copy(sources=sources, destination=destination):
            return (*sources, destination)
        case ast.File(destination=destination):
            return (destination,)
        case ast.Fetch(url=url, destination=destination) | ast.Git(url=url, destination=destination):
            return (url, destination)
        case ast.Test(step=step):
            return _words(step)
        case ast.Layer(name=name):
            return (name,)
        case ast.If(condition=condition) | ast.Else(condition=condition):
            return () if condition is None else (condition.value, *condition.others)
        case ast.For(values=values):
            return values
        case ast.Define(parameters=parameters):
            return tuple(each.default for each in parameters if each.default is not None)
        case ast.Use(pairs=pairs):
            return tuple(pair.value for pair in pairs)
        case ast.Import(path=path):
            return (path,)
        case ast.Sh() | ast.RecipeVersion() | ast.End():
            return ()


def ships_argument(pair: ast.Pair) -> bool:
    """Whether a pair is `NAME=${NAME}`: the one way for ENV to share a name with an ARG."""
    parts = pair.value.parts
    return len(parts) == 1 and isinstance(parts[0], ast.Ref) and parts[0].name == pair.key


def visible(arguments: Mapping[str, Known], offset: int) -> dict[str, Known]:
    """The arguments declared before an offset."""
    return {name: each for name, each in arguments.items() if each.visible(offset)}


GLOB: Final = pattern(r"[*?\[]")


def glob_source(word: ast.Word, value_of: Callable[[ast.Ref], str | None]) -> tuple[str | None, bool]:
    """A source of COPY after expansion, and whether it is a glob; characters out of `${}` never glob."""
    literal = (part.value for part in word.parts if isinstance(part, ast.Text))
    if word.form is not ast.Form.BARE or not any(GLOB.search(text) for text in literal):
        return expand(word.parts, value_of), False

    def escaped(ref: ast.Ref) -> str | None:
        value = value_of(ref)
        return None if value is None else re.sub(r"([*?\[\\])", r"\\\1", value)

    return expand(word.parts, escaped), True
