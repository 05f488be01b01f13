"""Collects the errors of one recipe while it is checked.

Invariant: an error stands once at its place; the result is sorted by place.
"""

from metalor_lang.diagnostics.model import Diagnostic, Edit, Label
from metalor_lang.record import dataclass, field, replace
from metalor_lang.source import Span

_Key = tuple[str, str, int, int]


@dataclass(slots=True)
class Report:
    """Errors found so far."""

    _found: dict[_Key, Diagnostic] = field(default_factory=dict)
    _causes: dict[tuple[str, str], _Key] = field(default_factory=dict)

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        help: str = "",
        *,
        labels: tuple[Label, ...] = (),
        edits: tuple[Edit, ...] = (),
        cause: str = "",
    ) -> None:
        """Add an error, unless it already stands at this place.

        The arguments are those of `Diagnostic`; errors of one code with the same `cause` become one, with a label on
        each further place.

        """
        key = (code, message, span.start, span.end)
        if key in self._found:
            return
        if cause:
            first = self._causes.setdefault((code, cause), key)
            if first != key:
                found = self._found[first]
                also = Label(span=span, text="also here")
                self._found[first] = replace(found, labels=(*found.labels, also))
                return
        self._found[key] = Diagnostic(code=code, message=message, span=span, help=help, labels=labels, edits=edits)

    def __bool__(self) -> bool:
        return bool(self._found)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """The errors in the order of their places."""
        return tuple(sorted(self._found.values(), key=lambda each: (each.span.start, each.span.end, each.code)))
