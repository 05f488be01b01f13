"""Write a whole directory of a context as a tree of its own, which is then put in its place by one rename.

Invariant: a tree is either whole, every owner, mode and time as the recipe wants them, or it is thrown away; nobody
but its maker has its name until it is in its place. So nothing has to be worked out for each entry, no overlay stands
between, and what is in it need not be looked at again.
"""

import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, Self

from metalor_lang.build.batches import Batch, batches_of, copy_batches, is_small
from metalor_lang.build.listed import Folder, Found, plain_mode
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.permissions import Chmod, parse_mode
from metalor_lang.build.sources import changed, unlike
from metalor_lang.kernel import shared, syscalls
from metalor_lang.kernel.trees import copy_file_contents
from metalor_lang.record import dataclass, field
from metalor_lang.store.manifest import Beneath, lines_of, row_line

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A tree that was written, not in its place yet.

    Args:
        path: where it lies.
        found: what it is a copy of.
        dress: what it has.
        shas: hexadecimal digests of the files of directories (by their path, as `Folder.path`) that hold small ones
            only, where they were wanted.
        exact: the file system keeps owners, modes and times as they were set: one file of each directory was looked at.

    """

    path: Path
    found: Found = field(repr=False)
    dress: Dress
    shas: dict[str, list[str]] = field(repr=False)
    exact: bool

    def fits(self, dress: Dress) -> bool:
        """Whether it is dressed so, or can be: another owner would take special modes away."""
        same = self.dress.owner == dress.owner or self.dress.chmod is None
        return same and (self.dress.chmod, self.dress.time) == (dress.chmod, dress.time)


def grow(path: Path, opener: SourceOpener, found: Found, dress: Dress, *, hashed: bool = False) -> Tree:
    """Write a new tree; what it wrote when it fails is left to the caller.

    Args:
        path: a new name on the file system where the tree will stay.
        opener: of the tree that `found` is of.
        found: a directory of a context.
        dress: for all of it.
        hashed: whether digests are wanted.

    Raises:
        SourceError: a file is not what was listed, or cannot be read.
        OSError: the tree cannot be written; `filename` is a path in it.

    """
    os.mkdir(path, 0o700)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        batches: list[Batch] = []
        large: list[tuple[Folder, str, os.stat_result]] = []
        kept: list[tuple[str, int]] = []
        for folder in found.folders:
            for name, _ in folder.directories:
                os.mkdir(folder.path + name, 0o700, dir_fd=fd)
            names, infos = folder.files
            if not all(map(is_small, infos)):
                large += [(folder, name, info) for name, info in zip(names, infos) if not is_small(info)]
                chosen = [at for at, info in enumerate(infos) if is_small(info)]
                names, infos = tuple(names[at] for at in chosen), tuple(infos[at] for at in chosen)
            else:
                kept.append((folder.path, len(names)))
            source = _origin(found, folder)
            modes = [dress.mode(info.st_mode, False) for info in infos]
            batches += batches_of(source, folder.path.rstrip("/"), names, infos, modes)
            _links(fd, folder, dress)
        many = sum(len(batch.names) for batch in batches) >= shared.WORTH
        answers = iter(
            copy_batches(
                batches,
                opener,
                fd,
                owner=dress.owner,
                time=dress.time,
                hashed=hashed,
                mostly=partial(_write_back, fd) if many else None,
            )
        )
        shas = _digests(batches, answers, kept) if hashed else {}
        for folder, name, info in large:
            _large(fd, opener, found, folder, name, info, dress)
        _directories(fd, found, dress)
        if many:
            _write_back(fd)
        exact = _exact(fd, found, dress)
    finally:
        os.close(fd)
    return Tree(path=path, found=found, dress=dress, shas=shas, exact=exact)


def _origin(found: Found, folder: Folder) -> str:
    return f"{found.origin}/{folder.path}".strip("/")


def _digests(batches: list[Batch], answers: Iterator[bytes], kept: list[tuple[str, int]]) -> dict[str, list[str]]:
    found: dict[str, str] = {}
    for batch, shas in zip(batches, answers):
        found[batch.target] = found.get(batch.target, "") + shas.hex()
    return {
        path: [text[at : at + 64] for at in range(0, 64 * count, 64)]
        for path, count in kept
        if count and (text := found[path.rstrip("/")])
    }


def _links(fd: int, folder: Folder, dress: Dress) -> None:
    for name, text in folder.targets.items():
        path = folder.path + name
        os.symlink(text, path, dir_fd=fd)
        os.chown(path, *dress.owner, dir_fd=fd, follow_symlinks=False)
        os.utime(path, ns=(dress.time, dress.time), dir_fd=fd, follow_symlinks=False)


def _large(
    fd: int, opener: SourceOpener, found: Found, folder: Folder, name: str, info: os.stat_result, dress: Dress
) -> None:
    """Copy a file that is large or has holes."""
    place = f"{_origin(found, folder)}/{name}".lstrip("/")
    reading = opener.open_at(place, info)
    try:
        path = folder.path + name
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


def _directories(fd: int, found: Found, dress: Dress) -> None:
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
            if has != (0o100000 | dress.mode(info.st_mode, False), *dress.owner, info.st_size, dress.time):
                return False
    return True


def _write_back(fd: int) -> None:
    """Have what was written so far brought to the disk, while others go on; whoever must be sure syncs again."""

    def work(own: int) -> None:
        try:
            syncfs(own)
        except OSError:
            pass  # the sync that counts will say so
        finally:
            os.close(own)

    syncfs = syscalls.syncfs
    threading.Thread(target=work, args=(os.dup(fd),), name="write-back", daemon=True).start()


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
        modes = [0o100000 | dress.mode(info.st_mode, False) for info in infos]
        said = lines_of(prefix, names, modes, sizes, owner, dress.time)
        size += sum(sizes)
        entries += len(folder.names) + len(folder.directories)
        if not folder.targets and not folder.directories:
            lines += said if names == tuple(sorted(names, key=os.fsencode)) else _sorted(names, said)
            continue
        inner: list[tuple[bytes, str | None, str]] = [
            (os.fsencode(name), None, line) for name, line in zip(names, said)
        ]
        for name, text in folder.targets.items():
            line = row_line(prefix + name, 0o120777, owner, 0, dress.time, text)
            inner.append((os.fsencode(name), None, line))
        for name, info in folder.directories:
            line = row_line(prefix + name, 0o040000 | dress.mode(info.st_mode, True), owner, 0, dress.time, "")
            inner.append((os.fsencode(name), f"{folder.path}{name}/", line))
        inner.sort(key=_encoded, reverse=True)
        todo += [(path, line) for _, path, line in inner]
    return Beneath(lines="".join(lines), size=size, entries=entries)


def _encoded(item: tuple[bytes, str | None, str]) -> bytes:
    return item[0]


def _sorted(names: tuple[str, ...], lines: list[str]) -> list[str]:
    return [line for _, line in sorted(zip(map(os.fsencode, names), lines))]
