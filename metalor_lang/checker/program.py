"""A checked recipe: the tree, and what its names mean.

Invariant: a Program exists only for a recipe without errors;
`pending` holds what only the base's environment can settle.
"""

from collections.abc import Mapping
from enum import StrEnum

from metalor_lang.hints import TYPE_CHECKING, Protocol
from metalor_lang.record import dataclass, field
from metalor_lang.source import Span
from metalor_lang.syntax.ast import From, Recipe, Statement

if TYPE_CHECKING:
    from metalor_lang.checker.places import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """An OCI platform: `linux/arm64/v8`."""

    os: str
    arch: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.arch, self.variant) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchBase:
    """`FROM scratch`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBase:
    """`FROM` an earlier stage, by index."""

    stage: int


class Transport(StrEnum):
    """Where an image base comes from."""

    REGISTRY = "docker"
    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBase:
    """An image: a registry reference, or a path relative to the recipe with its tag split off ("" if none)."""

    transport: Transport
    location: str
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootfsBase:
    """`rootfs:DIR-or-TAR`, relative to the recipe."""

    path: str


Base = ScratchBase | StageBase | ImageBase | RootfsBase


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An ARG of the recipe with its value, or an always-defined name."""

    name: str
    value: str
    public: bool
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: its FROM and the statements after it (ARGs left out), and the stages it reads from."""

    index: int
    name: str | None
    node: From
    base: Base
    platform: Platform | None
    statements: tuple[Statement, ...]
    needs: tuple[int, ...]

    @property
    def title(self) -> str:
        """The name, or "stage N" (1-based) for an unnamed one."""
        return self.name or f"stage {self.index + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A `${NAME}` that only the environment of a base image can settle."""

    name: str
    stage: int
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A file that the recipe imports, directly or by way of others.

    Args:
        path: relative to the recipe's folder, normalised.
        sha256: of its content, in hexadecimal digits.

    """

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A checked recipe.

    The statements of its stages are those that are built, in order; where the recipe has FOR or USE, `places` says
    where they come from and what their names mean.
    """

    recipe: Recipe
    arguments: Mapping[str, Argument]
    stages: tuple[Stage, ...]
    target: int
    needed: frozenset[int]
    platform: Platform
    contexts: tuple[str, ...] = ()
    """Names of the contexts that COPY and --bind read ("" is the default one)."""
    pending: tuple[Pending, ...] = ()
    proxies: tuple[tuple[str, str], ...] = ()
    """Proxies given as arguments without an ARG: they reach RUN and SH, and nothing else."""
    places: "Places | None" = field(default=None, compare=False, repr=False)
    imports: tuple[Imported, ...] = ()
    """The imported files, by path."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """Titles of the stages that the target does not need, in order."""
        return tuple(stage.title for stage in self.stages if stage.index not in self.needed)


class SourceProblem(StrEnum):
    """Why a COPY source matches nothing."""

    ABSENT = "absent"
    IGNORED = "ignored"
    OUTSIDE = "outside"
    EMPTY_GLOB = "empty-glob"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMiss:
    """A source that matches nothing.

    Args:
        problem: which of the reasons.
        detail: it in words ("ignored by line 3 of .metalorignore").
        nearest: a name that is there and may be meant.
        remedy: what makes the file, where that is known.

    """

    problem: SourceProblem
    detail: str
    nearest: str = ""
    remedy: str = ""


class Contexts(Protocol):
    """What the checker may ask about contexts; the builder and the CLI implement it over real folders."""

    def names(self) -> frozenset[str]:
        """The names of the contexts given besides the default one."""
        ...

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        """None when the source (a path or a glob, relative) matches something visible.

        Raises:
            MetalorError: the context cannot be read, or must not be (a `.dockerignore` alone).

        """
        ...

    def exists(self, path: str) -> bool:
        """Whether a local path, relative to the recipe, exists (bases)."""
        ...

    def recipe(self, path: str) -> bytes:
        """The content of a recipe that is imported; the path is relative to the importing recipe's folder.

        Raises:
            MetalorError: it cannot be read: absent, no ordinary file, too large.

        """
        ...
