"""A diagnostic is data: what is wrong, where, and one right example.

Invariant: `code` is a key of `diagnostics.codes.CODES`; spans lie in the source the diagnostic was made for, but those
of labels that name another one.
"""

from enum import StrEnum

from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span


class Severity(StrEnum):
    """There is no warning tier; a note never stands alone."""

    ERROR = "error"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A secondary place: "first declared here".

    Args:
        span: where, in `source`.
        text: what is there.
        source: the file, where it is another one than the diagnostic's.

    """

    span: Span
    text: str
    source: SourceFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace the text under `span`; safe to apply without asking when `safe`."""

    span: Span
    text: str
    safe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One error in one recipe.

    Args:
        code: stable code, such as "E0101"; `metalor explain` knows it.
        message: one sentence in the user's words, without a final full stop.
        span: the primary place.
        help: one right example or the next thing to do ("" when the message says it all).

    """

    code: str
    message: str
    span: Span
    severity: Severity = Severity.ERROR
    labels: tuple[Label, ...] = ()
    help: str = ""
    edits: tuple[Edit, ...] = ()
