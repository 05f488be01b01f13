"""The contexts of a recipe, opened when something in them is looked at.

Invariant: a folder that was given by name is opened at once, so that a wrong one is told whether it is read or not; the
recipe's own is there, as the recipe was read from it. Most of what reads contexts is imported with the first look.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from metalor_lang.guards import Closing, Lock
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.plan.graph import BindMount, CopyFiles

if TYPE_CHECKING:
    from metalor_lang.build.contexts import LocalContexts
    from metalor_lang.build.nursery import Nursery
    from metalor_lang.build.statcache import StatCache
    from metalor_lang.checker.program import SourceMiss


class Folders(Closing):
    """Contexts for the checker and for planning; implements `checker.program.Contexts` and `inputs.Contents`.

    Args:
        recipe: path of the recipe file.
        named: folder of each context; "" replaces the recipe's own folder.
        memory: where digests of unchanged files are kept between builds; None keeps them in this process.
        ahead: as for `LocalContexts`.

    Raises:
        UsageError: a given context is not a directory that can be read; so do the methods, of the recipe's own.

    """

    def __init__(
        self,
        recipe: Path,
        named: Mapping[str, Path] | None = None,
        *,
        memory: Path | None = None,
        ahead: "Callable[[], Nursery] | None" = None,
    ) -> None:
        self._recipe = recipe
        self._named = dict(named or {})
        self._memory = memory
        self._ahead = ahead
        self._lock = Lock()
        self._cache: StatCache | None = None
        self._opened: LocalContexts | None = None
        if self._named:
            self.opened()

    def opened(self) -> "LocalContexts":
        """The open folders; they stay ours."""
        from metalor_lang.build.contexts import LocalContexts

        cache = self.cache()
        with self._lock:
            if self._opened is None:
                others = {name: folder for name, folder in self._named.items() if name}
                self._opened = LocalContexts(
                    self._recipe, others, default=self._named.get(""), cache=cache, ahead=self._ahead
                )
            return self._opened

    def cache(self) -> "StatCache":
        """The digests of unchanged files."""
        from metalor_lang.build.statcache import StatCache

        with self._lock:
            if self._cache is None:
                self._cache = StatCache(self._memory) if self._memory is not None else StatCache()
            return self._cache

    def close(self) -> None:
        """Close the folders and keep what was learned about their files."""
        if self._opened is not None:
            self._opened.close()

    # --- what the checker asks ------------------------------------------------------------------------------------

    def names(self) -> frozenset[str]:
        """The named contexts."""
        return frozenset(name for name in self._named if name)

    def exists(self, path: str) -> bool:
        """Whether a path relative to the recipe exists."""
        return (self._recipe.parent / path).exists()

    def recipe(self, path: str) -> bytes:
        """The content of a recipe file that is imported; as `importing.read_recipe`."""
        from metalor_lang.build.importing import read_recipe

        return read_recipe(self._recipe.parent, path)

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> "SourceMiss | None":
        """As `LocalContexts.find`."""
        return self.opened().find(context, source, glob=glob, excludes=excludes)

    # --- what planning asks ---------------------------------------------------------------------------------------

    def content(self, files: CopyFiles, epoch: int | None = None) -> str:
        """As `LocalContexts.content`."""
        return self.opened().content(files, epoch)

    def bound(self, mount: BindMount) -> str:
        """As `LocalContexts.bound`."""
        return self.opened().bound(mount)
