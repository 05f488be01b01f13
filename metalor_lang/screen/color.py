"""Whether colours are wanted.

Invariant: the environment decides before the terminal does.
"""

import os


def color(stream: object) -> bool:
    """Whether colours are wanted on a stream (NO_COLOR, CLICOLOR_FORCE and the terminal decide)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty()) and os.environ.get("TERM") != "dumb"
