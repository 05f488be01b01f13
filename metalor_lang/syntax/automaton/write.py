"""The automaton as the module `table`: what `make grammar` writes.

Invariant: a pure function of the grammar's source; a test compares it with the committed file byte for byte.
"""

from pathlib import Path

from metalor_lang.syntax.automaton.derive import Automaton, derive
from metalor_lang.syntax.grammar import grammar_text

TABLE = Path(__file__).with_name("table.py")


def rendered(automaton: Automaton) -> str:
    """The source of the module."""
    numbers = {name: number for number, name in enumerate(automaton.terminals)}
    out = [
        '"""The automaton of grammar/metalor.lark; written by `make grammar`, not by hand.',
        "",
        "Invariant: what `derive` gives for the grammar whose SHA-256 stands here.",
        '"""',
        "",
        "from metalor_lang.hints import Final",
        "",
        f'GRAMMAR: Final = "{automaton.grammar}"',
        "",
        "TERMINALS: Final[tuple[tuple[str, str], ...]] = (",
        *(f"    ({name!r}, {pattern!r})," for name, pattern in automaton.terminals.items()),
        ")",
        '"""Each terminal and its pattern, whose groups capture nothing."""',
        "",
        "STATES: Final[tuple[tuple[bool, tuple[tuple[int, int], ...]], ...]] = (",
    ]
    for state in automaton.states:
        moves = "".join(f"({numbers[name]}, {to}), " for name, to in state.moves)
        out.append(f"    ({state.accepting}, ({moves.rstrip()})),")
    out += [
        ")",
        '"""Of each state: whether a statement may end, and (terminal, next state) in the order of trying. State 0 is',
        "the start, and -1 stands for a terminal that the lexer knows there and the parser refuses.",
        '"""',
    ]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    TABLE.write_text(rendered(derive(grammar_text())), encoding="utf-8")
