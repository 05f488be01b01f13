"""Why something could not be fetched.

Invariant: a message names the address as the recipe has it, never a password, and never what a server put into the
address that it sent us to.
"""

from metalor_lang.errors import MetalorError


class FetchRefused(MetalorError):
    """What was asked for cannot be had: the server says no, or gives something else."""


class Broken(Exception):
    """A transfer stopped before its end: worth another try.

    Args:
        reason: a clause such as "the connection was closed after 12 of 100 bytes".
        wait: seconds that the server asks us to wait, or None.

    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
