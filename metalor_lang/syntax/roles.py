"""Terminals in the words of the people who write recipes.

Invariant: every terminal of the grammar has a row; an empty role is never listed.
"""

from collections.abc import Collection

ROLES: dict[str, str] = {
    "WS": "white space",
    "NL": "a line end",
    "BACKSLASH": "",
    "COMMENT": "",
    "VERSION": "the version",
    "ARG_NAME": "an argument name",
    "ENV_KEY": "a variable name",
    "META_KEY": "a key",
    "STAGE_NAME": "a stage name",
    "GROUP_NAME": "a name",
    "FLAG": "a flag",
    "EQ": "`=`",
    "IS": "`==`",
    "DOT": "",
    "REF_OPEN": "",
    "REF": "a name",
    "REF_CLOSE": "`}`",
    "DOLLARS_BRACE": "",
    "DOLLAR": "",
    "WORD": "a word",
    "VALUE": "a value",
    "REST": "",
    "SINGLE": "",
    "QUOTE": "a string in double quotes",
    "QUOTE_END": "a closing quote",
    "STRING": "",
    "ITEM": "",
    "ESCAPE": "",
    "LBRACKET": "an exec array",
    "RBRACKET": "`]`",
    "COMMA": "a comma",
    "SH_TEXT": "shell text",
    "RAW_OPEN": "a block between '''",
    "RAW_CLOSE": "the closing '''",
    "RAW_LINE": "",
    "SH_LINE": "",
    "TEXT_OPEN": 'a block between """',
    "TEXT_CLOSE": 'the closing """',
    "TEXT": "",
    "$END": "the end of the line",
}


def role(terminal: str) -> str:
    """What a terminal is for a reader; statement words are themselves."""
    return ROLES.get(terminal, terminal)


def expected_words(terminals: Collection[str]) -> str:
    """The roles as one phrase: "a word, a flag or the end of the line"; empty for nothing.

    Where a word may stand, a quoted one may: only the word is named.
    """
    hidden = {"QUOTE"} if {"WORD", "VALUE"} & set(terminals) else set()
    order = {name: index for index, name in enumerate(ROLES)}
    shown = sorted((name for name in terminals if name not in hidden), key=lambda name: (order.get(name, -1), name))
    words = list(dict.fromkeys(text for name in shown if (text := role(name))))
    if len(words) <= 1:
        return "".join(words)
    return ", ".join(words[:-1]) + " or " + words[-1]
