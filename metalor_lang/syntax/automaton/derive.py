"""The grammar's parse table → the smallest automaton over terminals that tokenises and accepts as it does.

Invariant: exact, because every statement is regular (the parser's stack takes finitely many forms): a state stands for
the stacks from which the same terminals are tried in the same order, and the same go on to the same states.
"""

import hashlib
from collections import deque
from collections.abc import Iterator

from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.record import dataclass
from metalor_lang.syntax.grammar import build_parser

if TYPE_CHECKING:
    from lark.parsers.lalr_interactive_parser import InteractiveParser

REFUSED = -1
"""In place of a state: the lexer knows the terminal there, and the parser refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A state of the automaton.

    Args:
        accepting: whether a statement may end here.
        moves: (terminal, state) in the order in which the lexer tries the terminals; the first match counts.

    """

    accepting: bool
    moves: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Automaton:
    """A grammar's automaton; state 0 is the start.

    Args:
        grammar: SHA-256 of the grammar's source.
        terminals: the pattern of each terminal, as a regular expression without capturing groups.
        states: the states, numbered as a walk through the moves meets them.

    """

    grammar: str
    terminals: dict[str, str]
    states: tuple[State, ...]


def derive(text: str) -> Automaton:
    """The automaton of a grammar.

    Args:
        text: the grammar's source.

    Raises:
        ValueError: it is not regular, or the lexer changes terminals behind the table's back.

    """
    states, patterns = _walk(text)
    merged = _smallest(states)
    used = {name for state in merged for name, _ in state.moves}
    return Automaton(
        grammar=hashlib.sha256(text.encode()).hexdigest(),
        terminals={name: patterns[name] for name in sorted(used)},
        states=merged,
    )


_MOST = 100_000


def _walk(text: str) -> tuple[list[State], dict[str, str]]:
    """Every configuration of the parser as a state, and the patterns."""
    from lark import Token
    from lark.exceptions import UnexpectedToken

    def stack(session: "InteractiveParser") -> tuple[object, ...]:
        return tuple(session.parser_state.state_stack)

    start = build_parser(text).parse_interactive("")
    lexers = start.lexer_thread.lexer.lexers  # type: ignore[attr-defined]
    patterns: dict[str, str] = {}
    for lexer in lexers.values():
        lexer.scanner  # noqa: B018 - reading it is what makes `callback`
        if lexer.callback or lexer.ignore_types:
            raise ValueError("a terminal would be renamed or left out by the lexer")
        patterns.update((each.name, without_groups(each.pattern.to_regexp())) for each in lexer.terminals)
    numbers = {stack(start): 0}
    states: list[State] = []
    queue = deque([start])
    while queue:
        session = queue.popleft()
        moves: list[tuple[str, int]] = []
        for terminal in lexers[session.parser_state.position].terminals:
            following = session.copy(deepcopy_values=False)  # type: ignore[no-untyped-call]
            try:
                following.feed_token(Token(terminal.name, ""))
            except UnexpectedToken:
                moves.append((terminal.name, REFUSED))
                continue
            key = stack(following)
            if key not in numbers:
                if len(numbers) == _MOST:
                    raise ValueError("a statement nests without end")
                numbers[key] = len(numbers)
                queue.append(following)
            moves.append((terminal.name, numbers[key]))
        accepts = session.accepts()  # type: ignore[no-untyped-call]
        states.append(State(accepting="$END" in accepts, moves=tuple(moves)))
    return states, patterns


def _smallest(states: list[State]) -> tuple[State, ...]:
    """Merge states that no text tells apart (Moore's refinement of partitions)."""
    kinds: dict[object, int] = {}
    group = [
        kinds.setdefault((state.accepting, tuple(name for name, _ in state.moves)), len(kinds)) for state in states
    ]
    while True:
        finer: dict[object, int] = {}
        refined = [
            finer.setdefault(
                (group[at], tuple(REFUSED if to == REFUSED else group[to] for _, to in state.moves)), len(finer)
            )
            for at, state in enumerate(states)
        ]
        if len(finer) == len(set(group)):
            break
        group = refined
    # Groups are numbered as they are met from the start, so the numbers depend on the grammar alone.
    order = {group[0]: 0}
    out: list[State] = []
    first = {number: at for at, number in reversed(list(enumerate(group)))}
    queue = deque([group[0]])
    while queue:
        state = states[first[queue.popleft()]]
        moves: list[tuple[str, int]] = []
        for name, to in state.moves:
            if to != REFUSED and group[to] not in order:
                order[group[to]] = len(order)
                queue.append(group[to])
            moves.append((name, REFUSED if to == REFUSED else order[group[to]]))
        out.append(State(accepting=state.accepting, moves=tuple(moves)))
    return tuple(out)


def without_groups(pattern: str) -> str:
    """A regular expression whose groups capture nothing, so that an alternation of several says which one matched."""
    return "".join(_plain(pattern))


def _plain(pattern: str) -> Iterator[str]:
    at, in_class = 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            yield pattern[at : at + 2]
            at += 2
            continue
        if in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "(" and pattern[at + 1 : at + 2] != "?":
            char = "(?:"
        yield char
        at += 1
