"""What goes wrong in a session: where it is shown, and what is left of it.

Invariant: an error lies in what was typed, when all that it points to was typed; else in the whole recipe.
"""

from collections.abc import Sequence

from metalor_lang.build.lookup import Chain
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import MetalorError, machine_error
from metalor_lang.record import dataclass, replace
from metalor_lang.repl.outcome import WRONG, Mistake, Result
from metalor_lang.repl.timeline import Line
from metalor_lang.source import SourceFile, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Stumble:
    """The last statement that failed while it ran.

    Args:
        text: as typed.
        line: what it stood on.
        chain: the files as it left them, None when it was no command.

    """

    text: str
    line: Line
    chain: Chain | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Where a build failed.

    Args:
        offset: of the statement in the recipe's text.
        chain: the files as it left them, None when it was no command.

    """

    offset: int
    chain: Chain | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A text as it was typed, for errors in it: where the statement at hand begins."""

    source: SourceFile
    start: int


def mistake(error: MetalorError | OSError) -> Mistake:
    """An error of the machine or of a command; an OSError that only a bug explains is raised again."""
    if isinstance(error, OSError):
        shown = machine_error(error)
        if shown is None:
            raise error
        error = shown
    return Mistake(message=error.message, help=error.help, exit=error.exit)


def went_wrong(results: Sequence[Result]) -> bool:
    """Whether the last result says that nothing more is to be done."""
    return bool(results) and isinstance(results[-1], WRONG)


def placed(
    diagnostics: tuple[Diagnostic, ...], source: SourceFile, start: int, typed: Typed | None
) -> tuple[tuple[Diagnostic, ...], SourceFile]:
    """Diagnostics in what was typed, when all that they point to lies there."""
    if typed is None:
        return diagnostics, source

    own = [label.span for each in diagnostics for label in each.labels if label.source is None]
    spans = [*(each.span for each in diagnostics), *own]
    if any(span.start < start for span in spans):
        return diagnostics, source
    return tuple(moved(each, typed.start - start) for each in diagnostics), typed.source


def moved(diagnostic: Diagnostic, by: int) -> Diagnostic:
    """A diagnostic in a text in which everything stands further on; edits that would stand before it are left out."""

    def move(span: Span) -> Span:
        return Span(max(span.start + by, 0), max(span.end + by, 0))

    return replace(
        diagnostic,
        span=move(diagnostic.span),
        labels=tuple(
            label if label.source is not None else replace(label, span=move(label.span)) for label in diagnostic.labels
        ),
        edits=tuple(replace(edit, span=move(edit.span)) for edit in diagnostic.edits if edit.span.start + by >= 0),
    )
