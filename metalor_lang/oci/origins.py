"""Where the files of an overlay's directories lie themselves.

Invariant: a regular file that is opened by its name in a directory found here is the one that the view shows under that
name: what an overlay shows at a path comes from the topmost of its directories that has anything there.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from metalor_lang.hints import Final, Self
from metalor_lang.kernel.paths import Root

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY


class Origins:
    """The directories of an overlay; opening and reading a file in them costs two thirds of what it costs in the view.

    Args:
        layers: topmost first. They are opened as they are needed, and closed with the context.
        worth: so many files one after another pay for looking where they lie.

    """

    def __init__(self, layers: Sequence[Path], worth: int = 8) -> None:
        self.worth: Final = worth
        self._paths = layers
        self._roots: list[Root] = []

    def open(self, path: str, start: int) -> tuple[int, int]:
        """Open the directory where files of a directory of the view lie.

        Args:
            path: of a directory that the view shows.
            start: where to begin: the number that was found for a directory above it, 0 at the top.

        Returns:
            its descriptor, which the caller closes, and the number of the layer; -1 for the descriptor when it cannot
            be had.

        """
        for number in range(start, len(self._paths)):
            while len(self._roots) <= number:
                self._roots.append(Root.at(self._paths[len(self._roots)]))
            try:
                return self._roots[number].open_exactly(path, _FLAGS), number
            except FileNotFoundError:
                continue
            except OSError:
                # Whatever is there hides what is further down.
                break
        return -1, start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for root in self._roots:
            root.close()
