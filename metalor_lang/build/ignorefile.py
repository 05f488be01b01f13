"""The file that says what of a context is invisible.

Invariant: it is read beneath the context's folder, without following a link, and only up to a size.
"""

import os

from metalor_lang.build.ignore import Rules
from metalor_lang.build.sources import EXACT, SourceError
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import open_beneath

IGNORE_FILE: Final = ".metalorignore"
_LIMIT: Final = 1 << 20


def read_rules(fd: int) -> Rules | None:
    """The rules of an open context, None where it has none; raises SourceError."""
    text = rules_text(fd)
    return None if text is None else Rules(text.split("\n"), IGNORE_FILE)


def rules_text(fd: int) -> str | None:
    """The text of the rules of an open context, None where it has none; raises SourceError."""
    try:
        opened = open_beneath(fd, IGNORE_FILE, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, resolve=EXACT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"`{IGNORE_FILE}` cannot be read: {os.strerror(error.errno or 0)}") from None
    with open(opened, "rb") as stream:
        data = stream.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise SourceError(f"`{IGNORE_FILE}` is longer than {_LIMIT} bytes")
    return os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
