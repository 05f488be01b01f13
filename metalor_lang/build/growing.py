"""Write a whole directory of a context as a tree of its own, which is then put in its place by one rename.

Invariant: a tree is either whole, every owner, mode and time as the recipe wants them, or it is thrown away; nobody
but its maker has its name until it is in its place. So nothing has to be worked out for each entry, no overlay stands
between, and what is in it need not be looked at again.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from metalor_lang.build.batches import Copying, batches_of, is_small
from metalor_lang.build.listed import Folder, Found, plain_mode
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.permissions import Chmod, parse_mode
from metalor_lang.build.pieces import Hashed, hashed_files
from metalor_lang.build.sources import changed, unlike
from metalor_lang.guards import Closing
from metalor_lang.hints import Final, Self
from metalor_lang.kernel.shared import WORTH
from metalor_lang.kernel.trees import copy_file_contents
from metalor_lang.kernel.writeback import begin_sync
from metalor_lang.record import dataclass, field
from metalor_lang.store.manifest import Beneath, lines_of, placed, row_line, tails_of

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """What the recipe says of all that a COPY makes.

    Args:
        owner: user and group.
        chmod: as written, None without.
        time: in nanoseconds since 1970.
        change: what `chmod` does.

    """

    owner: tuple[int, int]
    chmod: str | None
    time: int
    change: Chmod | None = field(repr=False, compare=False)

    @classmethod
    def of(cls, owner: tuple[int, int], chmod: str | None, epoch: int) -> Self:
        """As a recipe says it, with the epoch in seconds.

        Raises:
            ModeError: a `--chmod` that is none.

        """
        change = parse_mode(chmod) if chmod is not None else None
        return cls(owner=owner, chmod=chmod, time=epoch * 1_000_000_000, change=change)

    def mode(self, mode: int, directory: bool) -> int:
        """The permission bits for what has this `st_mode` in the context."""
        bits = plain_mode(mode)
        return self.change(bits, directory) if self.change is not None else bits

    def modes(self, infos: Sequence[os.stat_result]) -> list[int]:
        """The same for files, which rarely have more than two modes."""
        modes = [info.st_mode for info in infos]
        known = {mode: self.mode(mode, False) for mode in set(modes)}
        return [known[mode] for mode in modes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A tree that was written, not in its place yet.

    Args:
        path: where it lies.
        found: what it is a copy of.
        dress: what it has.
        hashed: by `Folder.path`, of directories whose files are all small: their digests, where they were wanted.
        tails: of the same directories: what `manifest.placed` takes.
        exact: the file system keeps owners, modes and times as they were set: one file of each directory was looked at.

    """

    path: Path
    found: Found = field(repr=False)
    dress: Dress
    hashed: Mapping[str, Hashed] = field(repr=False)
    tails: Mapping[str, str] = field(repr=False)
    exact: bool

    def fits(self, dress: Dress) -> bool:
        """Whether it is dressed so, or can be: another owner would take special modes away."""
        same = self.dress.owner == dress.owner or self.dress.chmod is None
        return same and (self.dress.chmod, self.dress.time) == (dress.chmod, dress.time)


def grow(path: Path, opener: SourceOpener, found: Found, dress: Dress) -> Tree:
    """Write a new tree.

    Args:
        path: a new name on the file system where the tree will stay; what it wrote when it fails is the caller's.
        opener: of the tree that `found` is of.
        found: a directory of a context.
        dress: for all of it.

    Raises:
        SourceError: a file is not what was listed, or cannot be read.
        OSError: the tree cannot be written; `filename` is a path in it.

    """
    with Growth(path, opener.root, found.origin, dress, hashed=False, many=found.files >= WORTH) as growth:
        for folder in found.folders:
            growth.add(folder)
        return growth.finish(opener, found)


class _Copied:
    """The batches of one directory, some of which were copied: what is known of each, and how many are left."""

    __slots__ = ("folder", "left", "parts")

    def __init__(self, folder: Folder, batches: int) -> None:
        self.folder = folder
        self.left = batches
        self.parts = [(b"", b"")] * batches


class Growth(Closing):
    """A tree that is being written, while what it is a copy of is listed; use as a context.

    Args:
        path: as `grow`.
        root: the open tree that it is copied from.
        origin: canonical path of the source in it.
        dress: for all of it.
        hashed: whether digests are wanted.
        many: whether there are many files.

    """

    def __init__(self, path: Path, root: int, origin: str, dress: Dress, *, hashed: bool, many: bool) -> None:
        self.path = path
        self._origin = origin
        self._dress = dress
        self._hashed = hashed
        self._many = many
        self._large: list[tuple[str, str, os.stat_result]] = []
        self._copied: dict[int, tuple[_Copied, int]] = {}
        self._count = 0
        self._known: dict[str, Hashed] = {}
        self._tails: dict[str, str] = {}
        os.mkdir(path, 0o700)
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._copying = Copying(
                root, self._fd, owner=dress.owner, time=dress.time, hashed=hashed, worker=many, done=self._done
            )
        except BaseException:
            os.close(self._fd)
            raise

    def add(self, folder: Folder) -> None:
        """Make what is in a directory, but for large files; raises OSError."""
        for name, _ in folder.directories:
            os.mkdir(folder.path + name, 0o700, dir_fd=self._fd)
        names, infos = folder.files
        source = f"{self._origin}/{folder.path}".strip("/")
        whole = all(map(is_small, infos))
        if not whole:
            for name, info in zip(names, infos):
                if not is_small(info):
                    self._large.append((f"{source}/{name}".lstrip("/"), folder.path + name, info))
            chosen = [at for at, info in enumerate(infos) if is_small(info)]
            names, infos = tuple(names[at] for at in chosen), tuple(infos[at] for at in chosen)
        batches = list(batches_of(source, folder.path.rstrip("/"), names, infos, self._dress.modes(infos)))
        if whole:
            copied = _Copied(folder, len(batches))
            self._copied.update((self._count + at, (copied, at)) for at in range(len(batches)))
        self._count += len(batches)
        for batch in batches:
            self._copying.add(batch)
        for name, text in folder.targets.items():
            path = folder.path + name
            os.symlink(text, path, dir_fd=self._fd)
            os.chown(path, *self._dress.owner, dir_fd=self._fd, follow_symlinks=False)
            os.utime(path, ns=(self._dress.time, self._dress.time), dir_fd=self._fd, follow_symlinks=False)

    def _done(self, number: int, status: bytes, shas: bytes) -> None:
        """Note what is known of a directory, when its last batch was copied: the others are still being copied."""
        if number not in self._copied:
            return
        copied, at = self._copied.pop(number)
        copied.parts[at] = status, shas
        copied.left -= 1
        if copied.left:
            return
        folder, dress = copied.folder, self._dress
        if self._hashed:
            status, shas = (b"".join(parts) for parts in zip(*copied.parts))
            self._known[folder.path] = hashed_files(folder, status, shas)
        names, infos = folder.files
        if _in_order(names):
            modes = [stat.S_IFREG | mode for mode in dress.modes(infos)]
            self._tails[folder.path] = tails_of(names, modes, [info.st_size for info in infos], dress.owner, dress.time)

    def finish(self, opener: SourceOpener, found: Found) -> Tree:
        """The tree, when all directories of `found` were added; errors as `grow`."""
        fd, dress = self._fd, self._dress
        self._copying.finish(opener, mostly=partial(begin_sync, fd) if self._many else None)
        for place, path, info in self._large:
            _copy_large(fd, opener, place, path, info, dress)
        _dress_directories(fd, found, dress)
        if self._many:
            begin_sync(fd)
        return Tree(
            path=self.path,
            found=found,
            dress=dress,
            hashed=self._known,
            tails=self._tails,
            exact=_exact(fd, found, dress),
        )

    def close(self) -> None:
        """End its worker."""
        if self._fd >= 0:
            self._copying.close()
            os.close(self._fd)
            self._fd = -1


def _copy_large(fd: int, opener: SourceOpener, place: str, path: str, info: os.stat_result, dress: Dress) -> None:
    """Copy a file that is large or has holes."""
    reading = opener.open_at(place, info)
    try:
        writing = os.open(path, _CREATE, 0o600, dir_fd=fd)
        try:
            copy_file_contents(reading, writing)
            os.fchown(writing, *dress.owner)
            os.fchmod(writing, dress.mode(info.st_mode, False))
            os.utime(writing, ns=(dress.time, dress.time))
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        finally:
            os.close(writing)
        if unlike(info, os.fstat(reading)):
            raise changed(place)
    finally:
        os.close(reading)


def _dress_directories(fd: int, found: Found, dress: Dress) -> None:
    """Owners, modes and times of the directories, innermost first: writing into one changes its time."""
    paths = [(folder.path + name, info) for folder in found.folders for name, info in folder.directories]
    for path, info in (*reversed(paths), (".", found.top.info)):
        inner = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        try:
            os.fchown(inner, *dress.owner)
            os.fchmod(inner, dress.mode(info.st_mode, True))
            os.utime(inner, ns=(dress.time, dress.time))
        finally:
            os.close(inner)


def _exact(fd: int, found: Found, dress: Dress) -> bool:
    for folder in found.folders:
        names, infos = folder.files
        for name, info in zip(names[:1], infos):
            status = os.stat(folder.path + name, dir_fd=fd, follow_symlinks=False)
            has = status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns
            if has != (stat.S_IFREG | dress.mode(info.st_mode, False), *dress.owner, info.st_size, dress.time):
                return False
    return True


def chown_all(tree: Tree, owner: tuple[int, int]) -> None:
    """Give a tree to another owner than the one it was written for.

    Raises:
        OSError: the machine refuses.

    """
    fd = os.open(tree.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fchown(fd, *owner)
        for folder in tree.found.folders:
            for name in (*folder.names, *(name for name, _ in folder.directories)):
                os.chown(folder.path + name, *owner, dir_fd=fd, follow_symlinks=False)
    finally:
        os.close(fd)


def beneath(tree: Tree, place: str) -> Beneath | None:
    """What the manifest of a snapshot says of all beneath a tree; None where somebody has to look.

    Args:
        tree: as it was written.
        place: its path in the snapshot.

    """
    if not tree.exact:
        return None
    folders = {folder.path: folder for folder in tree.found.folders}
    dress, owner, size, entries = tree.dress, tree.dress.owner, 0, 0
    lines: list[str] = []
    # What is still to be said: a line, and the directory that it is of.
    todo: list[tuple[str | None, str]] = [("", "")]
    while todo:
        path, line = todo.pop()
        if line:
            lines.append(line)
        if path is None:
            continue
        folder = folders[path]
        prefix = f"{place}/{folder.path}" if place else folder.path
        names, infos = folder.files
        sizes = [info.st_size for info in infos]
        size += sum(sizes)
        entries += len(folder.names) + len(folder.directories)
        plain = not folder.targets and not folder.directories
        if plain and path in tree.tails:
            lines.append(placed(prefix, tree.tails[path]))
            continue
        modes = [stat.S_IFREG | mode for mode in dress.modes(infos)]
        said = lines_of(prefix, names, modes, sizes, owner, dress.time)
        if plain:
            lines += said if _in_order(names) else _sorted(names, said)
            continue
        inner: list[tuple[bytes, str | None, str]] = [
            (os.fsencode(name), None, line) for name, line in zip(names, said)
        ]
        for name, text in folder.targets.items():
            line = row_line(prefix + name, stat.S_IFLNK | 0o777, owner, 0, dress.time, text)
            inner.append((os.fsencode(name), None, line))
        for name, info in folder.directories:
            line = row_line(prefix + name, stat.S_IFDIR | dress.mode(info.st_mode, True), owner, 0, dress.time, "")
            inner.append((os.fsencode(name), f"{folder.path}{name}/", line))
        inner.sort(key=_encoded, reverse=True)
        todo += [(path, line) for _, path, line in inner]
    return Beneath(lines="".join(lines), size=size, entries=entries)


def _encoded(item: tuple[bytes, str | None, str]) -> bytes:
    return item[0]


def _in_order(names: tuple[str, ...]) -> bool:
    """Whether sorted names are in the order of their bytes, as all text is."""
    return "".join(names).isascii() or names == tuple(sorted(names, key=os.fsencode))


def _sorted(names: tuple[str, ...], lines: list[str]) -> list[str]:
    return [line for _, line in sorted(zip(map(os.fsencode, names), lines))]
