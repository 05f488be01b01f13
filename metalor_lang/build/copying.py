"""COPY: write what was taken from a context or a stage into a view.

Invariant: nothing is written before the whole copy is known to fit; from a context every byte of owner, mode and time
comes from the recipe, from a stage everything is kept.

An existing directory that something is copied into keeps its owner and mode, except that a directory of a stage which
lands on it under its own name brings them along. Parent directories that a COPY makes belong to the owner of what is
copied, with mode 755 and the epoch as their time.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.growing import Tree
from metalor_lang.build.ignore import Rules
from metalor_lang.build.listed import Found
from metalor_lang.build.nursery import Nursery
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.permissions import parse_mode
from metalor_lang.build.placing import Layout, lay_out, plain
from metalor_lang.build.sources import EXACT, SourceError, SourceTree
from metalor_lang.build.users import resolve, resolve_owner
from metalor_lang.build.writing import Writer
from metalor_lang.checker.program import SourceMiss
from metalor_lang.errors import MachineError, machine_help
from metalor_lang.kernel.paths import Root, open_beneath
from metalor_lang.plan.graph import CopyFiles
from metalor_lang.record import dataclass, field


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
    writer = Writer(
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
