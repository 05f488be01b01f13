"""Contexts for checks that do not look at files: what is asked for is taken to be there."""

from metalor_lang.checker.program import Contexts, SourceMiss
from metalor_lang.errors import MetalorError
from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True)
class EverythingIsThere:
    """As `checker.program.Contexts`, without looking.

    Args:
        real: those whose names, and whose recipes to import, are taken; None for no named contexts and no imports.

    """

    real: Contexts | None = None

    def names(self) -> frozenset[str]:
        """The real ones."""
        return frozenset() if self.real is None else self.real.names()

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        """It is there."""
        return None

    def exists(self, path: str) -> bool:
        """It does."""
        return True

    def recipe(self, path: str) -> bytes:
        """The real one's; raises MetalorError."""
        if self.real is None:
            raise MetalorError(f"`{path}` is not read")
        return self.real.recipe(path)
