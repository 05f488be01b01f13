"""What a conversion gives and what it asks.

Invariant: every instruction of a Dockerfile has exactly one `LineReport`; a refused one is never left out in silence:
its place in the recipe holds a comment.
"""

from enum import StrEnum

from metalor_lang.hints import Protocol
from metalor_lang.record import dataclass


class Verdict(StrEnum):
    """What became of an instruction."""

    EXACT = "exact"
    NOTE = "note"
    """Carried over, and there is something to know."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReport:
    """What became of one instruction or parser directive.

    Args:
        first: the first line of it in the Dockerfile, 1-based.
        last: its last line, heredocs included.
        word: the instruction in upper case ("RUN"), or "#syntax" and the like for a directive.
        verdict: exact, note or refused.
        notes: sentences for a person: what differs, why it is refused, what to write by hand. Empty when exact.
        recipe_first: the first of its lines in the recipe, 1-based; 0 when nothing in the recipe stands for it.
        recipe_last: the last one.

    """

    first: int
    last: int
    word: str
    verdict: Verdict
    notes: tuple[str, ...] = ()
    recipe_first: int = 0
    recipe_last: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A converted Dockerfile.

    Args:
        recipe: the text of the recipe, also when something was refused.
        lines: a report for each instruction, in the order of the Dockerfile.
        remarks: what is to be known about the whole, not about one line.
        files: other files to write into the context's root, name → text (".metalorignore").

    """

    recipe: str
    lines: tuple[LineReport, ...]
    remarks: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was refused."""
        return all(line.verdict is not Verdict.REFUSED for line in self.lines)


class Kind(StrEnum):
    """What a path of the context is."""

    FILE = "file"
    DIRECTORY = "directory"
    ARCHIVE = "archive"
    """A file that ADD unpacks: a tar archive, packed or not, told by its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFacts:
    """What is known of a base image's configuration.

    Args:
        env: its environment.
        user: USER, "" when there is none.
        workdir: WORKDIR, "" when there is none.
        shell: SHELL (Docker's own field), empty when there is none.
        entrypoint: whether it has one.
        cmd: whether it has one.
        onbuild: its ONBUILD triggers, as written.

    """

    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""
    shell: tuple[str, ...] = ()
    entrypoint: bool = False
    cmd: bool = False
    onbuild: tuple[str, ...] = ()


class World(Protocol):
    """What a conversion may ask about the outside."""

    def kind(self, path: str) -> Kind | None:
        """What a path of the context is (relative, `/` between its parts, "." for the root); None when absent."""
        ...

    def glob(self, pattern: str) -> tuple[str, ...]:
        """The visible paths of the context that match a pattern of Go's `filepath.Match`, sorted."""
        ...

    def modes(self, path: str) -> frozenset[int]:
        """The modes at or below a path of the context that a recipe does not keep: neither 644 nor 755, links aside."""
        ...

    def ignore(self) -> str | None:
        """The text of the `.dockerignore` that holds for this Dockerfile; None when there is none."""
        ...

    def base(self, reference: str) -> BaseFacts | None:
        """What is known here, without any network, of a base; None when nothing is known."""
        ...
