"""A walk over every configuration of the parser.

Each statement is regular, and wherever the lexer knows a terminal the parser takes it.
"""

from collections import deque

from lark import Token
from lark.exceptions import UnexpectedToken

from metalor_lang.syntax import grammar


def walk() -> tuple[int, dict[str, int], int]:
    """How many configurations there are, what the lexer offers in vain (with how often), and the deepest stack."""
    start = grammar.parser().parse_interactive("")
    lexers = start.lexer_thread.lexer.lexers  # type: ignore[attr-defined]
    seen = {tuple(start.parser_state.state_stack)}
    queue = deque([start])
    refused: dict[str, int] = {}
    deepest = 0
    while queue:
        current = queue.popleft()
        stack = current.parser_state.state_stack
        deepest = max(deepest, len(stack))
        for terminal in lexers[stack[-1]].terminals:
            following = current.copy(deepcopy_values=False)
            try:
                following.feed_token(Token(terminal.name, ""))
            except UnexpectedToken:
                refused[terminal.name] = refused.get(terminal.name, 0) + 1
                continue
            key = tuple(following.parser_state.state_stack)
            if key not in seen:
                assert len(seen) < 20_000, "a statement that nests without end is not regular"
                seen.add(key)
                queue.append(following)
    return len(seen), refused, deepest


def test_every_statement_is_regular() -> None:
    configurations, refused, deepest = walk()
    assert 1000 < configurations < 20_000
    assert deepest < 30
    # Else right text would be refused late, or an error shown behind its place.
    assert refused == {}
