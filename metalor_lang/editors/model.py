r"""The parser's automaton → the smallest one over colours: what every highlighter is printed from.

Invariant: walking the model gives the colours of `tooling.highlight`, which come from the parser.

In a state, the first of its moves whose pattern matches counts. Where none does, everything up to the end of
the line is an error, and the next line starts in state 0. At the end of a line (`\n` or `\r\n`, before any move is
tried) the state says in which one the next line starts. No pattern matches a line end or nothing at all.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from metalor_lang.editors import regex
from metalor_lang.record import dataclass
from metalor_lang.syntax.automaton import table
from metalor_lang.syntax.automaton.derive import REFUSED
from metalor_lang.syntax.characters import BAD_CLASS
from metalor_lang.tooling.roles import Role, roles

START: Final = 0
"""The state between statements, in which every line starts that continues nothing."""


@dataclass(frozen=True, slots=True)
class Move:
    """What may stand in a state.

    Args:
        pattern: its text, never empty and never over a line end.
        role: its colour.
        target: the state behind it.

    """

    pattern: regex.Node
    role: Role
    target: int


@dataclass(frozen=True, slots=True)
class State:
    """A place in a recipe.

    Args:
        moves: in the order of trying; the first match counts.
        newline: the state in which the next line starts, when this one ends here; `START` if nothing goes on.

    """

    moves: tuple[Move, ...]
    newline: int


@dataclass(frozen=True, slots=True)
class Model:
    """An automaton over colours; state 0 is the start.

    Args:
        grammar: SHA-256 of the grammar's source.
        states: numbered as a walk through the moves meets them.
        bad: the characters that no recipe may hold: wherever a move matched one, that one character is an error.

    """

    grammar: str
    states: tuple[State, ...]
    bad: regex.Class


@cache
def model() -> Model:
    """The model of the grammar, from the committed table of the parser's automaton.

    Raises:
        ValueError: the grammar uses what some editor lacks, or the lexer offers what the parser refuses.

    """
    bad = regex.parse(BAD_CLASS)
    assert isinstance(bad, regex.Class)
    moves = [[(table.TERMINALS[kind][0], to) for kind, to in moves] for _, moves in table.STATES]
    return Model(table.GRAMMAR, compiled(moves, dict(table.TERMINALS), roles()), bad)


_Raw = tuple[regex.Node, Role, int]
"""A move before states are merged."""


def compiled(
    moves: Sequence[Sequence[tuple[str, int]]], patterns: Mapping[str, str], colours: Mapping[str, Role]
) -> tuple[State, ...]:
    """The states of the smallest automaton over colours.

    Args:
        moves: of each state of the parser's automaton: (terminal, next state) in the order of trying.
        patterns: each terminal's pattern; those of NL, WS and COMMENT have their usual meanings.
        colours: each terminal's role.

    Raises:
        ValueError: what stands there cannot be a highlighter.

    """
    trees = {name: _checked(name, pattern) for name, pattern in patterns.items()}
    end = len(moves)
    raw: list[tuple[list[_Raw], int]] = []
    for at, row in enumerate(moves):
        if any(to in (REFUSED, START) for _, to in row):
            raise ValueError(f"state {at} offers what the parser refuses, or starts a statement in another")
        steps = [(trees[name], colours[name], to) for name, to in row if name != "NL"]
        raw.append((steps, next((to for name, to in row if name == "NL"), START)))
    # Blanks and comment lines stand between statements, of which the parser knows nothing.
    raw[START][0][:0] = [(trees["WS"], colours["WS"], START), (trees["COMMENT"], colours["COMMENT"], end)]
    raw.append(([], START))
    return _smallest([(_ordered(steps), newline) for steps, newline in raw])


def _checked(name: str, pattern: str) -> regex.Node:
    node = regex.parse(pattern)
    ends = ((ord("\n"), ord("\n")), (ord("\r"), ord("\r")))
    if name != "NL" and regex.meet(regex.characters(node), ends):
        raise ValueError(f"{name} goes over a line end: no editor that reads line by line could match it")
    if regex.nullable(node):
        raise ValueError(f"{name} matches nothing at all: an editor would stand still")
    return node


def _apart(one: regex.Node, other: regex.Node) -> bool:
    """Whether the order of two moves makes no difference: no text starts with a match of both."""
    if isinstance(one, regex.Literal) and isinstance(other, regex.Literal):
        return not (one.text.startswith(other.text) or other.text.startswith(one.text))
    return not regex.meet(regex.first(one), regex.first(other))


def _ordered(steps: list[_Raw]) -> list[_Raw]:
    """The moves in the one order that every list of the same meaning is brought into: by pattern where it is free."""
    spelled = [regex.python(pattern) for pattern, _, _ in steps]
    before = [
        {i for i in range(j) if not _apart(steps[i][0], steps[j][0])} for j in range(len(steps))
    ]  # fmt: skip
    left, out = set(range(len(steps))), []
    while left:
        chosen = min((each for each in left if not before[each] & left), key=lambda each: (spelled[each], each))
        left.remove(chosen)
        out.append(steps[chosen])
    return out


def _smallest(states: list[tuple[list[_Raw], int]]) -> tuple[State, ...]:
    """Merge states that no text tells apart (Moore's refinement of partitions)."""
    group = [0] * len(states)
    while True:
        finer: dict[object, int] = {}
        refined = [
            finer.setdefault(
                (group[at], tuple((step[0], step[1], group[step[2]]) for step in steps), group[newline]), len(finer)
            )
            for at, (steps, newline) in enumerate(states)
        ]
        if len(finer) == len(set(group)):
            break
        group = refined
    return tuple(_numbered(states, group))


def _numbered(states: list[tuple[list[_Raw], int]], group: list[int]) -> Iterator[State]:
    """One state for each group, numbered as a walk from the start meets them."""
    order = {group[START]: 0}
    queue = deque([START])
    while queue:
        steps, newline = states[queue.popleft()]
        for to in (*(step[2] for step in steps), newline):
            if group[to] not in order:
                order[group[to]] = len(order)
                queue.append(to)
        moves = _united([Move(pattern, role, order[group[to]]) for pattern, role, to in steps])
        yield State(moves, order[group[newline]])


def _united(moves: list[Move]) -> tuple[Move, ...]:
    """Moves of one colour and target as one, where the order of trying allows it."""
    out: list[Move] = []
    for move in moves:
        for at in range(len(out) - 1, -1, -1):
            if (out[at].role, out[at].target) == (move.role, move.target):
                out[at] = Move(regex.choice((out[at].pattern, move.pattern)), move.role, move.target)
                break
            if not _apart(out[at].pattern, move.pattern):
                out.append(move)
                break
        else:
            out.append(move)
    return tuple(out)
