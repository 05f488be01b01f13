"""What a subcommand, an option, an operand and an example are.

Invariant: data only; help, the argument parser, the reference page and shell completion are made from it.
"""

from enum import StrEnum

from metalor_lang.record import dataclass


class Value(StrEnum):
    """What a value is, for completion."""

    NONE = "none"
    FILE = "file"
    DIRECTORY = "directory"
    RECIPE = "recipe"
    CODE = "code"
    COMMAND = "command"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """`--name`, with a value when `metavar` is set."""

    name: str
    help: str
    short: str = ""
    metavar: str = ""
    repeat: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None
    integer: bool = False
    value: Value = Value.OTHER

    @property
    def dest(self) -> str:
        """Attribute of the parsed arguments."""
        return self.name.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A word that is no option. `count` is "1", "?", "+" or "*"."""

    name: str
    help: str
    count: str = "1"
    value: Value = Value.OTHER
    choices: tuple[str, ...] = ()

    @property
    def dest(self) -> str:
        """Attribute of the parsed arguments."""
        return self.name.lower().replace("-", "_").replace(":", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One command line and what it is for."""

    line: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One subcommand.

    Args:
        name: the word after `metalor`.
        summary: one line, no full stop.
        about: a paragraph or two.
        rest: whether words after `--` are a command.

    """

    name: str
    summary: str
    about: str
    operands: tuple[Operand, ...] = ()
    options: tuple[Option, ...] = ()
    examples: tuple[Example, ...] = ()
    rest: bool = False
