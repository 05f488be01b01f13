"""The folders that COPY reads: what is visible in them, and the digest of what a COPY would take.

Invariant: nothing outside a context is ever opened for it; what a digest was made of is what is copied, or the copy
fails.
"""

import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from pathlib import Path

from metalor_lang.build.hashing import hash_unknown
from metalor_lang.build.ignore import Rules
from metalor_lang.build.ignorefile import IGNORE_FILE, read_rules, rules_text
from metalor_lang.build.listed import EntryKind, Folder, Found, SourceEntry, entry_of
from metalor_lang.build.listings import Kept
from metalor_lang.build.locked import known_miss
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.pieces import TOP, Hashed, Piece, Pieces, files_text, hashed_files, piece_of
from metalor_lang.build.sources import SourceError, SourceTree, changed, unlike
from metalor_lang.build.statcache import StatCache, hash_file, packed
from metalor_lang.build.watching import Watch
from metalor_lang.checker.program import SourceMiss
from metalor_lang.digest import Json, json_digest, sha256
from metalor_lang.errors import UsageError, machine_error
from metalor_lang.guards import Closing
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.plan.graph import BindMount, CopyFiles, CopySource
from metalor_lang.record import dataclass, field

if TYPE_CHECKING:
    from metalor_lang.build.nursery import Nursery, Sapling

_Hashed = Mapping[str, Hashed]
"""By directory, as `Folder.path`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one COPY takes from a context.

    Args:
        found: what each source stands for.
        digest: of it all.
        pieces: for each, the text that its digest is of.

    """

    found: tuple[Found, ...]
    digest: str
    pieces: tuple[Pieces, ...] = field(repr=False)

    @property
    def kept(self) -> Kept:
        """What is kept of it."""
        return Kept(digest=self.digest, names=tuple(each.name for each in self.found), pieces=self.pieces)


class LocalContexts(Closing):
    """Contexts that are folders of this machine; implements `checker.program.Contexts`.

    Args:
        recipe: path of the recipe file; its folder is the default context and the start of local base paths.
        named: folder of each named context.
        default: another folder for the default context.
        cache: digests of unchanged files; kept in memory when None.
        ahead: makes what writes copies while they are digested, when it is first of use; None to digest only.

    Raises:
        UsageError: a context is not a directory that can be read.

    """

    def __init__(
        self,
        recipe: Path,
        named: Mapping[str, Path] | None = None,
        *,
        default: Path | None = None,
        cache: StatCache | None = None,
        ahead: "Callable[[], Nursery] | None" = None,
    ) -> None:
        self._recipe = recipe
        self._make_nursery = ahead
        self.nursery: Nursery | None = None
        """What copies were written ahead in, once there are any."""
        self._cache = cache or StatCache()
        self._lock = threading.Lock()
        self._listed: dict[tuple[str, tuple[CopySource, ...], tuple[str, ...], bool], Listing] = {}
        self._bound: dict[tuple[str, str], Listing] = {}
        self._folders = {"": default or recipe.parent, **(named or {})}
        self._fds: dict[str, int] = {}
        for name, folder in self._folders.items():
            self._fds[name] = _open_context(name, folder)

    def close(self) -> None:
        """Close the folders, keep what was learned about their files, throw away what was copied and not used."""
        self._cache.save()
        if self.nursery is not None:
            self.nursery.close()
        while self._fds:
            os.close(self._fds.popitem()[1])

    # --- what the checker asks ------------------------------------------------------------------------------------

    def names(self) -> frozenset[str]:
        """The named contexts."""
        return frozenset(name for name in self._folders if name)

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        """None when a source matches something visible, else why it does not.

        Raises:
            SourceError: the rules cannot be read, or there is a `.dockerignore` alone and the source is a directory.

        """
        tree = self._tree(context, (CopySource(path=source, glob=glob),))
        spots = tree.spots(CopySource(path=source, glob=glob), Rules(excludes, "--exclude"))
        if isinstance(spots, SourceMiss):
            return known_miss(spots, self._recipe, self._folders[context] / source)
        for spot in spots:
            if spot.directory and tree.guard is not None:
                tree.guard(spot.shown)
        return None

    def exists(self, path: str) -> bool:
        """Whether a path relative to the recipe exists."""
        return (self._recipe.parent / path).exists()

    def recipe(self, path: str) -> bytes:
        """The content of a recipe file that is imported; as `importing.read_recipe`."""
        from metalor_lang.build.importing import read_recipe

        return read_recipe(self._recipe.parent, path)

    # --- what a build asks ----------------------------------------------------------------------------------------

    def folder(self, context: str) -> Path:
        """The folder of a context."""
        return self._folders[context]

    def directory(self, context: str) -> int:
        """The open folder of a context; stays ours."""
        return self._fds[context]

    def content(self, files: CopyFiles, epoch: int | None = None) -> str:
        """The digest of what a COPY takes: names, kinds, executable bits, link targets, contents.

        Args:
            files: the COPY.
            epoch: of its stage, in seconds since 1970: what nobody has seen is copied while it is read; None only to
                read.

        Raises:
            SourceError: a source matches nothing (with its `miss`), or what it matches cannot be copied.

        """
        listing = self._list(files, epoch)
        with self._lock:
            self._listed[_key(files)] = listing
        return listing.digest

    def listing(self, files: CopyFiles) -> Listing:
        """What a COPY takes: as its digest saw it, where `content` was asked before.

        Raises:
            SourceError: as `content`.

        """
        with self._lock:
            known = self._listed.get(_key(files))
        return known or self._list(files)

    def bound(self, mount: BindMount) -> str:
        """The digest of a context path that `--bind` shows to a step.

        Raises:
            SourceError: as `content`.

        """
        source = CopySource(path=mount.source, glob=False)
        tree = self._tree(mount.context, (source,))
        began = time.time_ns()
        taken = tree.take(source, ())
        if isinstance(taken, SourceMiss):
            raise _missing(source, taken)
        digest, pieces = self._digest(tree, taken, began, {})
        with self._lock:
            self._bound[mount.context, mount.source] = Listing(found=taken, digest=digest, pieces=pieces)
        return digest

    def bound_listing(self, mount: BindMount) -> Listing:
        """What a `--bind` shows, as its digest saw it, where `bound` was asked before; errors as `bound`."""
        with self._lock:
            known = self._bound.get((mount.context, mount.source))
        if known is None:
            self.bound(mount)
            return self._bound[mount.context, mount.source]
        return known

    def rules(self, context: str) -> str:
        """The text of the rules that hide files of a context, "" where there are none.

        Raises:
            SourceError: they cannot be read.

        """
        return rules_text(self._fds[context]) or ""

    def bound_path(self, mount: BindMount) -> str:
        """The canonical path, in its context, of what a `--bind` shows.

        Raises:
            SourceError: it matches nothing.

        """
        source = CopySource(path=mount.source, glob=False)
        spots = self._tree(mount.context, (source,)).spots(source, Rules((), "--exclude"))
        if isinstance(spots, SourceMiss):
            raise _missing(source, spots)
        return spots[0].at.path

    def _list(self, files: CopyFiles, epoch: int | None = None) -> Listing:
        tree = self._tree(files.context, files.sources)
        found: list[Found] = []
        watches: dict[int, Watch] = {}
        began = time.time_ns()
        for source in files.sources:
            watch = None
            if epoch is not None and self._make_nursery is not None:
                watch = Watch(self._cache, partial(self._begin, files, len(found), epoch, tree.fd))
            taken = tree.take(source, files.excludes, watch.see if watch is not None else None)
            if not isinstance(taken, SourceMiss):
                found.extend(taken)
                if watch is not None and len(taken) == 1:
                    watches[len(found) - 1] = watch
            elif not files.optional:
                raise _missing(source, taken)
        digest, pieces = self._digest(tree, tuple(found), began, watches)
        return Listing(found=tuple(found), digest=digest, pieces=pieces)

    def _begin(self, files: CopyFiles, number: int, epoch: int, root: int, origin: str) -> "Sapling | None":
        if self.nursery is None:
            assert self._make_nursery is not None
            self.nursery = self._make_nursery()
        return self.nursery.begin(tree_key(files, number), files, epoch, root, origin)

    def _digest(
        self, tree: SourceTree, found: tuple[Found, ...], began: int, watches: Mapping[int, Watch]
    ) -> tuple[str, tuple[Pieces, ...]]:
        """The digest of what was found, and the text that it is of."""
        opener = SourceOpener(tree.fd)
        try:
            hashed = {number: watch.finish(opener, found[number]) for number, watch in watches.items()}
            pieces = tuple(
                self._pieces(opener, each, began, hashed.get(number, {})) for number, each in enumerate(found)
            )
        finally:
            opener.close()
            self._cache.save()
        value: list[Json] = [
            [each.contents, sha256(os.fsencode(f"{each.name}\0" + "".join([piece.head for piece in some.values()])))]
            for each, some in zip(found, pieces)
        ]
        return json_digest(value), pieces

    def _pieces(self, opener: SourceOpener, found: Found, began: int, hashed: _Hashed) -> Pieces:
        top = found.top
        match top.kind:
            case EntryKind.FILE:
                sha = self._cache.digest(top.info)
                if sha is None:
                    sha = self._hash(opener, found, top)
                    self._cache.remember(top.info, sha)
                return {TOP: Piece(f"\0{'x' if top.mode & 0o111 else 'f'}\0{sha}\0")}
            case EntryKind.DIRECTORY:
                pieces = {TOP: Piece("\0d\0\0")}
            case EntryKind.LINK | EntryKind.SPECIAL:
                return {TOP: Piece(f"\0l\0{top.target}\0")}
        unknown = []
        for folder in found.folders:
            names, infos = folder.files
            known = self._cache.marked(folder.info, names, infos) if names else (b"", b"")
            if known is None:
                pieces[folder.path] = Piece("")  # in its order
                unknown.append(folder)
            else:
                mark, shas = known
                pieces[folder.path] = piece_of(folder, mark, partial(files_text, folder, shas))
        hashed = hashed or hash_unknown(opener.root, found, unknown, self._cache)
        for folder in unknown:
            pieces[folder.path] = self._piece(opener, found, folder, began, hashed.get(folder.path))
        return pieces

    def _piece(self, opener: SourceOpener, found: Found, folder: Folder, began: int, hashed: Hashed | None) -> Piece:
        names, infos = folder.files
        if hashed is None:
            known = self._cache.digests(folder.info, names, infos)
            each = [
                sha or self._hash(opener, found, entry_of(folder.path + name, info, "", False))
                for name, info, sha in zip(names, infos, known)
            ]
            hashed = hashed_files(folder, packed(infos), bytes.fromhex("".join(each)))
        self._cache.learn(folder.info, names, hashed.status, hashed.shas, began, hashed.mark)
        return piece_of(folder, hashed.mark, hashed.text)

    def _hash(self, opener: SourceOpener, found: Found, entry: SourceEntry) -> str:
        fd = opener.open(found, entry)
        try:
            sha = hash_file(fd, entry.size)
            if unlike(entry.info, os.fstat(fd)):
                raise changed(found.place(entry))
        finally:
            os.close(fd)
        return sha

    # --- the trees ------------------------------------------------------------------------------------------------

    def _tree(self, context: str, sources: tuple[CopySource, ...]) -> SourceTree:
        fd = self._fds[context]
        rules = read_rules(fd)

        def guard(shown: str) -> None:
            if rules is None and _there(fd, ".dockerignore"):
                raise SourceError(
                    f"`{shown}` is a directory of a context with a `.dockerignore` and no `{IGNORE_FILE}`",
                    help=f"write a `{IGNORE_FILE}` (rules as in .gitignore) next to it; it may be empty",
                )

        asked = {os.path.normpath(source.path) for source in sources if not source.glob}
        return SourceTree(
            fd=fd,
            label="the context" if not context else f"the context `{context}`",
            clamp=False,
            rules=rules or Rules((), IGNORE_FILE),
            unnamed=frozenset(self._private(context) - asked),
            guard=guard,
        )

    def _private(self, context: str) -> set[str]:
        """What is copied only when it is named: the recipe, its lock, the rules."""
        private = {IGNORE_FILE}
        folder = os.path.realpath(self._folders[context])
        recipe = os.path.join(os.path.realpath(self._recipe.parent), self._recipe.name)
        for path in (recipe, recipe + ".lock", recipe.removesuffix(".metalor") + ".lock"):
            inside = os.path.relpath(path, folder)
            if not inside.startswith(".."):
                private.add(inside)
        return private


def _open_context(name: str, folder: Path) -> int:
    called = f"the context `{name}`" if name else "the default context"
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        raise UsageError(f"{called} is not a directory: {folder}") from None
    except OSError as error:
        if (shown := machine_error(error, f"{called} cannot be opened")) is not None:
            raise shown from None
        raise UsageError(f"{called} cannot be opened: {folder}: {error.strerror}") from None


def _there(fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _missing(source: CopySource, miss: SourceMiss) -> SourceError:
    help = f"did you mean `{miss.nearest}`?" if miss.nearest else ""
    return SourceError(f"`{source.path}` matches nothing: {miss.detail}", help=help, miss=miss)


def tree_key(files: CopyFiles, number: int) -> Hashable:
    """What the copy of a source of a COPY, counted from 0, is called in the nursery."""
    return (*_key(files), number)


def _key(files: CopyFiles) -> tuple[str, tuple[CopySource, ...], tuple[str, ...], bool]:
    return files.context, files.sources, files.excludes, files.optional
