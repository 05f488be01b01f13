"""The roles of terminals, from the one table beside the grammar.

Invariant: every terminal of the grammar has exactly one role.
"""

from enum import StrEnum
from functools import cache

from metalor_lang.syntax.grammar import grammar_text


class Role(StrEnum):
    """What a character is to a reader's eye."""

    KEYWORD = "keyword"
    SPACE = "space"
    COMMENT = "comment"
    CONTINUATION = "continuation"
    FLAG = "flag"
    OPERATOR = "operator"
    NUMBER = "number"
    NAME = "name"
    KEY = "key"
    WORD = "word"
    STRING = "string"
    ESCAPE = "escape"
    VARIABLE = "variable"
    EXPANSION = "expansion"
    FENCE = "fence"
    SHELL = "shell"
    BLOCK = "block"
    ERROR = "error"


@cache
def roles() -> dict[str, Role]:
    """Terminal → role."""
    import tomllib

    table = tomllib.loads(grammar_text("roles.toml"))
    return {name: Role(role) for role, row in table.items() for name in row["terminals"]}
