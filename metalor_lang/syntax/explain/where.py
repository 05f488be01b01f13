"""A refused statement and how far it was right: what the rules look at.

Invariant: offsets are into the statement; only spans are absolute.
"""

import re
from collections.abc import Callable, Sequence

from metalor_lang.diagnostics.model import Diagnostic, Edit, Label
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax.grammar import Token
from metalor_lang.syntax.lines import Slice
from metalor_lang.syntax.statements import BY_WORD, StatementSpec

_GAPS = frozenset({"WS", "NL", "BACKSLASH", "COMMENT"})


@dataclass(frozen=True, slots=True)
class Where:
    """A refused statement and how far it was right.

    Args:
        text: the statement's text; offsets are into it.
        at: the first refused character.
        tokens: what was right before it.
        solid: those of them that are no gaps.

    """

    source: SourceFile
    cut: Slice
    text: str
    at: int
    tokens: Sequence[Token]
    solid: Sequence[Token]
    expected: frozenset[str]

    @property
    def char(self) -> str:
        """The refused character, "" at the end."""
        return self.text[self.at : self.at + 1]

    @property
    def ended(self) -> bool:
        """Whether the line ends here (or only a comment follows)."""
        if self.char in ("", "\n", "\r") or not self.rest.strip(" \t"):
            return True
        # A `#` starts a comment only behind white space.
        behind_blank = self.char in " \t" or self.text[self.at - 1 : self.at] in (" ", "\t")
        return behind_blank and self.rest.lstrip(" \t").startswith("#")

    @property
    def rest(self) -> str:
        """The text up to the line's end."""
        return re.split(r"\r?\n", self.text[self.at :], maxsplit=1)[0]

    @property
    def chunk(self) -> str:
        """The text up to the next white space."""
        return self.rest.split(maxsplit=1)[0] if self.rest[:1].strip() else ""

    @property
    def last(self) -> str:
        """The type of the last token, gaps included."""
        return self.tokens[-1].type if self.tokens else ""

    @property
    def last_solid(self) -> str:
        """The type of the last token that is no gap."""
        return self.solid[-1].type if self.solid else ""

    @property
    def touching(self) -> bool:
        """Whether the refused character stands right behind a token that is no gap."""
        return bool(self.tokens) and self.last not in _GAPS

    @property
    def word(self) -> str:
        """The statement's word; of TEST the one of its step, once it is there."""
        if not self.solid:
            return ""
        if self.solid[0].type == "TEST" and len(self.solid) > 1:
            return self.solid[1].type
        return self.solid[0].type

    @property
    def spec(self) -> StatementSpec:
        """The row of the statement."""
        return BY_WORD[self.word]

    def raw(self, token: Token) -> str:
        """A token's text."""
        return self.text[token.start : token.end]

    def span(self, start: int, end: int) -> Span:
        """An absolute span."""
        return Span(self.cut.start + start, self.cut.start + end)

    def here(self, length: int = 0) -> Span:
        """The span of `length` characters from the refused one; at least that one where there is one."""
        length = max(length, 1 if self.char and self.char not in "\r\n" else 0)
        return self.span(self.at, self.at + length)

    def whole(self) -> Span:
        """From the refused character to the end of what is written on the line."""
        return self.here(len(self.rest.rstrip(" \t")))

    def say(
        self,
        code: str,
        message: str,
        help: str,
        span: Span | None = None,
        labels: tuple[Label, ...] = (),
        edits: tuple[Edit, ...] = (),
    ) -> Diagnostic:
        """A diagnostic here, or at `span`."""
        span = self.here(len(self.chunk)) if span is None else span
        return Diagnostic(code=code, message=message, span=span, help=help, labels=labels, edits=edits)  # fmt: skip

    def label(self, token: Token, text: str) -> tuple[Label, ...]:
        """A label on a token."""
        return (Label(span=self.span(token.start, token.end), text=text),)

    def open_token(self, opening: str, closing: str) -> Token | None:
        """The last token of a type when no closing one stands behind it."""
        for token in reversed(self.solid):
            if token.type == closing:
                return None
            if token.type == opening:
                return token
        return None


Rule = Callable[[Where], Diagnostic | None]
