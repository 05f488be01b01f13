"""The one base of the errors this package raises; the CLI maps them to exit codes in one place.

Invariant: every message is a sentence a user can act on; `help` says what to type next.
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses of the `metalor` command."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    MACHINE = 3
    BUG = 4


class MetalorError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: one sentence in the user's words.
        help: what to do next, or "".

    """

    exit: Exit = Exit.REFUSED

    def __init__(self, message: str, *, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class UsageError(MetalorError):
    """The command line (or an API call) is wrong."""

    exit = Exit.USAGE


class MachineError(MetalorError):
    """The machine cannot do it: something is missing, refused or full."""

    exit = Exit.MACHINE
