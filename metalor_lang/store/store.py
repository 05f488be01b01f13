"""The store: one directory per user that remembers what builds made.

Invariant: opening a store repairs what a killed process left (unfinished work without an owner is deleted, damaged
things are quarantined) and never fails for it; it fails only where the machine or another version is in the way.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from metalor_lang.guards import Closing
from metalor_lang.hints import TYPE_CHECKING, Final, Self
from metalor_lang.pattern import pattern
from metalor_lang.store import files
from metalor_lang.store.blobs import Blobs
from metalor_lang.store.core import DIRECTORIES, NOBODY, Core
from metalor_lang.store.errors import StoreError, StoreUnwritable, WrongVersion, guarded
from metalor_lang.store.leases import Lease, live_leases
from metalor_lang.store.locks import Locks
from metalor_lang.store.publishing import Publishing
from metalor_lang.store.records import Layers, Steps, file_name
from metalor_lang.store.snapshots import Snapshots
from metalor_lang.store.uses import Uses

if TYPE_CHECKING:
    from metalor_lang.store.caches import Caches
    from metalor_lang.store.downloads import Downloads
    from metalor_lang.store.gc import GcReport, KeepPolicy
    from metalor_lang.store.tally import Tally
    from metalor_lang.store.usage import StoreUsage
    from metalor_lang.store.verify import VerifyReport

VERSION: Final = "metalor store 2\n"
_OWNED: Final = pattern(r"([0-9a-f]{16})-")


def default_path() -> Path:
    """`$METALOR_STORE`, else `$XDG_CACHE_HOME/metalor`, else `~/.cache/metalor`; empty variables count as unset."""
    if chosen := os.environ.get("METALOR_STORE"):
        return Path(chosen).absolute()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory rules: a relative path is invalid and must be ignored.
    base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
    return base / "metalor"


class Store(Closing):
    """An open store; use `Store.open`.

    Attributes:
        root: its directory.
        blobs, snapshots, steps, layers, locks: its parts.
        downloads: what was fetched.
        caches: what steps keep between builds.
        publishing: puts step records in groups, each when all it names is safe.

    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.root: Path = core.root
        self.locks: Locks = core.locks
        self.blobs = Blobs(core)
        self.snapshots = Snapshots(core)
        self._uses = Uses(core.root)
        self.steps = Steps(core, self.snapshots, self._uses)
        self.publishing = Publishing(core, self.steps)
        self.layers = Layers(core, self.blobs)
        self._downloads: Downloads | None = None
        self._caches: Caches | None = None

    @classmethod
    def open(cls, path: Path | None = None, *, on_notice: Callable[[str], None] | None = None) -> Self:
        """Open a store, making it where there is none.

        Args:
            path: its directory; None is `default_path()`.
            on_notice: called with one line about anything repaired, now or later.

        Raises:
            WrongVersion: the directory belongs to another version, or is not a store.
            StoreUnwritable: it cannot be written, belongs to another user, or is open to others.
            StoreFull: no room to make it.

        """
        root = (path or default_path()).absolute()
        with guarded(root):
            try:
                _prepare(root)
            except (FileNotFoundError, NotADirectoryError, FileExistsError) as error:
                raise StoreError(
                    f"the store {root} cannot be made: {error.strerror}: {error.filename}",
                    help="choose another directory: export METALOR_STORE=$HOME/metalor-store",
                ) from None
        store = cls(Core(root, on_notice))
        store._recover()
        return store

    @property
    def downloads(self) -> "Downloads":
        """What FETCH and GIT have brought."""
        if self._downloads is None:
            from metalor_lang.store.downloads import Downloads

            self._downloads = Downloads(self._core, self.blobs)
        return self._downloads

    @property
    def caches(self) -> "Caches":
        """What steps keep between builds."""
        if self._caches is None:
            from metalor_lang.store.caches import Caches

            self._caches = Caches(self._core)
        return self._caches

    @property
    def notices(self) -> tuple[str, ...]:
        """One line for each thing repaired since the store was opened."""
        return tuple(self._core.notices)

    @property
    def tmp(self) -> Path:
        """Where unfinished work lies; only names from `scratch` and `workspace` are safe from recovery."""
        return self._core.tmp

    def scratch(self, label: str) -> Path:
        """A fresh name in `tmp`, safe from recovery while this process lives; the caller makes and removes it."""
        return self._core.scratch(label)

    @contextlib.contextmanager
    def workspace(self, label: str) -> Iterator[Path]:
        """An empty directory of the store's file system, deleted with all that is in it when the context ends."""
        path = self.scratch(label)
        with guarded(self.root):
            files.make_directory(path)
        try:
            yield path
        finally:
            self.discard(path)

    def discard(self, path: Path) -> None:
        """Delete a file or tree made under a `scratch` name, whatever is in it; nothing there is no error."""
        self._core.discard(path)

    def last_use(self, recipe: str) -> int:
        """When steps of a recipe of this name were last used, in nanoseconds since 1970; 0 for never."""
        return self._uses.last(recipe)

    def lease(self) -> AbstractContextManager[Lease]:
        """Hold this process's lease for a build: what it gets and makes is kept from gc until the context ends."""
        return self._core.leased()

    def logs_path(self, key: str) -> Path:
        """The file for the whole log of a step."""
        return self.root / "logs" / f"{file_name(key)}.log"

    def short_of_room(self) -> bool:
        """Whether its disk is full, as `kernel.room` judges."""
        from metalor_lang.kernel.room import short_of_room

        return short_of_room(self.root)

    def gc(self, keep: "KeepPolicy | None" = None, *, dry_run: bool = False) -> "GcReport":
        """Delete what the policy does not keep; without limits only what no record names."""
        from metalor_lang.store.gc import Collector, KeepPolicy

        collector = Collector(
            self._core, self.blobs, self.snapshots, self.steps, self.layers, self.downloads, self.caches
        )  # fmt: skip
        return collector.run(keep or KeepPolicy(), dry_run=dry_run)

    def verify(self, full: bool = False) -> "VerifyReport":
        """Look for damage: the metadata of every file, with `full` every byte too."""
        from metalor_lang.store.verify import Verifier

        verifier = Verifier(
            self._core, self.blobs, self.snapshots, self.steps, self.layers, self.downloads
        )  # fmt: skip
        return verifier.run(full=full)

    def usage(self) -> "StoreUsage":
        """What is in the store."""
        from metalor_lang.store.usage import usage

        return usage(self.blobs, self.snapshots, self.steps, self.layers)

    def tally(self) -> "Tally":
        """The sums by recipe, quickly: only what has changed since the last time is read."""
        from metalor_lang.store.tally import Tallier

        return Tallier(self._core, self.steps, self.snapshots, self._uses).tally()

    def close(self) -> None:
        """Give up this process's lease; the store may be used again, with a new one."""
        self._core.close()

    def _recover(self) -> None:
        with self.locks.attempt("store:recovery") as alone, guarded(self.root):
            if not alone:  # another process is at it
                return
            # In this order: what is listed here was made under a lease that is older still.
            names = sorted(os.listdir(self._core.tmp))
            living = {lease.token for lease in live_leases(self.root, remove_dead=True)}
            abandoned = [name for name in names if _owner(name) not in living]
            for name in abandoned:
                with contextlib.suppress(OSError):  # tried again at the next open
                    self._core.discard(self._core.tmp / name)
            drafts = sum("-draft-" in name for name in abandoned)
            if drafts:
                what = "snapshot" if drafts == 1 else "snapshots"
                self._core.notice(f"removed {drafts} unfinished {what} of a build that was killed")


_UNMAPPED: Final = 65534


def _owner(name: str) -> str:
    match = _OWNED.match(name)
    return match.group(1) if match else ""


def _prepare(root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    files.make_directory(root)
    status = root.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(20, "not a directory", str(root))
    if status.st_uid != os.geteuid():
        # In a user namespace all others look like this one, and the caller like root.
        who = "" if status.st_uid == _UNMAPPED else f", user {status.st_uid}"
        raise StoreUnwritable(
            f"the store {root} is somebody else's{who}",
            help="choose a directory of your own: export METALOR_STORE=$HOME/metalor-store",
        )
    names = set(os.listdir(root))
    if not names:
        os.chmod(root, 0o700)
    elif stat.S_IMODE(status.st_mode) & 0o077:
        raise StoreUnwritable(
            f"the store {root} is open to other users (mode {stat.S_IMODE(status.st_mode):04o})",
            help=f"close it: chmod 700 {root}",
        )
    _check_version(root, names)
    for name in DIRECTORIES:
        if name not in names:
            files.make_directory(root / name)
    files.make_directory(root / "blobs" / "sha256")
    # Made now, so that a store without room for one more file can still be read and emptied.
    Locks(root).prepare(("store:gc", "store:recovery"))


def _check_version(root: Path, names: set[str]) -> None:
    if "VERSION" in names:
        said = (root / "VERSION").read_bytes()
        if said == VERSION.encode():
            return
        raise WrongVersion(
            f"the store {root} was made by another version of metalor "
            f"(it says {said[:40].decode('utf-8', 'replace').strip()!r}, this version reads {VERSION.strip()!r})",
            help=f"use another directory: export METALOR_STORE={root}-1   or delete this one: rm -rf {root}",
        )
    # A process that is making it at this moment has made some of our own names, and no others.
    if strangers := sorted(names - set(DIRECTORIES)):
        raise WrongVersion(
            f"the directory {root} is not a store: it holds {strangers[0]!r} and no VERSION",
            help="name an empty or a new directory: export METALOR_STORE=$HOME/metalor-store",
        )
    files.make_directory(root / "tmp")
    files.sync_directory(root.parent)  # nothing in the store is safe while its own name is not
    try:
        files.write_whole(root / "VERSION", VERSION.encode(), scratch=root / "tmp", token=NOBODY)
    except FileNotFoundError:
        # Another process made the store at this moment, and its recovery took our draft for rubbish.
        if not (root / "VERSION").exists():
            raise
