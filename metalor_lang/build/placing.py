"""Where everything that a COPY takes lands, worked out before anything is written.

Invariant: every place is canonical in the view (no link on its way), no two entries have the same one, and the whole
copy is known to fit: what fails later is the machine.
"""

import os
import stat
from collections.abc import Callable
from itertools import pairwise

from metalor_lang.build.listed import EntryKind, Found, SourceEntry, separate
from metalor_lang.build.resolving import Resolved, TooManyLinks, resolve
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root, read_xattrs
from metalor_lang.record import dataclass, field, replace

_DEFAULT_ACL: Final = "system.posix_acl_default"


class CopyError(MetalorError):
    """What is copied does not fit where it should land."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One entry and where it lands.

    Args:
        place: canonical path in the view, relative; "" is its root.
        exists: a directory that is there already, or something that the entry replaces.
        keep: an existing directory whose own owner, mode and times stay.
        grown: a new directory that stands for all that is beneath it, too: nothing else can land in it.

    """

    place: str
    found: Found
    entry: SourceEntry
    exists: bool
    keep: bool = False
    grown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything a COPY writes, in order: parents to make (canonical, outermost first), then the entries."""

    parents: tuple[str, ...] = ()
    placements: tuple[Placement, ...] = ()

    def keeping(self) -> "Layout":
        """The same, but every existing directory keeps its owner, mode and times."""
        kept = (replace(each, keep=each.keep or each.exists) for each in self.placements)
        return replace(self, placements=tuple(kept))


def absolute(path: str, workdir: str) -> str:
    """A destination as an absolute path."""
    return path if path.startswith("/") else f"{workdir.rstrip('/')}/{path}"


def is_directory_spelling(path: str) -> bool:
    """Whether a destination is spelled as a directory."""
    return path.rpartition("/")[2] in ("", ".", "..")


def lay_out(
    view: Root,
    destination: str,
    workdir: str,
    found: tuple[Found, ...],
    *,
    grown: Callable[[Found], bool] | None = None,
) -> Layout:
    """Place all that was found.

    Args:
        view: the tree that is written into.
        destination: as in the recipe.
        workdir: where a relative destination starts.
        found: what is copied.
        grown: whether a source is written as one tree where it lands on nothing; None for never.

    Raises:
        CopyError: a file would land on a directory or a directory on a file, two entries on one path, or several
            sources on a destination that is not spelled as a directory.

    """
    if not found:
        return Layout()
    plan = _Plan(view=view, destination=destination, grown=grown if separate(found) else None)
    target = absolute(destination, workdir)
    if is_directory_spelling(destination):
        at = find_directory(view, target, destination)
        inside = at.full
        # A new directory that sources fill with their contents is the first one's own directory.
        mine = at.missing and found[0].contents and found[0].top.kind is EntryKind.DIRECTORY
        plan.make_parents(at, at.missing[:-1] if mine else at.missing)
        for each in found:
            if each.contents and each.top.kind is EntryKind.DIRECTORY:
                plan.merge(inside, each)
            else:
                plan.put(inside, each.name, each)
        if plan.led and any(each.grown for each in plan.placements):
            # A link of the image led entries elsewhere: perhaps into what was taken for a tree that nothing else meets.
            return lay_out(view, destination, workdir, found)
        return plan.done()
    if len(found) > 1:
        raise CopyError(
            f"{len(found)} sources cannot become the one path `{destination}`",
            help=f"write `{destination}/` to put them into a directory",
        )
    head, _, name = target.rpartition("/")
    at = find_directory(view, head, destination)
    plan.make_parents(at, at.missing)
    plan.put(at.full, name, found[0])
    return plan.done()


def plain(layout: Layout) -> bool:
    """Whether every entry landed at its own path below its source's place, and no such place lies in another.

    No link of the tree has a say in where they are then.
    """
    places: dict[int, str] = {}
    for each in layout.placements:
        if not each.entry.path:
            places[id(each.found)] = each.place
            continue
        top = places[id(each.found)]
        if each.place != (f"{top}/{each.entry.path}" if top else each.entry.path):
            return False
    ordered = sorted(f"{place}/" if place else "" for place in places.values())
    return not any(after.startswith(before) for before, after in pairwise(ordered))


def find_directory(view: Root, path: str, shown: str) -> Resolved:
    """The directory at a path of the view, through links inside it; perhaps missing.

    Raises:
        CopyError: something else is there.

    """
    try:
        at = resolve(view.fd, path, clamp=True)
        if not stat.S_ISDIR(at.stat.st_mode):
            raise NotADirectoryError(20, at.path)
    except NotADirectoryError as error:
        raise CopyError(
            f"`/{error.strerror}` is a file in the image, and `{shown}` needs it to be a directory",
            help="name another destination, or remove the file in an earlier step",
        ) from None
    except TooManyLinks as error:
        raise CopyError(f"`/{error}` in the image is a link in a loop, on the way to `{shown}`") from None
    return at


@dataclass(slots=True, kw_only=True)
class _Plan:
    view: Root
    destination: str
    grown: Callable[[Found], bool] | None
    parents: list[str] = field(default_factory=list)
    placements: list[Placement] = field(default_factory=list)
    fresh: set[str] = field(default_factory=set)
    taken: dict[str, tuple[EntryKind, str]] = field(default_factory=dict)
    led: bool = False
    """Whether a link of the view was followed below the destination."""

    def done(self) -> Layout:
        return Layout(parents=tuple(self.parents), placements=tuple(self.placements))

    def make_parents(self, at: Resolved, missing: tuple[str, ...]) -> None:
        place = at.path
        for name in missing:
            place = _join(place, name)
            self.parents.append(place)
            self.fresh.add(place)

    def put(self, parent: str, name: str, found: Found) -> None:
        """Place a source under a name in a directory."""
        if not name:  # the root of a stage, put "under its name": it has none, so it is its contents
            self.merge(parent, found)
            return
        top = found.top
        if top.kind is EntryKind.DIRECTORY:
            place = self.directory(parent, name, found, top)
            if not self.grows(found):
                self.fill(place, found)
        else:
            self.file(parent, name, found, top)

    def merge(self, place: str, found: Found) -> None:
        """Place a source's contents in a directory."""
        top = found.top
        new = place not in self.fresh and place not in self.taken and not self.there(place)
        self.taken.setdefault(place, (EntryKind.DIRECTORY, found.shown))
        self.placements.append(Placement(place=place, found=found, entry=top, exists=not new, keep=not new))
        if new:
            self.fresh.add(place)
        if not self.grows(found):
            self.fill(place, found)

    def grows(self, found: Found) -> bool:
        """Whether the source that was placed last is written as one tree; notes it."""
        last = self.placements[-1]
        if self.grown is None or last.exists or not self.grown(found) or _passes_on(self.view, last.place):
            return False
        self.placements[-1] = replace(last, grown=True)
        return True

    def there(self, place: str) -> bool:
        return not place or _stat(self.view, place) is not None

    def fill(self, place: str, found: Found) -> None:
        places = {"": place}
        for entry in (entry for folder in found.folders for entry in found.inside(folder)):
            head, _, name = entry.path.rpartition("/")
            if entry.kind is EntryKind.DIRECTORY:
                places[entry.path] = self.directory(places[head], name, found, entry)
            else:
                self.file(places[head], name, found, entry)

    def directory(self, parent: str, name: str, found: Found, entry: SourceEntry) -> str:
        place = _join(parent, name)
        exists = False
        if parent not in self.fresh and place not in self.fresh and (info := _stat(self.view, place)) is not None:
            exists = True
            if stat.S_ISLNK(info.st_mode):
                self.claim(place, found, entry)
                place = self.through(place, found, entry)
            elif not stat.S_ISDIR(info.st_mode):
                raise self.directory_onto_file(place, found, entry)
        exists = self.claim(place, found, entry) or exists or place in self.fresh
        self.placements.append(Placement(place=place, found=found, entry=entry, exists=exists))
        if not exists:
            self.fresh.add(place)
        return place

    def through(self, link: str, found: Found, entry: SourceEntry) -> str:
        try:
            at = resolve(self.view.fd, link, clamp=True)
        except (NotADirectoryError, TooManyLinks):
            raise self.directory_onto_file(link, found, entry) from None
        if at.missing or not stat.S_ISDIR(at.stat.st_mode):
            raise self.directory_onto_file(link, found, entry)
        self.led = True
        return at.path

    def file(self, parent: str, name: str, found: Found, entry: SourceEntry) -> None:
        place = _join(parent, name)
        self.claim(place, found, entry)
        info = None if parent in self.fresh else _stat(self.view, place)
        there = ""
        if place in self.fresh or (info is not None and stat.S_ISDIR(info.st_mode)):
            there = "a directory"
        elif info is not None and stat.S_ISLNK(info.st_mode) and entry.kind is not EntryKind.LINK:
            there = "a link to a directory" if leads_to_directory(self.view, place) else ""
        if there:
            source = _join(found.shown.rstrip("/"), entry.path)
            slash = f"{self.destination.rstrip('/')}/"
            help = f"write `{slash}` to put it into the directory" if not entry.path else "rename one of the two"
            what = "link" if entry.kind is EntryKind.LINK else "file"
            raise CopyError(f"`{source}` is a {what}, and `/{place}` is {there} in the image", help=help)
        self.placements.append(Placement(place=place, found=found, entry=entry, exists=info is not None))

    def claim(self, place: str, found: Found, entry: SourceEntry) -> bool:
        """Take a place; True when it is a directory that an earlier entry takes too."""
        source = _join(found.shown.rstrip("/"), entry.path)
        if place not in self.taken:
            self.taken[place] = entry.kind, source
            return False
        kind, other = self.taken[place]
        if kind is entry.kind is EntryKind.DIRECTORY:
            return True
        raise CopyError(
            f"`{other}` and `{source}` both land on `/{place}`",
            help="leave one out with `--exclude=`, or copy them in two statements: the later one then wins",
        )

    def directory_onto_file(self, place: str, found: Found, entry: SourceEntry) -> CopyError:
        source = _join(found.shown.rstrip("/"), entry.path)
        return CopyError(
            f"`{source}` is a directory, and `/{place}` in the image is not",
            help=f"copy it into a directory, as `/{place}.d/`, or remove what is there in an earlier step",
        )


def leads_to_directory(view: Root, link: str) -> bool:
    """Whether a link ends at a directory of the view.

    No file replaces such a link: who writes `COPY tool /bin` does not mean to lose the /bin of a merged-usr system.
    """
    try:
        at = resolve(view.fd, link, clamp=True)
    except (NotADirectoryError, TooManyLinks):
        return False
    return not at.missing and stat.S_ISDIR(at.stat.st_mode)


def _passes_on(view: Root, place: str) -> bool:
    """Whether what is made at a new place would get an access list of the directory above (acl(5), default lists)."""
    while place:
        place = place.rpartition("/")[0]
        if _stat(view, place or ".") is not None:
            return _DEFAULT_ACL in read_xattrs(view.fd, place or ".")
    return False


def _stat(view: Root, place: str) -> os.stat_result | None:
    try:
        return os.stat(place, dir_fd=view.fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _join(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent and name else parent or name
