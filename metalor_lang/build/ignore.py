"""Rules of gitignore, for `.metalorignore` and `--exclude`, one path level at a time.

Invariant: a rule is asked about one path itself, never about what lies beneath it: a walk that does not enter what is
ignored then has git's meaning exactly (nothing comes back below an ignored directory).
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass, field

_GLOB: Final = pattern(r"[*?\[]")
_NEVER: Final = "(?!)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its 1-based line, the text as written, what it does."""

    line: int
    text: str
    again: bool
    """A `!` rule: makes visible again."""
    directories: bool
    """Ends in `/`: applies to directories only."""
    pattern: str = field(repr=False)
    """A regular expression for the whole path, relative, without a trailing slash."""


def is_glob(text: str) -> bool:
    """Whether the text has a `*`, `?` or `[`."""
    return _GLOB.search(text) is not None


@lru_cache(maxsize=1024)
def component(text: str) -> str:
    """The regular expression of a glob within one path component (`*`, `?`, `[…]`, a backslash); dotfiles match."""
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        match char:
            case "*":
                if not out or out[-1] != "[^/]*":
                    out.append("[^/]*")
            case "?":
                out.append("[^/]")
            case "\\" if at < len(text):
                out.append(re.escape(text[at]))
                at += 1
            case "\\":
                return _NEVER  # as git: what is not finished matches nothing
            case "[":
                found = _bracket(text, at)
                if found is None:
                    return _NEVER
                expression, at = found
                out.append(expression)
            case _:
                out.append(re.escape(char))
    return "".join(out)


def _bracket(text: str, at: int) -> tuple[str, int] | None:
    """A bracket expression whose `[` stands before `at`, and where it ends; None where it is not closed."""
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    items: list[str] = []
    first = True
    while at < len(text) and (first or text[at] != "]"):
        first = False
        if text.startswith("[:", at) and (end := text.find(":]", at)) > 0:
            items.append(_CLASSES.get(text[at + 2 : end], ""))
            at = end + 2
            continue
        low, at = _bracket_char(text, at)
        if text[at : at + 1] == "-" and at + 1 < len(text) and text[at + 1] != "]":
            high, at = _bracket_char(text, at + 1)
            if low <= high:
                items.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            items.append(re.escape(low))
    if at >= len(text):
        return None
    inner = "".join(items)
    if negated:
        return f"[^/{inner}]", at + 1
    return (f"(?!/)[{inner}]" if inner else _NEVER), at + 1


def _bracket_char(text: str, at: int) -> tuple[str, int]:
    if text[at] == "\\" and at + 1 < len(text):
        return text[at + 1], at + 2
    return text[at], at + 1


_CLASSES: Final = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


def rule(text: str, line: int) -> Rule | None:
    """The rule of one line, or None for a blank line or a comment."""
    body = text.rstrip("\r\n")
    if body.startswith("#"):
        return None
    while body.endswith(" ") and not body.endswith("\\ "):
        body = body[:-1]
    written = body
    again = body.startswith("!")
    body = body.removeprefix("!")
    directories = body.endswith("/")
    body = body.rstrip("/") if directories else body
    if not body:
        return None
    anchored = "/" in body
    parts = _split(body.removeprefix("/"))
    pattern = "" if anchored else "(?:.*/)?"
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        match part:
            case "**" if last:
                pattern += ".+"
            case "**":
                pattern += "(?:.*/)?"
            case _:
                pattern += component(part) + ("" if last else "/")
    return Rule(line=line, text=written, again=again, directories=directories, pattern=pattern)


def _split(text: str) -> list[str]:
    """The components of a pattern; a `/` in brackets or after a backslash separates nothing (as git reads it)."""
    parts, start, at = [], 0, 0
    while at < len(text):
        match text[at]:
            case "/":
                parts.append(text[start:at])
                start = at = at + 1
            case "\\":
                at += 2
            case "[":
                found = _bracket(text, at + 1)
                at = found[1] if found else at + 1
            case _:
                at += 1
    return [*parts, text[start:]]


class Rules:
    """Rules in order; the last one that matches a path decides.

    Args:
        lines: the rules as written, in order.
        name: how messages call the place they stand in (".metalorignore").

    """

    def __init__(self, lines: Iterable[str], name: str) -> None:
        self.name = name
        self.rules = tuple(found for number, text in enumerate(lines, 1) if (found := rule(text, number)))
        self._files = _groups(tuple(each for each in self.rules if not each.directories))
        self._directories = _groups(self.rules)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def hides(self, path: str, *, directory: bool) -> bool:
        """Whether the path itself (relative, no trailing slash) is hidden; its parents are the caller's business."""
        for match, again in self._directories if directory else self._files:
            if match(path):
                return not again
        return False

    def decisive(self, path: str, *, directory: bool) -> Rule | None:
        """The rule that decides about this path itself, for messages."""
        for each in reversed(self.rules):
            if (directory or not each.directories) and re.fullmatch(each.pattern, path, re.DOTALL):
                return each
        return None

    def hidden_by(self, path: str, *, directory: bool) -> Rule | None:
        """The rule that hides the path or one of its parents, the outermost first; None when it is visible."""
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            prefix = "/".join(parts[:count])
            inner = count < len(parts)
            if self.hides(prefix, directory=inner or directory):
                return self.decisive(prefix, directory=inner or directory)
        return None


def _groups(rules: tuple[Rule, ...]) -> tuple[tuple[Callable[[str], object], bool], ...]:
    """Neighbours of one kind joined into one expression, the last group first."""
    groups: list[tuple[list[str], bool]] = []
    for each in rules:
        if groups and groups[-1][1] == each.again:
            groups[-1][0].append(each.pattern)
        else:
            groups.append(([each.pattern], each.again))
    return tuple(
        (re.compile("|".join(f"(?:{text})" for text in texts), re.DOTALL).fullmatch, again)
        for texts, again in reversed(groups)
    )
