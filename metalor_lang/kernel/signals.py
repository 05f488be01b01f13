"""Signals that are for somebody else for a while.

Invariant: whoever handled them before does so again afterwards.
"""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handled(numbers: Iterable[int], by: Callable[[int, FrameType | None], None]) -> Iterator[bool]:
    """Have signals handled by a function; gives whether they are: only the main thread may say so (signal(3))."""
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    before = {number: signal.signal(number, by) for number in numbers}
    try:
        yield True
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
