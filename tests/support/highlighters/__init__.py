"""What highlighters are compared on: texts, the parser's answer, and the engines that give theirs.

Invariant: a difference is a character that the parser and an engine colour differently; line ends are not compared.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from metalor_lang.editors.model import Model
from metalor_lang.syntax import grammar
from metalor_lang.syntax.characters import BAD_CLASS
from metalor_lang.tooling.highlight import highlight
from metalor_lang.tooling.roles import Role, roles

Colours = Sequence[str | None]
"""The name of each character's role; None for blanks and, if an engine likes, line ends."""


class Engine(Protocol):
    """A program that colours text by a file that was printed from a model."""

    @property
    def name(self) -> str:
        """What the program is called."""
        ...

    @property
    def every(self) -> int:
        """Of how many nearly right texts it colours one, where it is too slow for all."""
        ...

    def versions(self) -> str:
        """The program and its version, for the report."""
        ...

    def roles(self, texts: Sequence[str], model: Model) -> Sequence[Colours]:
        """Each text's colours, as the real program gives them with the files printed from this very model.

        Every text is a file of its own. What stands in embedded shell has the role that the model gives it.
        """
        ...


class Difference(NamedTuple):
    """A character that two painters see differently."""

    text: str
    at: int
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        line = self.text.rfind("\n", 0, self.at) + 1
        return f"{self.text[line : self.at]!r} ⟨{self.text[self.at]!r}⟩: {self.found}, not {self.expected}"


def differences(texts: Sequence[str], expected: Sequence[Colours], found: Sequence[Colours]) -> Iterator[Difference]:
    """Every difference."""
    assert len(texts) == len(expected) == len(found)
    for text, right, ours in zip(texts, expected, found):
        assert len(text) == len(right) == len(ours), (text, ours)
        if right == ours:
            continue
        for at, (one, other) in enumerate(zip(right, ours)):
            if one != other and text[at] != "\n" and not text.startswith("\r\n", at):
                yield Difference(text, at, one, other)


def by_parser(text: str) -> list[str | None]:
    """The colours as the package gives them."""
    out: list[str | None] = [None] * len(text)
    for start, end, role in highlight(text):
        if role is not Role.SPACE:
            out[start:end] = [role.value] * (end - start)
    return out


def by_lark(text: str) -> list[str | None]:
    """The colours as the rule says, by Lark alone: no automaton, no cutting into statements."""
    import re

    out: list[str | None] = [None] * len(text)
    at = 0
    while at < len(text):
        if blank := re.compile(r"[ \t]+|\r?\n").match(text, at):
            at = blank.end()
            continue
        if comment := re.compile(r"#[^\r\n]*").match(text, at):
            pieces, refused = [(at, comment.end(), Role.COMMENT)], comment.end()
        else:
            tokens, refusal = grammar.scan_by_lark(text[at:])
            pieces = [(at + token.start, at + token.end, roles()[token.type]) for token in tokens]
            refused = len(text) if refusal is None else at + refusal.at
        rest = re.compile(r"(?:[^\r\n]|\r(?!\n))*").match(text, refused)
        assert rest is not None
        for start, end, role in (*pieces, (refused, rest.end(), Role.ERROR)):
            if role is not Role.SPACE:
                out[start:end] = [role.value] * (end - start)
        at = rest.end()
    for bad in re.finditer(BAD_CLASS, text):
        if out[bad.start()] is not None:
            out[bad.start()] = "error"
    return out
