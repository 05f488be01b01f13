"""A text cut into statements and commands.

Invariant: the pieces come in order; put together, with what lies between them, they are the text.
"""

from collections.abc import Iterator

from metalor_lang.record import dataclass, replace
from metalor_lang.source import SourceFile
from metalor_lang.syntax.formatter import CLOSES, OPENS
from metalor_lang.syntax.lines import Slice, cut_slice, slices
from metalor_lang.syntax.parser import incomplete

COMMAND = ":"
"""How a command begins."""
OPENERS = frozenset({"IF", "FOR", "DEFINE"})
"""First words of the lines that END closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A statement with the comment lines above it (IF, FOR and DEFINE up to their END), or a command.

    Args:
        text: without the line end behind it.
        start: where it begins in the whole text.
        command: whether it is a command.

    """

    text: str
    start: int
    command: bool = False


def pieces(text: str, *, commands: bool = True) -> tuple[Piece, ...]:
    """The pieces of a text; comments below the last statement belong to it.

    Args:
        text: what was typed, or a recipe.
        commands: whether a line that begins with a colon is a command.

    """
    found = list(_pieces(text, commands=commands))
    if found and not found[-1].command:
        last = found[-1]
        rest = text[last.start + len(last.text) :].rstrip()
        if rest:
            found[-1] = replace(last, text=last.text + text[last.start + len(last.text) :].rstrip("\n"))
    return tuple(found)


def _pieces(text: str, *, commands: bool) -> Iterator[Piece]:
    begin = at = 0
    inside = 0
    while at < len(text):
        end = _line_end(text, at)
        line = text[at:end]
        if not line.strip() or line.lstrip().startswith("#"):
            at = end + 1
            continue
        first = at + len(line) - len(line.lstrip(" \t"))
        if commands and line.lstrip().startswith(COMMAND):
            if inside:  # a block that a command cuts short: it is refused, and the command with it not carried out
                yield Piece(text=text[begin:at].rstrip("\n"), start=begin)
                inside = 0
            yield Piece(text=line.strip(), start=first, command=True)
        else:
            cut = cut_slice(text, first)
            end = max(end, cut.end)
            inside = max(inside + _opens(cut), 0)
            if not inside:
                yield Piece(text=text[begin:end].rstrip("\n"), start=begin)
        # What is cut short, for something is missing, ends where the next line begins.
        at = end + (text[end - 1 : end] != "\n")
        begin = begin if inside else at
    if inside:
        yield Piece(text=text[begin:].rstrip("\n"), start=begin)


def _opens(cut: Slice) -> int:
    """How many blocks a statement opens; a refused line is one of its block, too."""
    return (cut.word in OPENERS) - (cut.word == "END")


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def needs_more(text: str) -> bool:
    r"""Whether a text ends inside a statement or a block: behind a `\`, in an open array or fence, before an END."""
    found = tuple(_pieces(text, commands=True))
    return bool(found) and not found[-1].command and (incomplete(found[-1].text) or inside_blocks(found[-1].text) > 0)


def inside_blocks(text: str) -> int:
    """In how many IF, FOR and DEFINE the end of a text stands."""
    inside = 0
    for cut in slices(SourceFile("", text)):
        inside = max(inside + _opens(cut), 0)
    return inside


def margin(text: str) -> tuple[int, int] | None:
    """In how many blocks the last line of a text is put, and in how many the one behind it.

    None where the text ends inside a statement: its lines are the person's own.
    """
    if incomplete(text):
        return None
    inside = own = 0
    for cut in slices(SourceFile("", text)):
        own = max(inside - (cut.word in CLOSES), 0)
        inside = own + (cut.word in OPENS)
    return own, inside
