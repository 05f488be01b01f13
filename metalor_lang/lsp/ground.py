"""What stands around a recipe on disk: the folders of its contexts, and what is known of its bases.

Invariant: only reads, and never a network, a namespace or a program; nothing raises. What was asked is remembered
until `look_again`, so that a keystroke asks the disk nothing twice.
"""

from collections.abc import Mapping
from pathlib import Path

from metalor_lang.build.folders import Folders
from metalor_lang.build.known import HereAlready, Settled, settle
from metalor_lang.build.locked import lock_path, read_lock_file
from metalor_lang.checker.program import Base, ImageBase, Platform, Program, RootfsBase, SourceMiss
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import MetalorError
from metalor_lang.lsp.settings import Settings
from metalor_lang.plan.graph import BaseInfo, InputError
from metalor_lang.plan.lock import Lock
from metalor_lang.record import replace
from metalor_lang.source import Span
from metalor_lang.store.store import default_path

_Asked = tuple[str, str, bool, tuple[str, ...]]


class Ground:
    """The surroundings of one recipe; implements `checker.program.Contexts`.

    Args:
        path: the recipe's file, which need not exist; None for a text that is no file: then every source is there.
        settings: contexts and store.
        root: where relative folders of the settings start.

    """

    def __init__(self, path: Path | None, settings: Settings, root: Path | None = None) -> None:
        self.path = path
        self._root = root or (path.parent if path is not None else Path.cwd())
        self.folders = {name: self._root / folder for name, folder in settings.contexts.items()}
        if path is not None:
            self.folders.setdefault("", path.parent)
        self.store = settings.store or default_path()
        self._open: Folders | None = None
        self._opened: dict[str, Path] = {}
        self._found: dict[_Asked, SourceMiss | MetalorError | None] = {}
        self._there: dict[str, bool] = {}
        self._bases: dict[tuple[Base, Platform], BaseInfo | None] = {}
        self._lock: tuple[Lock | None, tuple[Diagnostic, ...]] | None = None

    @property
    def folder(self) -> Path | None:
        """Where relative paths of the recipe start; None where there is no file."""
        return None if self.path is None else self.path.parent

    @property
    def missing(self) -> tuple[str, ...]:
        """The contexts of the settings that are no folders."""
        return tuple(name for name, folder in self.folders.items() if name and not folder.is_dir())

    def look_again(self) -> None:
        """Forget what the disk answered."""
        self._found.clear()
        self._there.clear()
        self._bases.clear()
        self._lock = None
        self.close()

    def close(self) -> None:
        """Close the folders; a later question opens them again."""
        if self._open is not None:
            self._open.close()
            self._open = None

    # ---- what the checker asks ---------------------------------------------------------------------------------

    def names(self) -> frozenset[str]:
        """The named contexts, those whose folder is missing too."""
        return frozenset(name for name in self.folders if name)

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        """As `checker.program.Contexts`; a context that cannot be opened holds everything."""
        asked = (context, source, glob, excludes)
        if asked not in self._found:
            self._found[asked] = self._find(asked)
        answer = self._found[asked]
        if isinstance(answer, MetalorError):
            raise answer
        return answer

    def _find(self, asked: _Asked) -> SourceMiss | MetalorError | None:
        context, source, glob, excludes = asked
        contexts = self._contexts()
        if contexts is None or context not in self._opened:
            return None
        try:
            return contexts.find(context, source, glob=glob, excludes=excludes)
        except MetalorError as error:
            return error
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """As `checker.program.Contexts`."""
        if self.path is None:
            return True
        if path not in self._there:
            try:
                self._there[path] = (self.path.parent / path).exists()
            except (OSError, ValueError):
                self._there[path] = False
        return self._there[path]

    def recipe(self, path: str) -> bytes:
        """As `checker.program.Contexts`."""
        if self.path is None:
            raise MetalorError("a text without a file imports nothing", help="save it first")
        from metalor_lang.build.importing import read_recipe

        return read_recipe(self.path.parent, path)

    def _contexts(self) -> Folders | None:
        if self._open is None and self.path is not None:
            self._opened = {name: folder for name, folder in self.folders.items() if folder.is_dir()}
            if "" not in self._opened:
                return None
            try:
                self._open = Folders(self.path, self._opened)
            except MetalorError:
                return None
        return self._open

    # ---- what is known of bases --------------------------------------------------------------------------------

    def settled(self, program: Program) -> Settled:
        """What the bases that are here say of a program whose arguments all have values."""
        folder = self._root if self.path is None else self.path.parent
        found = settle(program, folder, self.store, self.lock)
        if not self.damage:
            return found
        return replace(found, wrong=(*self.damage, *found.wrong))

    @property
    def lock(self) -> Lock | None:
        """The lock beside the recipe; None where there is none that can be read."""
        return self._read_lock()[0]

    @property
    def damage(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the lock, said at the recipe's beginning."""
        return self._read_lock()[1]

    def _read_lock(self) -> tuple[Lock | None, tuple[Diagnostic, ...]]:
        if self._lock is None:
            self._lock = (None, ()) if self.path is None else _lock_of(self.path)
        return self._lock

    def base(self, base: Base | None, platform: Platform) -> BaseInfo | None:
        """What is known of a base without fetching it; None where nothing is."""
        if not isinstance(base, ImageBase | RootfsBase) or self.path is None:
            return None
        if (base, platform) not in self._bases:
            self._bases[base, platform] = self._base(base, platform)
        return self._bases[base, platform]

    def environment(self, base: Base | None, platform: Platform) -> Mapping[str, str]:
        """The environment that a base sets, as far as it is known."""
        info = self.base(base, platform)
        return {} if info is None else dict(info.state.env)

    def _base(self, base: ImageBase | RootfsBase, platform: Platform) -> BaseInfo | None:
        assert self.path is not None
        try:
            return HereAlready(self.path.parent, self.store, self.lock).base(base, platform)
        except (InputError, MetalorError, OSError, ValueError):
            return None


def _lock_of(recipe: Path) -> tuple[Lock | None, tuple[Diagnostic, ...]]:
    try:
        lock, text, wrong = read_lock_file(recipe)
    except MetalorError:
        return None, ()  # this machine cannot read what is there: a build will say so
    if text is None or not wrong:
        return lock, ()
    said = f"{lock_path(recipe).name}:{text.position(wrong[0].span.start)}: {wrong[0].message}"
    return None, (replace(wrong[0], message=said, span=Span(0, 0)),)
