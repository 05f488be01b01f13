"""Recipes as canonical text: every statement where `metalor fmt` puts it.

Invariant: formatting keeps the meaning and every comment, and formatting twice changes nothing more.
"""

import re
from collections.abc import Iterator, Sequence

from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.primitives import WHITE_SPACE
from metalor_lang.record import dataclass, field, replace
from metalor_lang.source import SourceFile

if TYPE_CHECKING:
    from metalor_lang.syntax.grammar import Token

INDENT: Final = "    "
OPENS: Final = frozenset({"IF", "ELSE", "FOR", "DEFINE"})
"""First words of the lines behind which the next ones stand further in."""
CLOSES: Final = frozenset({"ELSE", "END"})
"""Of those that stand further out than the lines before them."""

_GAPS = frozenset({"WS", "NL", "BACKSLASH", "COMMENT"})
_BLANKS = WHITE_SPACE.replace("\n", "")


def format_recipe(source: SourceFile) -> str:
    """The recipe in canonical form; a recipe with errors is given back as it is.

    Statements start at the margin, and four blanks further in for each IF, FOR and DEFINE that they stand in; words
    stand one blank apart, continued lines and blocks are indented by four blanks more, an array that was written over
    several lines has one string a line, lines end with LF, blank lines come one at a time. Words stay as they were
    written.
    """
    from metalor_lang.syntax.parser import parse

    if parse(source)[1]:
        return source.text
    return "".join(f"{laid.text}\n" for laid in lay_out(source) if laid.text is not None)


@dataclass(frozen=True, slots=True)
class Laid:
    """Lines of a source (1-based, the last one included), and how they are laid out; None for lines that go."""

    first: int
    last: int
    text: str | None


def lay_out(source: SourceFile) -> list[Laid]:
    """A recipe without errors in canonical form, piece by piece: each statement, each line between them."""
    from metalor_lang.syntax.grammar import scan
    from metalor_lang.syntax.lines import slices

    out: list[Laid] = []
    number = 1
    inside = 0
    for cut in slices(source):
        first = source.position(cut.start).line
        own = max(inside - (cut.word in CLOSES), 0)
        out += _between(source, range(number, first), inside, (source.position(cut.start).column - 1, own))
        text = source.text[cut.start : cut.end]
        number = source.position(max(cut.end - 1, cut.start)).line + 1
        out.append(Laid(first, number - 1, _indented(_Layout(text, scan(text)[0]).text(), own)))
        inside = own + (cut.word in OPENS)
    out += _between(source, range(number, source.line_count + 1), inside)
    return _thinned(out)


def _between(source: SourceFile, lines: range, inside: int, below: tuple[int, int] | None = None) -> Iterator[Laid]:
    """The comment and blank lines of a range of lines.

    Args:
        source: the recipe.
        lines: their numbers.
        inside: in how many blocks they stand.
        below: the column of the statement below them, and in how many blocks that one is put. A comment above an ELSE
            or END is about what stands before it where it is indented further, and else about what comes.

    """
    for number in lines:
        line = source.line(number)
        text = line.strip(_BLANKS)
        depth = inside
        if below is not None and len(line) - len(line.lstrip(_BLANKS)) <= below[0]:
            depth = below[1]
        yield Laid(number, number, _indented(text, depth))


def _indented(text: str, depth: int) -> str:
    if not depth:
        return text
    return "\n".join(line and INDENT * depth + line for line in text.split("\n"))


def _thinned(pieces: Sequence[Laid]) -> list[Laid]:
    """Without blank lines at the start, at the end, and behind other blank lines."""
    last = max((at for at, piece in enumerate(pieces) if piece.text), default=-1)
    out: list[Laid] = []
    blank = True
    for at, piece in enumerate(pieces):
        goes = not piece.text and (blank or at > last)
        blank = not piece.text
        out.append(replace(piece, text=None) if goes else piece)
    return out


@dataclass(slots=True)
class _Gap:
    """What stood between two words: whether the line was broken there, and the comments."""

    breaks: bool = False
    comments: list[str] = field(default_factory=list)


class _Layout:
    """Lays out one statement from its tokens."""

    def __init__(self, source: str, tokens: Sequence["Token"]) -> None:
        self.source = source
        self.tokens = tokens
        self.at = 0
        self.out: list[str] = []

    def raw(self, token: "Token") -> str:
        return self.source[token.start : token.end]

    def gap(self) -> _Gap:
        """Take the gap at the current token."""
        gap = _Gap()
        while self.at < len(self.tokens) and (token := self.tokens[self.at]).type in _GAPS:
            gap.breaks = gap.breaks or token.type == "NL"
            if token.type == "COMMENT":
                gap.comments.append(self.raw(token).rstrip(_BLANKS))
            self.at += 1
        return gap

    def text(self) -> str:
        """The whole statement, without a line end behind it."""
        while self.at < len(self.tokens):
            kind = self.tokens[self.at].type
            if kind in _GAPS:
                self.between()
            elif kind == "LBRACKET":
                self.array()
            elif kind == "SH_TEXT":
                self.shell()
            elif kind in ("RAW_OPEN", "TEXT_OPEN"):
                self.block()
            else:
                self.out.append(self.raw(self.tokens[self.at]))
                self.at += 1
        return "".join(self.out).rstrip(" \t") if not self.tokens[-1].type.endswith("_CLOSE") else "".join(self.out)

    def between(self) -> None:
        gap = self.gap()
        if self.at >= len(self.tokens):
            self.out += [f"  {comment}" for comment in gap.comments]
        elif gap.breaks:
            self.out.append(" \\\n" + "".join(f"{INDENT}{comment}\n" for comment in gap.comments) + INDENT)
        else:
            self.out.append(" ")

    def shell(self) -> None:
        while self.at < len(self.tokens):
            self.out.append(self.raw(self.tokens[self.at]))
            self.at += 1
            gap = self.gap()
            if self.at < len(self.tokens):
                self.out.append("\\\n" + "".join(f"{INDENT}{comment}\n" for comment in gap.comments) + INDENT)

    def block(self) -> None:
        opening = self.tokens[self.at]
        closing = next(token for token in reversed(self.tokens) if token.type.endswith("_CLOSE"))
        fence = self.raw(opening)
        indent = self.raw(closing)[:-3]
        body = self.source[self.source.index("\n", opening.end) + 1 : closing.start]
        self.out.append(fence + "\n")
        for line in re.split(r"\r?\n", body)[:-1]:
            content = line[len(indent) :] if line.startswith(indent) else ""
            self.out.append(f"{INDENT}{content}\n" if content else "\n")
        self.out.append(INDENT + fence)
        self.at = len(self.tokens)

    def array(self) -> None:
        """An array: on one line if it was, else one string a line."""
        end = next(at for at in range(self.at, len(self.tokens)) if self.tokens[at].type == "RBRACKET")
        inner = self.tokens[self.at + 1 : end]
        self.at = end + 1
        items: list[str] = []
        # Comments by the number of items before them; those on a line of their own, and those behind something.
        above: dict[int, list[str]] = {}
        beside: dict[int, str] = {}
        in_string = False
        fresh_line = False
        for token in inner:
            raw = self.raw(token)
            match token.type:
                case "QUOTE":
                    in_string = True
                    items.append(raw)
                case "QUOTE_END":
                    in_string = False
                    items[-1] += raw
                case "NL":
                    fresh_line = True
                    continue
                case "COMMENT" if fresh_line or len(items) in beside:
                    above.setdefault(len(items), []).append(raw.rstrip(_BLANKS))
                case "COMMENT":
                    beside[len(items)] = raw.rstrip(_BLANKS)
                case "WS" | "COMMA":
                    continue
                case _ if in_string:
                    items[-1] += raw
                case _:
                    raise AssertionError(f"{token.type} in an array")
            fresh_line = False
        if not any(token.type == "NL" for token in inner):
            self.out.append("[" + ", ".join(items) + "]")
            return
        self.out.append("[" + (f"  {beside[0]}" if 0 in beside else "") + "\n")
        for index in range(len(items) + 1):
            self.out += [f"{INDENT}{comment}\n" for comment in above.get(index, ())]
            if index < len(items):
                comma = "," if index + 1 < len(items) else ""
                note = f"  {beside[index + 1]}" if index + 1 in beside else ""
                self.out.append(f"{INDENT}{items[index]}{comma}{note}\n")
        self.out.append("]")
