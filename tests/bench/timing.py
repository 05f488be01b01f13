"""Ours and a floor, measured in turns, so that a drift of the machine meets both."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

STEADY: Final = 1.25
_TRIES: Final = 3

Timed = Callable[[], float]


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def timed(work: Callable[[], object]) -> Timed:
    """As a function that gives its own time."""
    return lambda: seconds(work)


def median(work: Timed, times: int) -> float:
    return statistics.median(work() for _ in range(times))


def settled(work: Timed) -> float:
    """What it gives, with nothing left to be written to the disk when it begins."""
    os.sync()
    return work()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    ours: float
    floor: float
    steady: bool


def beside(ours: Timed, floor: Timed, times: int) -> Beside:
    """Medians of both, in turns; begun again when the floors before and after differ too much.

    Each begins when what the other wrote is on the disk: who syncs a file system would wait for it, too.

    Args:
        ours: gives its own seconds.
        floor: gives its own seconds.
        times: how often ours runs; the floor runs once more.

    """
    for _ in range(_TRIES):
        floors, taken = [settled(floor)], []
        for _ in range(times):
            taken.append(settled(ours))
            floors.append(settled(floor))
        if steady := _steady(floors):
            break
    return Beside(ours=statistics.median(taken), floor=statistics.median(floors), steady=steady)


def _steady(floors: Sequence[float]) -> bool:
    half = (len(floors) + 1) // 2
    before, after = statistics.median(floors[:half]), statistics.median(floors[-half:])
    return max(before, after) <= STEADY * min(before, after)
