"""The folder a session works in: its contexts, its bases, and what they answered before.

Invariant: what was carried out is planned with the answers it was carried out with, so that a file that changes later
changes nothing that is done already.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from metalor_lang.build.bases import Bases
from metalor_lang.build.events import EventSink, Notice
from metalor_lang.build.folders import Folders
from metalor_lang.build.inputs import BuildInputs
from metalor_lang.build.locked import RecipeLock
from metalor_lang.build.reading import RecipeOptions, one_platform, open_contexts, recipe_name
from metalor_lang.build.remotes import Remotes
from metalor_lang.checker.program import Base, Platform, SourceMiss
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.plan.graph import BaseInfo, BindMount, CloneGit, CopyFiles, FetchFile, Inputs
from metalor_lang.record import dataclass, field
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.build.contexts import LocalContexts


class Ground:
    """Where contexts and bases of a recipe are; open until `close`.

    Args:
        path: the recipe's file, which need not exist: its folder is the default context.
        options: contexts, platform and epoch.
        store: the caller's.
        events: who hears of waiting.
        unpacker, owner: as for `build.api.Session`.
        loaded: the recipe was read from that file: it is where `:save` writes to.

    Raises:
        UsageError: a context is no directory that can be read; the platform is none, or several.

    """

    def __init__(
        self,
        path: Path,
        options: RecipeOptions,
        *,
        store: Store,
        events: EventSink,
        unpacker: str = "own",
        owner: tuple[int, int] | None = None,
        loaded: bool = False,
    ) -> None:
        one_platform(options.platform)
        self.path = path
        self.name = recipe_name(path)
        self.loaded = loaded
        self.options = options
        self._store = store
        self._events = events
        self._unpacker = unpacker
        self._owner = owner
        self._stack = ExitStack()
        self._seen: set[tuple[str, str, bool, tuple[str, ...]]] = set()
        self._places: set[str] = set()
        self.look_again()

    @property
    def folder(self) -> Path:
        """Where relative paths of the recipe start."""
        return self.path.parent

    def look_again(self) -> None:
        """Forget what contexts, bases and the lock answered; raises Refused for a damaged lock."""
        self._stack.close()
        self._seen.clear()
        self._places.clear()
        folders = open_contexts(self.path, self.options, self._store.root / "contexts")
        self._folders = self._stack.enter_context(folders)
        self._lock = RecipeLock(self.path if self.loaded else None)
        self._lock.get()  # a damaged one is told when the recipe is taken, not at a statement
        self.bases = Bases(
            self._store,
            self.folder,
            unpacker=self._unpacker,
            cache=self._folders.cache,
            owner=self._owner,
            pins=self._lock.digest,
            on_wait=lambda _: self._events.emit(Notice(text="waiting for another build, which fetches the same base")),
        )

    @property
    def folders(self) -> Folders:
        """The folders, opened when something in them is looked at."""
        return self._folders

    @property
    def contexts(self) -> "LocalContexts":
        """The open folders."""
        return self._folders.opened()

    def close(self) -> None:
        """Close the folders."""
        self._stack.close()

    # --- what the checker asks: what was there once is not looked for again -----------------------------------------

    def names(self) -> frozenset[str]:
        """The named contexts."""
        return self._folders.names()

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        """As `checker.program.Contexts`."""
        asked = (context, source, glob, excludes)
        if asked in self._seen:
            return None
        miss = self._folders.find(context, source, glob=glob, excludes=excludes)
        if miss is None:
            self._seen.add(asked)
        return miss

    def exists(self, path: str) -> bool:
        """As `checker.program.Contexts`."""
        if path not in self._places and self._folders.exists(path):
            self._places.add(path)
        return path in self._places

    def recipe(self, path: str) -> bytes:
        """As `checker.program.Contexts`."""
        return self._folders.recipe(path)

    def answers(self, known: Sequence[str]) -> "Answers":
        """What planning asks, answered from `known` as long as that lasts; the lock beside the recipe comes first."""
        inputs = self._lock.over(BuildInputs(self.bases, self._folders, Remotes(self._store)))
        return Answers(inputs=inputs, known=iter(known))


@dataclass(slots=True, kw_only=True)
class Answers:
    """Implements `plan.graph.Inputs`: contexts are asked in the order of the recipe.

    Args:
        inputs: the real ones.
        known: what they said before, in that order.

    """

    inputs: Inputs
    known: Iterator[str]
    given: list[str] = field(default_factory=list)

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """Identity and configuration of a base."""
        return self.inputs.base(base, platform)

    def content(self, files: CopyFiles, epoch: int) -> str:
        """The digest of what a COPY takes."""
        return self._note(next(self.known, None) or self.inputs.content(files, epoch))

    def bound(self, mount: BindMount) -> str:
        """The digest of a bound context path."""
        return self._note(next(self.known, None) or self.inputs.bound(mount))

    def pinned(self, action: FetchFile | CloneGit) -> str:
        """What an address gives, or a branch is."""
        return self._note(next(self.known, None) or self.inputs.pinned(action))

    def _note(self, answer: str) -> str:
        self.given.append(answer)
        return answer
