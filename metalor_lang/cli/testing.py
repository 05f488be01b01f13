"""`--test-report FILE`: a console that keeps what the tests did, and writes it down when the build ends.

Invariant: the file is there from the start, so that a place that cannot be written is refused before anything runs,
and a report of an older build is never taken for this one's.
"""

from collections.abc import Sequence
from pathlib import Path

from metalor_lang.build.events import Event
from metalor_lang.build.owning import replace_text
from metalor_lang.build.reading import STANDARD_INPUT, recipe_name
from metalor_lang.build.results import Results
from metalor_lang.cli.common import complain
from metalor_lang.errors import UsageError
from metalor_lang.plan.graph import Plan
from metalor_lang.screen.console import Console
from metalor_lang.screen.junit import render_junit


class Reporting:
    """A console in front of another one.

    Args:
        path: of the report.
        recipe: path of the recipe.
        screen: shows what happens.

    Attributes:
        failed: whether the report could not be written at the end.

    Raises:
        UsageError: the report cannot be written there.

    """

    def __init__(self, path: Path, recipe: str, screen: Console) -> None:
        self._path = path
        self._recipe = recipe
        self._screen = screen
        self._results = Results()
        self._open = True
        self.failed = False
        try:
            self._write()
        except OSError as error:
            raise UsageError(f"--test-report {path} cannot be written: {error.strerror}") from None

    @property
    def interrupted(self) -> bool:
        """As the screen behind it."""
        return self._screen.interrupted

    def expect(self, plans: Sequence[Plan]) -> None:
        """These plans will be built."""
        self._results.expect(plans)

    def emit(self, event: Event) -> None:
        """Show an event, and keep what it says of a test."""
        self._results.emit(event)
        self._screen.emit(event)

    def close(self) -> None:
        """Leave the screen in order, and write the report; a second call does nothing more."""
        self._screen.close()
        if self._open:
            self._open = False
            try:
                self._write()
            except OSError as error:
                self.failed = True
                complain(f"error: --test-report {self._path} cannot be written: {error.strerror}\n")

    def _write(self) -> None:
        name = "stdin" if self._recipe == STANDARD_INPUT else recipe_name(Path(self._recipe))
        replace_text(self._path, render_junit(self._results, recipe=name, path=self._recipe), None)
