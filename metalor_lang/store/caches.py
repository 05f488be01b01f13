"""Directories that steps keep between builds (`--cache`): found, shared, listed, carried from machine to machine.

Invariant: a cache is used, written out or taken away only by whoever holds its lock; it is no part of any snapshot or
key, and losing it costs only time.
"""

import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from metalor_lang.digest import Json, json_digest
from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.store import files
from metalor_lang.store.core import Core
from metalor_lang.store.errors import MissingObject, guarded
from metalor_lang.store.locks import Held

_ABOUT: Final = "about.json"
_DATA: Final = "data"
_PRIVATE: Final = 1000
"""The most private directories of one cache; nobody runs so many steps at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheName:
    """Which cache.

    Args:
        id: as the recipe calls it; most often its path.
        platform: as `linux/amd64`.
        uid: of the steps that use it.
        slot: 0 for the one that steps share or wait for; from 1 on those that a step has to itself.

    """

    id: str
    platform: str
    uid: int
    slot: int = 0

    @property
    def digest(self) -> str:
        """The name of its directory and its lock."""
        return json_digest(self.json()).removeprefix("sha256:")[:32]

    def json(self) -> dict[str, Json]:
        """Its fields."""
        return {"id": self.id, "platform": self.platform, "uid": self.uid, "slot": self.slot}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheInfo:
    """A cache: what it is called, bytes of its files, when it was used last (nanoseconds since 1970)."""

    name: CacheName
    size: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A cache that a step wants.

    Args:
        name: which one.
        gid: group of its directory where it is made.
        sharing: `shared`, `locked` (waited for) or `private` (one of its own).

    """

    name: CacheName
    gid: int
    sharing: str


class Caches:
    """The caches of a store."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._directory = core.root / "caches"

    @contextmanager
    def use(
        self,
        wanted: Iterable[Wanted],
        *,
        on_wait: Callable[[CacheName], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Iterator[dict[Wanted, str]]:
        """Hold what a step wants until the context ends; gives the name below the store of each directory.

        Args:
            wanted: all that the step wants; it must hold no cache yet.
            on_wait: called once for a cache that another step has to itself.
            stop: asked while waiting; true gives up with InterruptedError.

        Raises:
            InterruptedError: `stop` said so.
            StoreFull: no room.

        """
        several = tuple(dict.fromkeys(wanted))
        # All in one order, so that no two steps wait for each other; one that is wanted in two ways is held alone.
        alone = {each.name for each in several if each.sharing == "locked"}
        found: dict[Wanted, str] = {}
        with ExitStack() as stack:
            for each in sorted(several, key=lambda each: (each.sharing == "private", each.name.digest)):
                if each.sharing == "private":
                    name, held = self._own(each.name)
                    stack.callback(held.release)
                else:
                    name = each.name
                    if name not in {other.name for other in found if other.sharing != "private"}:
                        take = self._core.locks.exclusive if name in alone else self._core.locks.shared
                        waits = None if on_wait is None else _told(on_wait, name)
                        stack.enter_context(take(f"cache:{name.digest}", on_wait=waits, stop=stop))
                self._make(name, each.gid)
                found[each] = f"caches/{name.digest}/{_DATA}"
            yield found

    def _own(self, name: CacheName) -> tuple[CacheName, Held]:
        """The first private directory that nobody uses."""
        for slot in range(1, _PRIVATE):
            mine = CacheName(id=name.id, platform=name.platform, uid=name.uid, slot=slot)
            held = self._core.locks.take_free(f"cache:{mine.digest}")
            if held is not None:
                return mine, held
        raise MissingObject(f"more than {_PRIVATE} steps use the cache {name.id} at once")

    def _make(self, name: CacheName, gid: int) -> None:
        place = self._directory / name.digest
        with guarded(self._core.root):
            if not place.exists():
                draft = self._core.scratch("cache")
                files.make_directory(draft)
                files.make_directory(draft / _DATA, 0o755)
                os.chown(draft / _DATA, name.uid, gid)
                files.write_new(draft / _ABOUT, files.seal(name.json()))
                with suppress(FileExistsError):  # a shared one may be made by two at once
                    self._put(draft, place)
                self._core.discard(draft)
            os.utime(place / _ABOUT)

    def _put(self, draft: Path, place: Path) -> None:
        try:
            os.rename(draft, place)
        except OSError as error:
            if not place.exists():
                raise
            raise FileExistsError(error.errno, error.strerror) from None

    # --- looking after them -----------------------------------------------------------------------------------------

    def all(self) -> Iterator[CacheInfo]:
        """Every cache, in no meaningful order."""
        for entry in sorted(os.listdir(self._directory)):
            place = self._directory / entry
            try:
                body = files.read_sealed(place / _ABOUT)
                if body is None:
                    continue
                name = CacheName(
                    id=files.text_of(body, "id"),
                    platform=files.text_of(body, "platform"),
                    uid=files.number_of(body, "uid"),
                    slot=files.number_of(body, "slot"),
                )
                yield CacheInfo(name=name, size=_size(place / _DATA), used=(place / _ABOUT).stat().st_mtime_ns)
            except files.Damaged as error:
                self._core.quarantine(place, f"the cache {entry}", str(error))
            except FileNotFoundError:
                continue

    def take_away(self, name: CacheName) -> Path | None:
        """Move a cache out of sight, to be discarded; None when it is in use or gone."""
        with self._core.locks.attempt(f"cache:{name.digest}") as free:
            return self._core.take_away(self._directory / name.digest) if free else None

    def export(
        self,
        name: CacheName,
        path: Path,
        stop: Callable[[], bool] | None = None,
        *,
        vet: Callable[[Path], None] = lambda place: None,
    ) -> int:
        """Write a cache as a tar, with numeric owners; gives the number of its entries.

        Args:
            name: which one.
            path: of the tar, which is replaced.
            stop: asked while waiting for a step that uses it.
            vet: looks at the directory while no step uses it; what it raises comes before anything is written.

        Raises:
            MissingObject: there is none.
            OSError: the tar cannot be written.

        """
        with self._core.locks.exclusive(f"cache:{name.digest}", stop=stop):
            place = self._directory / name.digest / _DATA
            if not place.is_dir():
                raise MissingObject(f"there is no cache {name.id} for {name.platform} and user {name.uid}")
            vet(place)
            with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
                return _write(tar, place)

    def replace(
        self, name: CacheName, gid: int, fill: Callable[[int], None], stop: Callable[[], bool] | None = None
    ) -> None:
        """Put what `fill` writes into an empty directory (whose descriptor it gets) in the place of a cache.

        Raises:
            StoreFull, and what `fill` raises: the old one stays then.

        """
        draft = self._core.scratch("cache")
        try:
            with guarded(self._core.root):
                files.make_directory(draft)
                files.make_directory(draft / _DATA, 0o755)
                os.chown(draft / _DATA, name.uid, gid)
                files.write_new(draft / _ABOUT, files.seal(name.json()))
            fd = os.open(draft / _DATA, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fill(fd)
            finally:
                os.close(fd)
            with self._core.locks.exclusive(f"cache:{name.digest}", stop=stop):
                old = self._core.take_away(self._directory / name.digest)
                os.rename(draft, self._directory / name.digest)
            if old is not None:
                self._core.discard(old)
        finally:
            self._core.discard(draft)


def _told(on_wait: Callable[[CacheName], None], name: CacheName) -> Callable[[str], None]:
    return lambda _: on_wait(name)


def _size(place: Path) -> int:
    total = 0
    for _, _, names, fd in os.fwalk(place, follow_symlinks=False):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
    return total


def _write(tar: tarfile.TarFile, place: Path) -> int:
    """Add everything beneath a directory, and itself; what is neither file, directory nor link is left out."""
    count = 0
    links: dict[tuple[int, int], str] = {}
    for folder, directories, names, fd in os.fwalk(place, follow_symlinks=False):
        directories.sort()
        relative = os.path.relpath(folder, place)
        prefix = "" if relative == "." else f"{relative}/"
        tar.addfile(_member(relative, os.fstat(fd), tarfile.DIRTYPE))
        count += 1
        for name in sorted((*names, *(each for each in directories if _is_link(fd, each)))):
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            path = prefix + name
            count += 1
            if stat.S_ISLNK(status.st_mode):
                member = _member(path, status, tarfile.SYMTYPE)
                member.linkname = os.readlink(name, dir_fd=fd)
                tar.addfile(member)
            elif stat.S_ISREG(status.st_mode):
                first = links.setdefault((status.st_dev, status.st_ino), path)
                if first != path:
                    member = _member(path, status, tarfile.LNKTYPE)
                    member.linkname = first
                    tar.addfile(member)
                    continue
                opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
                with open(opened, "rb") as source:
                    member = _member(path, os.fstat(opened), tarfile.REGTYPE)
                    tar.addfile(member, source)
            else:
                count -= 1
    return count


def _is_link(fd: int, name: str) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)


def _member(path: str, status: os.stat_result, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode = kind, stat.S_IMODE(status.st_mode)
    member.uid, member.gid, member.mtime = status.st_uid, status.st_gid, int(status.st_mtime)
    member.size = status.st_size if kind == tarfile.REGTYPE else 0
    return member
