"""Moves trees and diagnostics to another place of a text: the same, with every span further on.

Invariant: `moved(x, n)` is what reading the same text n characters further on would have given.
"""

from collections.abc import Callable
from enum import StrEnum

from metalor_lang.diagnostics.model import Label
from metalor_lang.hints import Any, Final, Protocol, TypeVar
from metalor_lang.record import fields
from metalor_lang.source import Span

T = TypeVar("T")
_Mover = Callable[[Any, Any], Any]


class Adds(Protocol):
    """What an offset is added to: each offset may be moved by another number."""

    def __radd__(self, offset: int) -> int:
        """The offset afterwards."""
        ...


def moved(value: T, by: "int | Adds") -> T:
    """A node, a diagnostic, or a tuple of such, with its spans moved.

    Args:
        value: what holds spans; what holds none is given back as it is.
        by: how many characters; may be negative.

    """
    if by == 0:
        return value
    result: T = _MOVERS[type(value)](value, by)
    return result


def _same(value: Any, by: int) -> Any:
    return value


def _tuple(value: tuple[Any, ...], by: int) -> tuple[Any, ...]:
    return tuple([_MOVERS[type(each)](each, by) for each in value]) if value else value


def _span(value: Span, by: int) -> Span:
    return Span(value.start + by, value.end + by)


class _Movers(dict[type, _Mover]):
    """How values of each class are moved; a function is compiled for a class when it is first met."""

    def __missing__(self, kind: type) -> _Mover:
        if issubclass(kind, StrEnum) or not hasattr(kind, "__record_fields__"):
            self[kind] = _same
        else:
            self[kind] = _compiled(kind)
        return self[kind]


def _label(value: Label, by: int) -> Label:
    """What lies in another file stays where it is."""
    return value if value.source is not None else Label(span=_span(value.span, by), text=value.text)


_MOVERS: Final = _Movers({tuple: _tuple, Span: _span, Label: _label})

# A moved span is as right as the one it comes from: its slots are set without asking again.
_SPAN_SLOTS: Final = (Span.__dict__["start"].__set__, Span.__dict__["end"].__set__)


def _compiled(kind: type) -> _Mover:
    """The mover of a class of records, which copies them slot by slot."""
    values: dict[str, Any] = {"new": object.__new__, "kind": kind, "movers": _MOVERS, "Span": Span}
    values["set_start"], values["set_end"] = _SPAN_SLOTS
    lines = []
    for at, each in enumerate(fields(kind)):
        values[f"set_{at}"] = kind.__dict__.get(each.name, getattr(kind, each.name)).__set__
        if each.type is Span:
            lines += [
                f"old = node.{each.name}",
                "span = new(Span)",
                "set_start(span, old.start + by)",
                "set_end(span, old.end + by)",
                f"set_{at}(made, span)",
            ]
        elif each.type in (str, bool, int) or (isinstance(each.type, type) and issubclass(each.type, StrEnum)):
            lines.append(f"set_{at}(made, node.{each.name})")
        else:
            lines += [f"old = node.{each.name}", f"set_{at}(made, movers[type(old)](old, by))"]
    space: dict[str, Any] = {}
    body = "".join(f" {line}\n" for line in ("made = new(kind)", *lines, "return made"))
    exec(f"def mover(node, by):\n{body}", values, space)
    mover: _Mover = space["mover"]
    return mover
