"""COPY: write what was taken from a context or a stage into a view.

Invariant: nothing is written before the whole copy is known to fit; from a context every byte of owner, mode and time
comes from the recipe, from a stage everything is kept.

An existing directory that something is copied into keeps its owner and mode, except that a directory of a stage which
lands on it under its own name brings them along. Parent directories that a COPY makes belong to the owner of what is
copied, with mode 755 and the epoch as their time.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from metalor_lang.build.batches import Batch, Copying, is_small
from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.growing import Tree
from metalor_lang.build.ignore import Rules
from metalor_lang.build.listed import EntryKind, Found, SourceEntry
from metalor_lang.build.nursery import Nursery
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.permissions import Chmod, parse_mode
from metalor_lang.build.placing import Layout, Placement, lay_out, plain
from metalor_lang.build.sources import EXACT, SourceError, SourceTree, changed, unlike
from metalor_lang.build.users import resolve, resolve_owner
from metalor_lang.checker.program import SourceMiss
from metalor_lang.errors import MachineError, machine_help
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root, copy_file_contents, open_beneath, read_xattrs, set_mode
from metalor_lang.kernel.shared import BATCH, WORTH
from metalor_lang.kernel.trees import write_xattrs
from metalor_lang.plan.graph import CopyFiles
from metalor_lang.record import dataclass, field

_SMALL: Final = 1 << 16
_NOT_KEPT: Final = ("user.overlay.", "trusted.overlay.", "security.selinux", "security.ima", "security.evm")
"""Attributes of the host or of its overlay, not of the file."""


class Elsewhere(Exception):
    """An edit cannot stand on the whole copy: everything has to be copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What a COPY wrote: how many files and links, the bytes of their contents, and where everything landed.

    `trees` are still to be put in the places of the empty directories that were made for them.
    """

    files: int
    bytes: int
    layout: Layout = field(default=Layout(), repr=False, compare=False)
    trees: tuple[tuple[str, Tree], ...] = field(default=(), repr=False, compare=False)


def copy_into(
    view: Root,
    files: CopyFiles,
    *,
    epoch: int,
    contexts: LocalContexts | None = None,
    source_view: Root | None = None,
    title: str = "",
    edit: tuple[Found, ...] | None = None,
    nursery: Nursery | None = None,
    brought: tuple[int, int] | None = None,
) -> CopyReport:
    """Do a COPY.

    Args:
        view: the tree to write into.
        files: the COPY, from a context, or with `stage` set from that stage.
        epoch: time of everything that does not keep one, in seconds since 1970.
        contexts: for a COPY from a context.
        source_view: for a COPY from a stage: its tree, only read.
        title: the stage's name, for messages.
        edit: only these entries, onto a whole copy of the rest; the directories of that copy keep the epoch as time.
        nursery: where large new directories are written as trees, which the caller then puts in their places; None to
            write everything into the view.
        brought: the tree is no stage's but came from elsewhere, for this owner; existing directories stay as they are.

    Raises:
        Elsewhere: an edit does not land where the whole copy would have it; nothing was written.
        SourceError: a source matches nothing, cannot be read, or changed since it was digested.
        CopyError: what is copied does not fit; nothing was written.
        UserError: an owner that the image does not have.
        MachineError: writing failed; the view is to be discarded.

    """
    chmod = parse_mode(files.chmod) if files.chmod is not None else None
    owner = resolve_owner(view, files.chown) if files.chown is not None else brought
    if files.stage is not None:
        if source_view is None:
            raise ValueError("a COPY from a stage needs its view")
        found = _take(files, source_view, title)
        parents = owner or _first_owner(found)
        source = source_view.fd
    else:
        if contexts is None:
            raise ValueError("a COPY from a context needs the contexts")
        found = contexts.listing(files).found if edit is None else edit
        if owner is None:
            identity = resolve(view, files.user)
            owner = identity.uid, identity.gid
        parents = owner
        source = contexts.directory(files.context)
    grown = nursery.worth if nursery is not None and files.stage is None and edit is None else None
    layout = lay_out(view, files.destination, files.workdir, found, grown=grown)
    if edit is not None and not plain(layout):
        raise Elsewhere
    if brought is not None:
        layout = layout.keeping()
    writer = _Writer(
        view=view,
        opener=SourceOpener(source),
        keeps=files.stage is not None,
        owner=owner,
        parents=parents,
        chmod=chmod,
        epoch=epoch * 1_000_000_000,
    )
    try:
        with _times_kept(view, layout, epoch * 1_000_000_000) if edit is not None else nullcontext():
            writer.write(layout)
    except OSError as error:
        raise _unwritten(writer.at, error) from error
    finally:
        writer.close()
    report = CopyReport(files=writer.files, bytes=writer.written, layout=layout)
    if nursery is None or owner is None:
        return report
    try:
        trees = nursery.trees(layout, source, files, found, owner, epoch)
    except OSError as error:
        raise _unwritten(error.filename, error) from error
    return CopyReport(
        files=report.files + sum(tree.found.files for _, tree in trees),
        bytes=report.bytes + sum(tree.found.bytes for _, tree in trees),
        layout=layout,
        trees=trees,
    )


@contextmanager
def _times_kept(view: Root, layout: Layout, epoch: int) -> Iterator[None]:
    """Give back their time to the directories that had the epoch, as those that a whole copy made do."""
    places = {each.place.rpartition("/")[0] for each in layout.placements if each.place}
    kept = [place for place in places if _time(view, place) == epoch]
    yield
    for place in kept:
        fd = open_beneath(view.fd, place, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
        try:
            os.utime(fd, ns=(epoch, epoch))
        finally:
            os.close(fd)


def _time(view: Root, place: str) -> int | None:
    try:
        return os.stat(place or ".", dir_fd=view.fd, follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:  # the copy makes it
        return None


def _take(files: CopyFiles, source: Root, title: str) -> tuple[Found, ...]:
    label = f"the stage `{title}`" if title else "the stage"
    tree = SourceTree(fd=source.fd, label=label, clamp=True, rules=Rules((), ""))
    found: list[Found] = []
    for each in files.sources:
        taken = tree.take(each, files.excludes)
        if not isinstance(taken, SourceMiss):
            found.extend(taken)
        elif not files.optional:
            help = f"did you mean `/{taken.nearest}`?" if taken.nearest else ""
            raise SourceError(f"`{each.path}` matches nothing: {taken.detail}", help=help, miss=taken)
    return tuple(found)


def _first_owner(found: tuple[Found, ...]) -> tuple[int, int]:
    info = found[0].top.info if found else None
    return (info.st_uid, info.st_gid) if info else (0, 0)


def _unwritten(place: str, error: OSError) -> MachineError:
    return MachineError(f"`/{place}` cannot be written: {error.strerror or error}", help=_advice(error.errno))


def _advice(number: int | None) -> str:
    match number:
        case errno.EPERM | errno.EACCES | errno.EINVAL:
            return "the owner, device or attribute may need more rights than this user has: build as root"
        case _:
            return machine_help(number)


@dataclass(slots=True, kw_only=True)
class _Writer:
    view: Root
    opener: SourceOpener
    keeps: bool
    """From a stage: owners, modes, times, attributes and hard links are kept."""
    owner: tuple[int, int] | None
    parents: tuple[int, int]
    chmod: Chmod | None
    epoch: int
    files: int = 0
    written: int = 0
    at: str = ""
    """What is being written, for messages."""
    links: dict[tuple[int, int], str] = field(default_factory=dict)
    folder: tuple[str, int] | None = None
    batches: list[Batch] = field(default_factory=list)

    def close(self) -> None:
        self.opener.close()
        if self.folder is not None:
            os.close(self.folder[1])
        self.folder = None

    def write(self, layout: Layout) -> None:
        for place in layout.parents:
            self.at = place
            fd, name = self.target(place)
            os.mkdir(name, 0o700, dir_fd=fd)
            os.chown(name, *self.parents, dir_fd=fd, follow_symlinks=False)
            set_mode(fd, name, 0o755)
        for each in layout.placements:
            self.at = each.place
            match each.entry.kind:
                case EntryKind.DIRECTORY:
                    if not each.exists:
                        fd, name = self.target(each.place)
                        os.mkdir(name, 0o700, dir_fd=fd)
                case EntryKind.FILE:
                    if self.keeps or not self.put_off(each):
                        self.file(each)
                case EntryKind.LINK | EntryKind.SPECIAL:
                    self.node(each)
        if self.batches:
            self.several()
        # Directories last, innermost first: writing into one changes its times, and its mode may forbid it.
        for each in reversed(layout.placements):
            if (
                each.entry.kind is EntryKind.DIRECTORY
                and not each.keep
                and not each.grown
                and (self.keeps or not each.exists)
            ):
                self.at = each.place
                self.directory(each)
        for place in reversed(layout.parents):
            fd, name = self.target(place)
            os.utime(name, ns=(self.epoch, self.epoch), dir_fd=fd, follow_symlinks=False)

    def directory(self, each: Placement) -> None:
        fd = open_beneath(self.view.fd, each.place, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
        try:
            self.dress(fd, each.entry)
            if self.keeps:
                attributes = self.attributes(each)
                for key in os.listxattr(fd) if each.exists else ():
                    if _kept(key) and key not in attributes:
                        os.removexattr(fd, key)
                for key, value in attributes.items():
                    os.setxattr(fd, key, value)
            self.finish(fd, each.entry)
        finally:
            os.close(fd)

    def put_off(self, each: Placement) -> bool:
        """Leave a small new file, under the name it had, to be copied with the others of its directory."""
        info = each.entry.info
        if each.exists or not is_small(info):
            return False
        source, _, name = each.found.place(each.entry).rpartition("/")
        target, _, last = each.place.rpartition("/")
        if name != last:
            return False
        batch = self.batches[-1] if self.batches else None
        if batch is None or len(batch.names) >= BATCH or (batch.source, batch.target) != (source, target):
            batch = Batch(source=source, target=target, names=[], infos=[], modes=[])
            self.batches.append(batch)
        batch.names.append(name)
        batch.infos.append(info)
        batch.modes.append(self.mode_of(each.entry))
        return True

    def several(self) -> None:
        """Copy the small new files that were put off, whose directories are there."""
        assert self.owner is not None
        try:
            many = sum(len(batch.names) for batch in self.batches) >= WORTH
            with Copying(self.opener.root, self.view.fd, owner=self.owner, time=self.epoch, worker=many) as copying:
                for batch in self.batches:
                    copying.add(batch)
                copying.finish(self.opener)
        except OSError as error:
            self.at = error.filename
            raise
        for batch in self.batches:
            self.files += len(batch.names)
            self.written += sum(info.st_size for info in batch.infos)
        self.batches = []

    def file(self, each: Placement) -> None:
        fd, name = self.target(each.place)
        if each.exists:
            os.unlink(name, dir_fd=fd)
        entry = each.entry
        self.files += 1
        identity = (entry.info.st_dev, entry.info.st_ino)
        linked = self.keeps and entry.info.st_nlink > 1
        if linked and (first := self.links.setdefault(identity, each.place)) is not each.place:
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
                self.dress(writing, entry)
                if self.keeps:
                    for key in os.listxattr(reading):
                        if _kept(key):
                            os.setxattr(writing, key, os.getxattr(reading, key))
                self.finish(writing, entry)
            finally:
                os.close(writing)
            if unlike(entry.info, os.fstat(reading)):
                raise changed(each.found.place(entry))
        finally:
            os.close(reading)

    def node(self, each: Placement) -> None:
        """A link, or (from a stage) a device, fifo or socket."""
        fd, name = self.target(each.place)
        if each.exists:
            os.unlink(name, dir_fd=fd)
        entry = each.entry
        self.files += 1
        if entry.kind is EntryKind.LINK:
            os.symlink(entry.target, name, dir_fd=fd)
        else:
            os.mknod(name, stat.S_IFMT(entry.info.st_mode) | 0o600, entry.info.st_rdev, dir_fd=fd)
        os.chown(name, *self.owner_of(entry), dir_fd=fd, follow_symlinks=False)
        if self.keeps:
            write_xattrs(fd, name, self.attributes(each))
        if entry.kind is not EntryKind.LINK:
            set_mode(fd, name, self.mode_of(entry))
        time = self.time_of(entry)
        os.utime(name, ns=(time, time), dir_fd=fd, follow_symlinks=False)

    def dress(self, fd: int, entry: SourceEntry) -> None:
        os.fchown(fd, *self.owner_of(entry))  # before the mode and the attributes: it drops setuid and capabilities

    def finish(self, fd: int, entry: SourceEntry) -> None:
        os.fchmod(fd, self.mode_of(entry))
        time = self.time_of(entry)
        os.utime(fd, ns=(time, time))

    def owner_of(self, entry: SourceEntry) -> tuple[int, int]:
        return self.owner or (entry.info.st_uid, entry.info.st_gid)

    def mode_of(self, entry: SourceEntry) -> int:
        return self.chmod(entry.mode, entry.kind is EntryKind.DIRECTORY) if self.chmod else entry.mode

    def time_of(self, entry: SourceEntry) -> int:
        return entry.info.st_mtime_ns if self.keeps else self.epoch

    def attributes(self, each: Placement) -> dict[str, bytes]:
        attributes = read_xattrs(*self.opener.folder(each.found.place(each.entry)))
        return {key: value for key, value in attributes.items() if _kept(key)}

    def target(self, place: str) -> tuple[int, str]:
        """The directory that holds a place of the view, kept open, and the place's name in it."""
        head, _, name = place.rpartition("/")
        if self.folder is None or self.folder[0] != head:
            fd = open_beneath(self.view.fd, head, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
            if self.folder is not None:
                os.close(self.folder[1])
            self.folder = head, fd
        return self.folder[1], name


def _kept(attribute: str) -> bool:
    return not attribute.startswith(_NOT_KEPT)


def _contents(reading: int, writing: int, info: os.stat_result) -> int:
    if info.st_size > _SMALL or info.st_blocks * 512 < info.st_size:
        return copy_file_contents(reading, writing)
    data = os.read(reading, _SMALL + 1)
    done = 0
    while done < len(data):
        done += os.write(writing, data[done:])
    return done
