"""A text cut into statements and commands.

Invariant: the pieces come in order; put together, with what lies between them, they are the text.
"""

from collections.abc import Iterator

from metalor_lang.record import dataclass, replace
from metalor_lang.syntax.lines import cut_slice
from metalor_lang.syntax.parser import incomplete

COMMAND = ":"
"""How a command begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A statement with the comment lines above it, or a command.

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
    while at < len(text):
        end = _line_end(text, at)
        line = text[at:end]
        if not line.strip() or line.lstrip().startswith("#"):
            at = end + 1
            continue
        first = at + len(line) - len(line.lstrip(" \t"))
        if commands and line.lstrip().startswith(COMMAND):
            yield Piece(text=line.strip(), start=first, command=True)
        else:
            end = max(end, cut_slice(text, first).end)
            yield Piece(text=text[begin:end].rstrip("\n"), start=begin)
        # What is cut short, for something is missing, ends where the next line begins.
        begin = at = end + (text[end - 1 : end] != "\n")


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def needs_more(text: str) -> bool:
    r"""Whether a text ends inside a statement: behind a `\`, in an open array or block."""
    found = tuple(_pieces(text, commands=True))
    return bool(found) and not found[-1].command and incomplete(found[-1].text)
