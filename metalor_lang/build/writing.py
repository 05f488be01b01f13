"""Write what a COPY places into a view: parent directories, files, links and devices, then the directories themselves.

Invariant: every path is resolved inside the view; owner, mode, attributes and time of a file are set on what was just
made, and a file that is not any more what was listed is an error.
"""

import os
import stat

from metalor_lang.build.batches import Batch, Copying, is_small
from metalor_lang.build.listed import EntryKind, SourceEntry
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.permissions import Chmod
from metalor_lang.build.placing import Layout, Placement
from metalor_lang.build.sources import EXACT, changed, unlike
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root, copy_file_contents, open_beneath, read_xattrs, set_mode
from metalor_lang.kernel.shared import BATCH, WORTH
from metalor_lang.kernel.trees import write_xattrs
from metalor_lang.kernel.whole import write_all
from metalor_lang.record import dataclass, field

_SMALL: Final = 1 << 16
_NOT_KEPT: Final = ("user.overlay.", "trusted.overlay.", "security.selinux", "security.ima", "security.evm")
"""Attributes of the host or of its overlay, not of the file."""


@dataclass(slots=True, kw_only=True)
class Writer:
    """Writes placements into a view, one after the other.

    Args:
        view: the tree to write into.
        opener: of the files of the source.
        keeps: from a stage: owners, modes, times, attributes and hard links are kept.
        owner: of everything; None for each one's own.
        parents: owner of the parent directories that are made.
        chmod: changes of modes; None for the sources' own.
        epoch: time of everything that does not keep one, in nanoseconds since 1970.

    Attributes:
        files, written: how many files and links, the bytes of their contents.
        at: what is being written, for messages.

    """

    view: Root
    opener: SourceOpener
    keeps: bool
    owner: tuple[int, int] | None
    parents: tuple[int, int]
    chmod: Chmod | None
    epoch: int
    files: int = 0
    written: int = 0
    at: str = ""
    _links: dict[tuple[int, int], str] = field(default_factory=dict, init=False)
    _folder: tuple[str, int] | None = field(default=None, init=False)
    _batches: list[Batch] = field(default_factory=list, init=False)

    def close(self) -> None:
        """Give the open directories back."""
        self.opener.close()
        if self._folder is not None:
            os.close(self._folder[1])
        self._folder = None

    def write(self, layout: Layout) -> None:
        """Write everything that is to be written entry by entry; raises OSError, SourceError."""
        for place in layout.parents:
            self.at = place
            fd, name = self._target(place)
            os.mkdir(name, 0o700, dir_fd=fd)
            os.chown(name, *self.parents, dir_fd=fd, follow_symlinks=False)
            set_mode(fd, name, 0o755)
        for each in layout.placements:
            self.at = each.place
            match each.entry.kind:
                case EntryKind.DIRECTORY:
                    if not each.exists:
                        fd, name = self._target(each.place)
                        os.mkdir(name, 0o700, dir_fd=fd)
                case EntryKind.FILE:
                    if self.keeps or not self._put_off(each):
                        self._file(each)
                case EntryKind.LINK | EntryKind.SPECIAL:
                    self._node(each)
        if self._batches:
            self._several()
        # Directories last, innermost first: writing into one changes its times, and its mode may forbid it.
        for each in reversed(layout.placements):
            if (
                each.entry.kind is EntryKind.DIRECTORY
                and not each.keep
                and not each.grown
                and (self.keeps or not each.exists)
            ):
                self.at = each.place
                self._directory(each)
        for place in reversed(layout.parents):
            fd, name = self._target(place)
            os.utime(name, ns=(self.epoch, self.epoch), dir_fd=fd, follow_symlinks=False)

    def _directory(self, each: Placement) -> None:
        fd = open_beneath(self.view.fd, each.place, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
        try:
            self._dress(fd, each.entry)
            if self.keeps:
                attributes = self._attributes(each)
                for key in os.listxattr(fd) if each.exists else ():
                    if _kept(key) and key not in attributes:
                        os.removexattr(fd, key)
                for key, value in attributes.items():
                    os.setxattr(fd, key, value)
            self._finish(fd, each.entry)
        finally:
            os.close(fd)

    def _put_off(self, each: Placement) -> bool:
        """Leave a small new file, under the name it had, to be copied with the others of its directory."""
        info = each.entry.info
        if each.exists or not is_small(info):
            return False
        source, _, name = each.found.place(each.entry).rpartition("/")
        target, _, last = each.place.rpartition("/")
        if name != last:
            return False
        batch = self._batches[-1] if self._batches else None
        if batch is None or len(batch.names) >= BATCH or (batch.source, batch.target) != (source, target):
            batch = Batch(source=source, target=target, names=[], infos=[], modes=[])
            self._batches.append(batch)
        batch.names.append(name)
        batch.infos.append(info)
        batch.modes.append(self._mode_of(each.entry))
        return True

    def _several(self) -> None:
        """Copy the small new files that were put off, whose directories are there."""
        assert self.owner is not None
        try:
            many = sum(len(batch.names) for batch in self._batches) >= WORTH
            with Copying(self.opener.root, self.view.fd, owner=self.owner, time=self.epoch, worker=many) as copying:
                for batch in self._batches:
                    copying.add(batch)
                copying.finish(self.opener)
        except OSError as error:
            self.at = error.filename
            raise
        for batch in self._batches:
            self.files += len(batch.names)
            self.written += sum(info.st_size for info in batch.infos)
        self._batches = []

    def _file(self, each: Placement) -> None:
        fd, name = self._target(each.place)
        if each.exists:
            os.unlink(name, dir_fd=fd)
        entry = each.entry
        self.files += 1
        identity = (entry.info.st_dev, entry.info.st_ino)
        linked = self.keeps and entry.info.st_nlink > 1
        if linked and (first := self._links.setdefault(identity, each.place)) is not each.place:
            head, _, old = first.rpartition("/")
            folder = open_beneath(self.view.fd, head, os.O_PATH | os.O_DIRECTORY, resolve=EXACT)
            try:
                os.link(old, name, src_dir_fd=folder, dst_dir_fd=fd, follow_symlinks=False)
            finally:
                os.close(folder)
            return
        reading = self.opener.open(each.found, entry)
        try:
            writing = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=fd)
            try:
                self.written += _contents(reading, writing, entry.info)
                self._dress(writing, entry)
                if self.keeps:
                    for key in os.listxattr(reading):
                        if _kept(key):
                            os.setxattr(writing, key, os.getxattr(reading, key))
                self._finish(writing, entry)
            finally:
                os.close(writing)
            if unlike(entry.info, os.fstat(reading)):
                raise changed(each.found.place(entry))
        finally:
            os.close(reading)

    def _node(self, each: Placement) -> None:
        """A link, or (from a stage) a device, fifo or socket."""
        fd, name = self._target(each.place)
        if each.exists:
            os.unlink(name, dir_fd=fd)
        entry = each.entry
        self.files += 1
        if entry.kind is EntryKind.LINK:
            os.symlink(entry.target, name, dir_fd=fd)
        else:
            os.mknod(name, stat.S_IFMT(entry.info.st_mode) | 0o600, entry.info.st_rdev, dir_fd=fd)
        os.chown(name, *self._owner_of(entry), dir_fd=fd, follow_symlinks=False)
        if self.keeps:
            write_xattrs(fd, name, self._attributes(each))
        if entry.kind is not EntryKind.LINK:
            set_mode(fd, name, self._mode_of(entry))
        time = self._time_of(entry)
        os.utime(name, ns=(time, time), dir_fd=fd, follow_symlinks=False)

    def _dress(self, fd: int, entry: SourceEntry) -> None:
        os.fchown(fd, *self._owner_of(entry))  # before the mode and the attributes: it drops setuid and capabilities

    def _finish(self, fd: int, entry: SourceEntry) -> None:
        os.fchmod(fd, self._mode_of(entry))
        time = self._time_of(entry)
        os.utime(fd, ns=(time, time))

    def _owner_of(self, entry: SourceEntry) -> tuple[int, int]:
        return self.owner or (entry.info.st_uid, entry.info.st_gid)

    def _mode_of(self, entry: SourceEntry) -> int:
        return self.chmod(entry.mode, entry.kind is EntryKind.DIRECTORY) if self.chmod else entry.mode

    def _time_of(self, entry: SourceEntry) -> int:
        return entry.info.st_mtime_ns if self.keeps else self.epoch

    def _attributes(self, each: Placement) -> dict[str, bytes]:
        attributes = read_xattrs(*self.opener.folder(each.found.place(each.entry)))
        return {key: value for key, value in attributes.items() if _kept(key)}

    def _target(self, place: str) -> tuple[int, str]:
        """The directory that holds a place of the view, kept open, and the place's name in it."""
        head, _, name = place.rpartition("/")
        if self._folder is None or self._folder[0] != head:
            fd = open_beneath(self.view.fd, head, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
            if self._folder is not None:
                os.close(self._folder[1])
            self._folder = head, fd
        return self._folder[1], name


def _kept(attribute: str) -> bool:
    return not attribute.startswith(_NOT_KEPT)


def _contents(reading: int, writing: int, info: os.stat_result) -> int:
    if info.st_size > _SMALL or info.st_blocks * 512 < info.st_size:
        return copy_file_contents(reading, writing)
    data = os.read(reading, _SMALL + 1)
    write_all(writing, data)
    return len(data)
