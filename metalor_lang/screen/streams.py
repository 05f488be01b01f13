"""Standard output and error of the command, whatever the locale: what is written is never the reason of a failure.

Invariant: what goes to a file or a program is UTF-8, as recipes are; a terminal of another encoding gets what it can
show, and ASCII for the rest.
"""

import codecs
import os
import sys
from io import TextIOWrapper

from metalor_lang.hints import Final

HANDLER: Final = "metalor-ascii"
_ASCII: Final = {
    "…": "...",
    "→": "->",
    "─": "-",
    "│": "|",
    "├": "|",
    "└": "`",
    "·": "-",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
}


def any_text() -> None:
    """Make both streams take any text; one that whoever started us has closed takes it to nowhere."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _reopen()
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, TextIOWrapper):  # somebody's own
            continue
        if stream.encoding.lower().replace("-", "") == "utf8":
            stream.reconfigure(errors="backslashreplace")  # a file's name need not be UTF-8
        elif stream.isatty():
            codecs.register_error(HANDLER, in_ascii)
            stream.reconfigure(errors=HANDLER)
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _reopen() -> None:
    """Open what is closed: else the next file that is opened is standard output, and gets what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            if fd != number:  # it is open after all, but not as the interpreter wants it
                os.dup2(fd, number)
                os.close(fd)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """A handler of encoding errors: our own signs in ASCII, everything else as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    shown = "".join(_ASCII.get(char) or char.encode("ascii", "backslashreplace").decode("ascii") for char in text)
    return shown, error.end
