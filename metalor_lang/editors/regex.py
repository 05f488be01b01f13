"""The regular expressions that every editor has: a small tree that each editor's printer walks.

Invariant: `parse` refuses whatever some editor lacks (look-around, back-references, lazy repetition, named classes,
Unicode properties, anchors), so that a printer has five kinds of node to know.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from metalor_lang.record import dataclass

LAST: Final = 0x10FFFF
"""The last code point."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Characters that stand for themselves."""

    text: str


@dataclass(frozen=True, slots=True)
class Class:
    """One character of a set, or of what the set leaves out.

    Args:
        ranges: (first, last) code points, sorted, apart from each other.
        negated: whether the set is what is not in the ranges.

    """

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The first that matches."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """As many as there are, at least `least` and at most `most` (None: no limit)."""

    what: "Node"
    least: int
    most: int | None


Node: TypeAlias = Literal | Class | Sequence | Choice | Repeat

_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_HEX: Final = {"x": 2, "u": 4}


def parse(pattern: str) -> Node:
    """The tree of a regular expression.

    Args:
        pattern: in Python's spelling.

    Raises:
        ValueError: it uses what not every editor has.

    """
    reader = _Reader(pattern)
    node = reader.choice()
    if reader.at < len(pattern):
        raise reader.refusal("an unopened group")
    return node


class _Reader:
    """Recursive descent over one pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def refusal(self, what: str) -> ValueError:
        return ValueError(f"not every editor has {what}: column {self.at} of {self.pattern!r}")

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def choice(self) -> Node:
        options = [self.sequence()]
        while self.take("|"):
            options.append(self.sequence())
        return choice(options)

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated())
        if not parts:
            raise self.refusal("an empty alternative")
        return sequence(parts)

    def repeated(self) -> Node:
        node = self.atom()
        limits = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if self.peek() in limits:
            node = Repeat(node, *limits[self.peek()])
            self.at += 1
        elif self.take("{"):
            end = self.pattern.find("}", self.at)
            least, comma, most = self.pattern[self.at : max(end, self.at)].partition(",")
            if not (least.isdecimal() and (most.isdecimal() or not most)):
                raise self.refusal("a brace that counts nothing")
            node = Repeat(node, int(least), int(most) if most else None if comma else int(least))
            self.at = end + 1
        if self.peek() in ("*", "+", "?", "{"):
            raise self.refusal("a lazy, possessive or double repetition")
        return node

    def atom(self) -> Node:
        if self.take("("):
            if self.peek() == "?" and not self.take("?:"):
                raise self.refusal("look-around, flags and named groups")
            node = self.choice()
            if not self.take(")"):
                raise self.refusal("an unclosed group")
            return node
        if self.take("["):
            return self.set()
        if self.peek() in ("^", "$", "*", "+", "?", "{"):
            raise self.refusal(f"`{self.peek()}` here")
        if self.take("."):
            return Class(((ord("\n"), ord("\n")),), negated=True)
        return Literal(self.character())

    def character(self) -> str:
        """One character, escaped or not."""
        char = self.peek()
        if not char:
            raise self.refusal("an open end")
        self.at += 1
        if char != "\\":
            return char
        char = self.peek()
        self.at += 1
        if char in _HEX:
            digits = self.pattern[self.at : self.at + _HEX[char]]
            self.at += _HEX[char]
            if len(digits) < _HEX[char] or not set(digits) <= set("0123456789abcdefABCDEF"):
                raise self.refusal("a number cut short")
            return chr(int(digits, 16))
        if char in _CONTROLS:
            return _CONTROLS[char]
        if not char or char.isalnum():
            raise self.refusal(f"`\\{char}`")
        return char

    def set(self) -> Node:
        negated = self.take("^")
        ranges: list[tuple[int, int]] = []
        while not self.take("]"):
            first = ord(self.character())
            last = first
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                last = ord(self.character())
            if last < first:
                raise self.refusal("a range that runs backwards")
            ranges.append((first, last))
        if not ranges:
            raise self.refusal("an empty class")
        return Class(_united(ranges), negated)


def choice(options: Iterable[Node]) -> Node:
    """The first of some that matches, without choices inside choices."""
    flat = tuple(part for each in options for part in (each.options if isinstance(each, Choice) else (each,)))
    return flat[0] if len(flat) == 1 else Choice(flat)


def sequence(parts: Iterable[Node]) -> Node:
    """One after the other, with neighbouring characters in one literal."""
    out: list[Node] = []
    for each in parts:
        for part in each.parts if isinstance(each, Sequence) else (each,):
            if out and isinstance(part, Literal) and isinstance(last := out[-1], Literal):
                out[-1] = Literal(last.text + part.text)
            else:
                out.append(part)
    return out[0] if len(out) == 1 else Sequence(tuple(out))


def _united(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same characters in sorted ranges that do not touch."""
    out: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return tuple(out)


def members(node: Class | Literal) -> tuple[tuple[int, int], ...]:
    """The characters of a class, or the first of a literal, as sorted ranges of code points."""
    if isinstance(node, Literal):
        return ((ord(node.text[0]), ord(node.text[0])),)
    if not node.negated:
        return node.ranges
    out, at = [], 0
    for first, last in node.ranges:
        if at < first:
            out.append((at, first - 1))
        at = last + 1
    return (*out, (at, LAST)) if at <= LAST else tuple(out)


def nullable(node: Node) -> bool:
    """Whether it can match nothing."""
    match node:
        case Literal() | Class():
            return False
        case Sequence(parts):
            return all(map(nullable, parts))
        case Choice(options):
            return any(map(nullable, options))
        case Repeat(what, least, _):
            return least == 0 or nullable(what)


def first(node: Node) -> tuple[tuple[int, int], ...]:
    """The characters that a match can start with, as sorted ranges of code points."""
    return _united(_first(node))


def _first(node: Node) -> Iterator[tuple[int, int]]:
    match node:
        case Literal() | Class():
            yield from members(node)
        case Sequence(parts):
            for part in parts:
                yield from _first(part)
                if not nullable(part):
                    break
        case Choice(options):
            for option in options:
                yield from _first(option)
        case Repeat(what, _, _):
            yield from _first(what)


def characters(node: Node) -> tuple[tuple[int, int], ...]:
    """Every character that a match can hold, as sorted ranges of code points."""
    return _united(_characters(node))


def _characters(node: Node) -> Iterator[tuple[int, int]]:
    match node:
        case Literal(text):
            yield from ((ord(char), ord(char)) for char in text)
        case Class():
            yield from members(node)
        case Sequence(parts) | Choice(parts):
            for part in parts:
                yield from _characters(part)
        case Repeat(what, _, _):
            yield from _characters(what)


def meet(one: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]) -> bool:
    """Whether two sets of characters have one in common."""
    return any(low <= last and first <= high for first, last in one for low, high in other)


def covers(node: Class, ranges: tuple[tuple[int, int], ...]) -> bool:
    """Whether a class holds all of some characters."""
    return all(any(low <= first and last <= high for low, high in members(node)) for first, last in ranges)


# ---- in the spelling of Python, which is nearly that of others ------------------------------------------------------

_SPECIAL: Final = frozenset("\\.^$*+?{}[]|()")
_CLASS_SPECIAL: Final = frozenset("\\]^-[&~|")
_NAMES: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _python_code(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How an engine writes what every engine has.

    Args:
        character: one that stands for itself.
        characters: a class.
        group: a group that captures nothing, around `{}`.
        alternative: what stands between the options of a choice.
        count: how often, given the least and the most.
        repeated: what is to be repeated instead of a pattern, given it and the most.

    """

    character: Callable[[str], str]
    characters: Callable[[Class], str]
    group: str
    alternative: str
    count: Callable[[int, int | None], str]
    repeated: Callable[[Node, int | None], Node] = lambda node, most: node


def spelled(node: Node, by: Spelling) -> str:
    """A pattern as an engine reads it."""
    match node:
        case Literal(text):
            return "".join(map(by.character, text))
        case Class():
            return by.characters(node)
        case Sequence(parts):
            return "".join(grouped(part, by) if isinstance(part, Choice) else spelled(part, by) for part in parts)
        case Choice(options):
            return by.alternative.join(spelled(each, by) for each in options)
        case Repeat(what, least, most):
            single = isinstance(what, Class) or (isinstance(what, Literal) and len(what.text) == 1)
            return (spelled(what, by) if single else grouped(by.repeated(what, most), by)) + by.count(least, most)


def grouped(node: Node, by: Spelling) -> str:
    """A pattern in a group that captures nothing."""
    return by.group.format(spelled(node, by))


def python(node: Node, code: Callable[[int], str] = _python_code) -> str:
    """A regular expression as Python's `re` reads it (without flags), with groups that capture nothing.

    Args:
        node: what to spell.
        code: how a character is written that is not printable ASCII.

    """

    def char(one: str, special: frozenset[str] = _SPECIAL) -> str:
        if one in special:
            return f"\\{one}"
        return _NAMES.get(one) or (one if " " <= one < "\x7f" else code(ord(one)))

    def characters(node: Class) -> str:
        ends = [[char(chr(end), _CLASS_SPECIAL) for end in dict.fromkeys(each)] for each in node.ranges]
        return f"[{'^' * node.negated}{''.join(map('-'.join, ends))}]"

    by = Spelling(character=char, characters=characters, group="(?:{})", alternative="|", count=count)
    return spelled(node, by)


def count(least: int, most: int | None) -> str:
    """How often, in the usual spelling."""
    short = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    return short.get((least, most), f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}")
