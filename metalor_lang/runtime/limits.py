"""What a step may use; of the requests, all that the options of a build need."""

from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a step may use at the most; None is no limit.

    Args:
        memory: bytes, of all its processes together; of each one where the machine offers no control group.
        processes: how many at once, threads included.

    """

    memory: int | None = None
    processes: int | None = None
