"""Values of a command line that are more than words: platforms, a time.

Invariant: pure but for `now`; every refusal shows a right value.
"""

import time

from metalor_lang.checker.platforms import PlatformError, parse_platforms
from metalor_lang.checker.program import Platform
from metalor_lang.errors import UsageError


def one_platform(text: str | None) -> Platform | None:
    """The value of `--platform` where one is taken; None for this machine's.

    Raises:
        UsageError: it is none, or several.

    """
    if text is None:
        return None
    found = several_platforms(text)
    if len(found) > 1:
        raise UsageError(
            f"--platform: one platform is taken here, not {len(found)}",
            help=f"write --platform {found[0]}; `metalor build` takes several",
        )
    return found[0]


def several_platforms(text: str) -> tuple[Platform, ...]:
    """The value of `--platform` of a build; raises UsageError."""
    try:
        return parse_platforms(text)
    except PlatformError as error:
        raise UsageError(f"--platform: {error.args[0]}", help=error.args[1]) from None


def parse_epoch(text: str) -> int:
    """The value of `--epoch`: seconds since 1970 or `now`.

    Raises:
        UsageError: anything else.

    """
    if text == "now":
        return int(time.time())
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise UsageError(f"--epoch: {text!r} is no time", help="write seconds since 1970, or now")
    return int(text)
