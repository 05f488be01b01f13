"""What was found for the sources of a COPY: entries, and the directories that hold them.

Invariant: plain data; every entry keeps the status it was seen with, so whoever reads it later can tell that it
changed.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field

NO_LINKS: Final[Mapping[str, str]] = MappingProxyType({})


class EntryKind(StrEnum):
    """What an entry is; a special one is a device, a fifo or a socket."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    SPECIAL = "special"


KINDS: Final = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.DIRECTORY, stat.S_IFLNK: EntryKind.LINK}
"""By the type bits of a mode; what is not here is special."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEntry:
    """One file, directory or link beneath a source.

    Args:
        path: relative to the source; "" is the source itself.
        mode: permission bits: 0o755 or 0o644 from a context, the real ones from a stage.
        size: in bytes, of a file.
        target: text of a link.
        info: the status when it was listed.

    """

    path: str
    kind: EntryKind
    mode: int
    size: int
    target: str
    info: os.stat_result = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One directory beneath a source, listed: many of them are told apart from what is remembered without a look at
    each entry.

    Args:
        path: relative to the source, with a `/` at its end; "" is the source itself.
        info: its own status.
        names: of all in it that is no directory, sorted.
        infos: the status of each.
        targets: the texts of the links among them, by name.
        directories: name and status of the directories in it, sorted.

    """

    path: str
    info: os.stat_result = field(repr=False, compare=False)
    names: tuple[str, ...] = ()
    infos: tuple[os.stat_result, ...] = field(default=(), repr=False, compare=False)
    targets: Mapping[str, str] = NO_LINKS
    directories: tuple[tuple[str, os.stat_result], ...] = field(default=(), repr=False, compare=False)

    @property
    def files(self) -> tuple[tuple[str, ...], tuple[os.stat_result, ...]]:
        """The names that are no links, and the status of each."""
        if not self.targets:
            return self.names, self.infos
        chosen = [at for at, name in enumerate(self.names) if name not in self.targets]
        return tuple(self.names[at] for at in chosen), tuple(self.infos[at] for at in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One path that a source stands for.

    Args:
        shown: the path as the recipe names it.
        name: the name it gets under a directory ("" for the root of the tree).
        origin: the canonical path in its tree ("" for the root of the tree).
        contents: spelled `d/`, `d/.` or `.`: what is in it, not itself.
        top: the thing itself (path "").
        folders: what is beneath it, parents before children, names sorted.
        clamp: of its tree.

    """

    shown: str
    name: str
    origin: str
    contents: bool
    top: SourceEntry = field(repr=False)
    folders: tuple[Folder, ...] = field(default=(), repr=False)
    clamp: bool = False

    @property
    def files(self) -> int:
        """How many files and links are beneath it."""
        return sum(len(folder.names) for folder in self.folders)

    @property
    def bytes(self) -> int:
        """The sizes of the files beneath it."""
        return sum(info.st_size for folder in self.folders for info in folder.files[1])

    @property
    def entries(self) -> Iterator[SourceEntry]:
        """The thing itself first, then of each directory the other entries before its directories."""
        yield self.top
        for folder in self.folders:
            yield from self.inside(folder)

    def inside(self, folder: Folder) -> Iterator[SourceEntry]:
        """The entries of one directory."""
        prefix, targets = folder.path, folder.targets
        for name, info in zip(folder.names, folder.infos):
            yield entry_of(prefix + name, info, targets.get(name, ""), self.clamp)
        for name, info in folder.directories:
            yield entry_of(prefix + name, info, "", self.clamp)

    def place(self, entry: SourceEntry) -> str:
        """The canonical path of an entry in its tree."""
        return f"{self.origin}/{entry.path}" if self.origin and entry.path else self.origin or entry.path


def plain_mode(mode: int) -> int:
    """The permission bits that what a context holds has in an image, whatever it has on this machine."""
    return 0o755 if mode & 0o111 or stat.S_ISDIR(mode) else 0o644


def entry_of(path: str, info: os.stat_result, target: str, clamp: bool) -> SourceEntry:
    """The entry at a path beneath its source; `clamp` says that it is a stage's, whose modes are kept."""
    mode = info.st_mode
    kind = KINDS.get(stat.S_IFMT(mode), EntryKind.SPECIAL)
    return SourceEntry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(mode) if clamp else plain_mode(mode),
        size=info.st_size if kind is EntryKind.FILE else 0,
        target=target,
        info=info,
    )


def separate(found: tuple[Found, ...]) -> bool:
    """Whether what sources stand for is told apart by its names alone: entries of two can land on no common path."""
    names = [each.name for each in found]
    return len(found) == 1 or (
        len(set(names)) == len(names) and not any(each.contents or not each.name for each in found)
    )
