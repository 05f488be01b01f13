"""The names that blocks bring: loop variables, groups with their parameters, spaces of imports.

Invariant: a name is bound from the line that brings it to its END, and what is bound innermost counts.
"""

from collections.abc import Mapping, Sequence

from metalor_lang.record import dataclass, field
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.tooling.names import NameKind, Symbol

_NONE: Mapping[str, Symbol] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A DEFINE with the symbols of its name and of its parameters."""

    node: ast.Define
    symbol: Symbol
    parameters: Mapping[str, Symbol]


@dataclass(slots=True)
class Bindings:
    """What is bound at the statement at hand."""

    groups: dict[str, Group] = field(default_factory=dict)
    spaces: dict[str, Symbol] = field(default_factory=dict)
    loops: dict[int, Symbol] = field(default_factory=dict)
    """The symbol of each loop variable, by where its FOR starts."""
    _open: list[tuple[str, Mapping[str, Symbol]]] = field(default_factory=list)

    @classmethod
    def of(cls, statements: Sequence[ast.Statement], first: int) -> "Bindings":
        """The groups, spaces and loop variables of a recipe; their symbols are numbered from `first`."""
        found = cls()
        number = first

        def symbol(kind: NameKind, name: str) -> Symbol:
            nonlocal number
            number += 1
            return Symbol(number=number - 1, kind=kind, name=name)

        for node in statements:
            match node:
                case ast.Define(name=name) if name not in found.groups:
                    own = symbol(NameKind.GROUP, name)
                    names = {each.name: symbol(NameKind.PARAMETER, each.name) for each in node.parameters}
                    found.groups[name] = Group(node=node, symbol=own, parameters=names)
                case ast.Import(space=space) if space not in found.spaces:
                    found.spaces[space] = symbol(NameKind.SPACE, space)
                case ast.For(name=name):
                    found.loops[node.span.start] = symbol(NameKind.LOOP, name)
                case _:
                    pass
        return found

    def take(self, node: ast.Statement) -> None:
        """Go behind a line of a block."""
        match node:
            case ast.If():
                self._open.append((node.word, _NONE))
            case ast.For(name=name):
                self._open.append((node.word, {name: self.loops[node.span.start]}))
            case ast.Define(name=name):
                group = self.groups[name]
                # A second DEFINE of one name is an error; its parameters are nobody's.
                self._open.append((node.word, group.parameters if group.node is node else _NONE))
            case ast.End() if self._open:
                self._open.pop()
            case _:
                pass

    @property
    def in_group(self) -> bool:
        """Whether the statement at hand stands in a DEFINE."""
        return any(word == "DEFINE" for word, _ in self._open)

    def get(self, name: str) -> Symbol | None:
        """The loop variable or parameter that a name is here."""
        return next((names[name] for _, names in reversed(self._open) if name in names), None)


def places(node: ast.Statement, bindings: Bindings) -> list[tuple[Span, Symbol, bool]]:
    """The places of such names in a line of a block itself, and whether each declares its name."""
    match node:
        case ast.For():
            return [(node.name_span, bindings.loops[node.span.start], True)]
        case ast.Define() if bindings.groups[node.name].node is node:
            group = bindings.groups[node.name]
            own = [(each.span, group.parameters[each.name], True) for each in node.parameters]
            return [(node.name_span, group.symbol, True), *own]
        case ast.Import():
            return [(node.space_span, bindings.spaces[node.space], True)]
        case ast.Use(space=space) if space:
            start = node.name_span.start
            found = bindings.spaces.get(space)
            return [(Span(start, start + len(space)), found, False)] if found is not None else []
        case ast.Use(name=name) if name in bindings.groups:
            group = bindings.groups[name]
            named = [pair for pair in node.pairs if pair.key in group.parameters]
            pairs = [(pair.key_span, group.parameters[pair.key], False) for pair in named]
            return [(node.name_span, group.symbol, False), *pairs]
        case _:
            return []
