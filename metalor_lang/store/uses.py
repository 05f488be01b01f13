"""When each recipe was used last: one empty file for each, of which only the time counts.

Invariant: noting never fails a build; what cannot be noted is not.
"""

import os
import time
from pathlib import Path

from metalor_lang.digest import sha256
from metalor_lang.hints import Final
from metalor_lang.store import files

_REFRESH: Final = 60.0
"""Seconds after which the use of a recipe is noted again."""


class Uses:
    """The notes of one store."""

    def __init__(self, root: Path) -> None:
        self._directory = root / "used"
        self._noted: dict[str, float] = {}

    def note(self, recipe: str) -> None:
        """A record of the recipe is used now."""
        now = time.monotonic()
        if now - self._noted.get(recipe, -_REFRESH) < _REFRESH:
            return
        self._noted[recipe] = now
        path = self._path(recipe)
        try:
            os.utime(path)
        except OSError:
            try:
                files.make_directory(self._directory)
                os.close(files.open_private(path, os.O_WRONLY | os.O_CREAT))
            except OSError:
                pass

    def last(self, recipe: str) -> int:
        """The time in nanoseconds since 1970; 0 for never."""
        try:
            return self._path(recipe).stat().st_mtime_ns
        except OSError:
            return 0

    def _path(self, recipe: str) -> Path:
        return self._directory / sha256(os.fsencode(recipe)).removeprefix("sha256:")[:32]
