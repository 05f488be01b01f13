"""Docker's words outside RUN: quotes, escapes, `$X` and `${X…}` as pieces.

Invariant: nothing is looked up here; a piece says what stands in the text, and who asks decides what a name is.
"""

from collections.abc import Iterator
from typing import NamedTuple

from metalor_lang.hints import Final

_SPECIAL: Final = "@*#?-$!0"
_DEEPEST: Final = 50


class WordError(Exception):
    """Docker itself refuses the word; the message says why."""


class Text(NamedTuple):
    """Characters that stand for themselves; `quoted` where they came out of quotes or behind an escape."""

    text: str
    quoted: bool = False


class Variable(NamedTuple):
    """`$NAME` or `${NAME}`; with an operator `${NAME:-word}` and the like."""

    name: str
    operator: str = ""
    """One of "" `-` `:-` `+` `:+` `?` `:?` `#` `##` `%` `%%` `/` `//`."""
    word: "tuple[Piece, ...]" = ()
    other: "tuple[Piece, ...]" = ()
    """The replacement of `/` and `//`."""

    @property
    def written(self) -> str:
        """The variable as a person knows it."""
        return f"${{{self.name}{self.operator}{'…' if self.operator else ''}}}"


Piece = Text | Variable


def split(text: str, escape: str = "\\") -> list[str]:
    """The words of ENV, LABEL and ARG, still quoted: split at white space outside quotes."""
    words: list[str] = []
    word, quote, seen = "", "", False
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if not quote and char.isspace():
            if word or seen:
                words.append(word)
            word, seen = "", False
            continue
        if char == escape and quote != "'":
            if at == len(text):
                break  # an escape at the very end is skipped
            word += char + text[at]
            at += 1
            continue
        if not quote and char in "'\"":
            quote, seen = char, True
        elif char == quote:
            quote = ""
        word += char
    if word or seen:
        words.append(word)
    return words


def blanks(text: str) -> list[str]:
    """The words of FROM, COPY, EXPOSE …: split at white space, whatever quotes say."""
    return text.split()


def pieces(word: str, escape: str = "\\", *, quotes: bool = True) -> tuple[Piece, ...]:
    """A word as Docker reads it.

    Args:
        word: the text; white space in it is kept.
        escape: the escape character.
        quotes: whether quotes are taken off (in heredocs they stand for themselves).

    Raises:
        WordError: Docker refuses it.

    """
    reader = _Reader(word, escape, quotes)
    return _joined(reader.until(""))


def literal(found: tuple[Piece, ...]) -> str | None:
    """The text of pieces without variables, else None."""
    return None if any(isinstance(each, Variable) for each in found) else "".join(text for text, *_ in found)


def variables(found: tuple[Piece, ...]) -> Iterator[Variable]:
    """Every variable in pieces, those within others too."""
    for each in found:
        if isinstance(each, Variable):
            yield each
            yield from variables(each.word)
            yield from variables(each.other)


def _joined(found: list[Piece]) -> tuple[Piece, ...]:
    out: list[Piece] = []
    for each in found:
        last = out[-1] if out else None
        if isinstance(each, Text) and isinstance(last, Text) and each.quoted == last.quoted:
            out[-1] = Text(last.text + each.text, each.quoted)
        elif not isinstance(each, Text) or each.text or each.quoted:
            out.append(each)
    return tuple(out)


class _Reader:
    """Reads one word from left to right."""

    def __init__(self, text: str, escape: str, quotes: bool) -> None:
        self.text, self.at = text, 0
        self.escape, self.quotes = escape, quotes
        self.depth = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        char = self.peek()
        self.at += len(char)
        return char

    def until(self, stop: str, *, raw: bool = False) -> list[Piece]:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise WordError(f"`${{…}}` within each other more than {_DEEPEST} deep")
        out = self.pieces(stop, raw=raw)
        self.depth -= 1
        return out

    def pieces(self, stop: str, *, raw: bool) -> list[Piece]:
        out: list[Piece] = []
        while char := self.peek():
            if char == stop:
                self.next()
                return out
            if char == "'" and self.quotes:
                out.append(self.single())
            elif char == '"' and self.quotes:
                out += self.double(raw=raw)
            elif char == "$":
                out.append(self.dollar())
            elif char == self.escape:
                self.next()
                after = self.next()
                kept = char if raw else ""
                if kept or after:
                    out.append(Text(kept + after, True))
            else:
                out.append(Text(self.next()))
        if stop:
            raise WordError(f"a `{stop}` is missing")
        return out

    def single(self) -> Text:
        self.next()
        end = self.text.find("'", self.at)
        if end < 0:
            raise WordError("a closing ' is missing")
        found = self.text[self.at : end]
        self.at = end + 1
        return Text(found, True)

    def double(self, *, raw: bool) -> list[Piece]:
        self.next()
        out: list[Piece] = [Text("", True)]
        while True:
            match self.peek():
                case "":
                    raise WordError('a closing " is missing')
                case '"':
                    self.next()
                    return out
                case "$":
                    out.append(self.dollar())
                case self.escape:
                    char = self.next()
                    after = self.peek()
                    if after and after in ('"', "$", self.escape):
                        out.append(Text((char if raw else "") + self.next(), True))
                    elif after:
                        out.append(Text(char, True))
                case _:
                    out.append(Text(self.next(), True))

    def dollar(self) -> Piece:
        self.next()
        if self.peek() != "{":
            name = self.name()
            return Variable(name) if name else Text("$")
        self.next()
        if not self.peek():
            raise WordError("a `}` is missing")
        if self.peek() in "{}:":
            raise WordError("what stands in `${…}` is no name")
        name = self.name()
        operator = self.next()
        if operator == "}":
            return Variable(name)
        if operator == ":":
            operator += self.next()
        if operator in ("-", ":-", "+", ":+", "?", ":?"):
            return Variable(name, operator, _joined(self.until("}")))
        if operator in ("#", "%"):
            if self.peek() == operator:
                operator += self.next()
            return Variable(name, operator, _joined(self.until("}", raw=True)))
        if operator == "/":
            if self.peek() == "/":
                operator += self.next()
            word = _joined(self.until("/", raw=True))
            return Variable(name, operator, word, _joined(self.until("}", raw=True)))
        raise WordError(f"`{operator or 'nothing'}` cannot stand behind the name in `${{{name}…}}`")

    def name(self) -> str:
        start = self.at
        first = self.peek()
        if first.isdigit():
            while self.peek().isdigit():
                self.at += 1
        elif first and first in _SPECIAL:
            self.at += 1
        else:
            while (char := self.peek()) and (char.isalpha() or char.isdigit() or char == "_"):
                self.at += 1
        return self.text[start : self.at]
