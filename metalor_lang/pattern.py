"""Regular expressions that are compiled when they are first used.

Invariant: whoever uses one sees an `re.Pattern`. A short command uses some ten of the package's hundred, and compiling
the others took a tenth of its time.
"""

import re

from metalor_lang.hints import cast


class _Late:
    """Stands for a pattern; its slots are filled by the first use of one of them."""

    __slots__ = ("_flags", "_text", "findall", "finditer", "fullmatch", "match", "search", "split", "sub")

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        # Python asks here for what is not filled yet.
        compiled = re.compile(self._text, self._flags)
        for each in _Late.__slots__:
            if not each.startswith("_"):
                setattr(self, each, getattr(compiled, each))
        return getattr(compiled, name)


def pattern(text: str, flags: int = 0) -> "re.Pattern[str]":
    """The pattern of a regular expression; a wrong one is an error of its first use."""
    return cast("re.Pattern[str]", _Late(text, flags))
