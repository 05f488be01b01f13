"""The one base of the errors this package raises; the CLI maps them to exit codes in one place.

Invariant: every message is a sentence a user can act on; `help` says what to type next.
"""

import errno
from collections.abc import Mapping
from enum import IntEnum

from metalor_lang.hints import Final


class Exit(IntEnum):
    """Exit statuses of the `metalor` command."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    MACHINE = 3
    BUG = 4


INTERRUPTED: Final = 130
"""Exit status of a command that was ended by Ctrl-C or SIGTERM."""


class ToldInterrupt(KeyboardInterrupt):
    """Somebody ended the command, and has been told so already."""


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


_ROOM: Final = (
    "make room on that disk (where the store is: metalor cache gc), or use another one (for the store: export"
    " METALOR_STORE=/big/disk/metalor)"
)
_OF_THE_MACHINE: Final[Mapping[int, str]] = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "this shell limits the size of files; lift it: ulimit -f unlimited",
    errno.EIO: "the disk or its connection fails: look at the end of `dmesg`",
    errno.EROFS: "use a place that can be written (for the store: export METALOR_STORE=$HOME/metalor-store)",
    errno.EMFILE: "this shell allows too few open files; raise the limit: ulimit -n 4096",
    errno.ENFILE: "the whole machine has too many open files; end some programs, or raise the sysctl fs.file-max",
    errno.ENOMEM: "the machine has too little memory free; end some programs",
    errno.EAGAIN: "too many processes for this user or machine: see ulimit -u",
}
"""Errors that no recipe and no bug of ours can cause, and what helps against each."""


def machine_help(number: int | None) -> str:
    """What helps against an errno that only the machine can cause; "" for any other."""
    return _OF_THE_MACHINE.get(number or 0, "")


def machine_error(error: OSError, doing: str = "") -> MachineError | None:
    """The error to show for a failed system call when the machine is its cause; None when it may be anything else.

    Args:
        error: as caught.
        doing: what could not be done ("the store /x cannot be written"), or "".

    """
    help = machine_help(error.errno)
    if not help:
        return None
    place = f": {error.filename}" if error.filename else ""
    return MachineError(f"{doing}: {error.strerror}{place}" if doing else f"{error.strerror}{place}", help=help)
