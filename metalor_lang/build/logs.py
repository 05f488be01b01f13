"""A step's whole output on disk, and its last lines in memory.

Invariant: every byte a step wrote is in the file, unchanged, before the step's result is known.
"""

from collections import deque
from pathlib import Path

from metalor_lang.guards import Closing
from metalor_lang.hints import Final

TAIL_LINES: Final = 20
_LONGEST: Final = 2000


class StepLog(Closing):
    """The log of one run of one step; replaces that of the run before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = path.open("wb")
        self._lines: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Append what the step wrote."""
        self._file.write(data)
        *lines, rest = (self._rest + data).split(b"\n")
        self._lines.extend(line[-_LONGEST:] for line in lines)
        self._rest = rest[-_LONGEST:]

    @property
    def tail(self) -> tuple[bytes, ...]:
        """The last lines, without line ends; over-long ones are cut at the left."""
        lines = [*self._lines, *([self._rest] if self._rest else [])]
        return tuple(lines[-TAIL_LINES:])

    @property
    def empty(self) -> bool:
        """Whether nothing was written."""
        return not self._lines and not self._rest

    def close(self) -> None:
        """Flush to the file."""
        self._file.close()
