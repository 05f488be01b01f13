"""Completion of the prompt's own commands, which start with `:`, from the caller's table of them.

Invariant: knows no command by name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from metalor_lang.hints import Protocol
from metalor_lang.source import Span
from metalor_lang.tooling.items import Item, ItemKind
from metalor_lang.tooling.paths import Candidate
from metalor_lang.tooling.signature import Signature


class Row(Protocol):
    """A command of the table: its name with the colon, its arguments as they are shown, and what they are."""

    @property
    def name(self) -> str:
        """With its colon."""
        ...

    @property
    def arguments(self) -> str:
        """How they are written; "" for none."""
        ...

    @property
    def help(self) -> str:
        """One line."""
        ...

    @property
    def takes(self) -> str:
        """A key of the answers."""
        ...


Answers = Mapping[str, Callable[[str], Iterable[Candidate]]]
"""What the word at the cursor can be, by what the command takes; asked with the word as far as it is written."""


def is_command(text: str) -> bool:
    """Whether a text is a command and no statement."""
    return text.lstrip(" \t").startswith(":")


def complete_command(text: str, cursor: int, table: Sequence[Row], answers: Answers) -> tuple[Item, ...]:
    """The items for a place in a command line."""
    typed = text[:cursor]
    start = len(typed) - len(typed.lstrip(" \t"))
    name, blank, _ = typed[start:].partition(" ")
    if not blank:
        return tuple(
            Item(
                text=row.name,
                span=Span(start, cursor),
                kind=ItemKind.COMMAND,
                help=row.help,
                suffix=" " if row.arguments else "",
            )
            for row in table
            if row.name.startswith(name)
        )
    row = next((row for row in table if row.name == name), None)
    if row is None or row.takes not in answers:
        return ()
    at = typed.rindex(" ") + 1
    word = typed[at:]
    return tuple(
        Item(text=each.text, span=Span(at + each.cut, cursor), kind=each.kind, help=each.help, suffix=each.suffix)
        for each in answers[row.takes](word)
        if each.text.startswith(word[each.cut :])
    )


def command_signature(text: str, table: Sequence[Row]) -> Signature | None:
    """How the command is written whose name stands in a text."""
    name, blank, _ = text.lstrip(" \t").partition(" ")
    row = next((row for row in table if row.name == name), None)
    if row is None:
        return None
    form = f"{row.name} {row.arguments}".strip()
    active = Span(len(row.name) + 1, len(form)) if blank and row.arguments else Span(0, len(row.name))
    return Signature(form=form, active=active, help=row.help, forms=(form,))
