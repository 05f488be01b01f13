"""Moves trees and diagnostics to another place of a text: the same, with every span further on.

Invariant: `moved(x, n)` is what reading the same text n characters further on would have given.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypeVar

from metalor_lang.record import fields
from metalor_lang.source import Span

T = TypeVar("T")
_Mover = Callable[[Any, int], Any]


def moved(value: T, by: int) -> T:
    """A node, a diagnostic, or a tuple of such, with its spans moved.

    Args:
        value: what holds spans; what holds none is given back as it is.
        by: how many characters; may be negative.

    """
    mover = _MOVERS.get(type(value)) or _made(type(value))
    result: T = mover(value, by)
    return result


def _same(value: Any, by: int) -> Any:
    return value


def _tuple(value: tuple[Any, ...], by: int) -> tuple[Any, ...]:
    return tuple([moved(each, by) for each in value]) if value else value


def _span(value: Span, by: int) -> Span:
    return Span(value.start + by, value.end + by)


_MOVERS: Final[dict[type, _Mover]] = {
    str: _same, bool: _same, int: _same, type(None): _same, tuple: _tuple, Span: _span,
}  # fmt: skip


def _made(kind: type) -> _Mover:
    """The mover of a class, compiled once: for records one that copies them slot by slot."""
    if issubclass(kind, StrEnum) or not hasattr(kind, "__record_fields__"):
        _MOVERS[kind] = _same
        return _same
    values: dict[str, Any] = {"_new": object.__new__, "_kind": kind, "_span": _span, "_moved": moved}
    lines = []
    for at, each in enumerate(fields(kind)):  # type: ignore[arg-type]
        values[f"_set{at}"] = getattr(kind, each.name).__set__
        plain = each.type in (str, bool, int) or (isinstance(each.type, type) and issubclass(each.type, StrEnum))
        value = f"node.{each.name}"
        if each.type is Span:
            value = f"_span({value}, by)"
        elif not plain:
            value = f"_moved({value}, by)"
        lines.append(f" _set{at}(made, {value})\n")
    space: dict[str, Any] = {}
    exec(f"def mover(node, by):\n made = _new(_kind)\n{''.join(lines)} return made", values, space)
    _MOVERS[kind] = space["mover"]
    return _MOVERS[kind]
