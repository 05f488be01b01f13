"""Names and passwords in addresses, hidden where a line of a recipe is shown: a screen's text ends in logs.

Invariant: what is hidden keeps its length, so every column behind it stays where it was.
"""

import re


def without_passwords(line: str) -> str:
    """A line with `*` for what stands before the `@` of a host; `${NAME}` stays, and so does a name that ssh needs.

    Somebody's password may have an `@` or a `/` in it as it is: where an `@` stands before the first `/`, all up to the
    last `@` of the word is hidden.
    """
    if "://" not in line or "@" not in line:
        return line
    return re.sub(r"\b([a-z]+)://([^\s/\"'@]*@(?:[^\s\"']*@)?)", _hidden, line)


def _hidden(match: re.Match[str]) -> str:
    scheme, before = match.groups()
    if ":" not in before and scheme not in ("http", "https"):
        return match[0]
    shown = re.sub(r"(\$\{\w+\}|[:@])|[^:@]", lambda each: each[1] or "*", before)
    return f"{scheme}://{shown}"
