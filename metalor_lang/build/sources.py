"""What a COPY takes: its sources found in one tree, and everything beneath each of them.

Invariant: a listing is made of descriptors opened beneath the tree without following links; every entry keeps the
status it was seen with, so whoever reads it later can tell that it changed.
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator

from metalor_lang.build.ignore import Rules, component, is_glob
from metalor_lang.build.listed import KINDS, NO_LINKS, Folder, Found, SourceEntry, entry_of
from metalor_lang.build.resolving import Outside, Resolved, TooManyLinks, resolve
from metalor_lang.checker.program import SourceMiss, SourceProblem
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.paths import open_beneath
from metalor_lang.plan.graph import CopySource
from metalor_lang.record import dataclass

EXACT: Final = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
"""How anything named by a canonical path is opened: beneath, and no link on the way."""


_KIND: Final = 0o170000
"""The bits of a mode that tell what it is (inode(7))."""
_REGULAR: Final = frozenset({stat.S_IFREG})


class SourceError(MetalorError):
    """A source of a COPY cannot be had; `miss` says why where it matched nothing."""

    def __init__(self, message: str, *, help: str = "", miss: SourceMiss | None = None) -> None:
        super().__init__(message, help=help)
        self.miss = miss


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """A tree to take sources from.

    Args:
        fd: the open directory.
        label: how messages call it ("the context", "stage build").
        clamp: a root of a stage (links are followed inside it) or a context (links must not leave it).
        rules: what of it is invisible.
        unnamed: canonical paths that are taken only when a source names them.
        guard: called before a directory is listed; raises SourceError to refuse it.

    """

    fd: int
    label: str
    clamp: bool
    rules: Rules
    unnamed: frozenset[str] = frozenset()
    guard: Callable[[str], None] | None = None

    def take(
        self, source: CopySource, excludes: tuple[str, ...], see: Callable[[str, Folder], None] | None = None
    ) -> tuple[Found, ...] | SourceMiss:
        """Everything a source stands for, listed; or why it is nothing.

        Args:
            source: as in the recipe.
            excludes: names that are left out.
            see: called with the canonical path of the source and each directory of it as it is listed, where the
                source stands for one thing.

        Raises:
            SourceError: what is there cannot be copied (unreadable, a device, a fifo, a loop of links).

        """
        hidden = Rules(excludes, "--exclude")
        spots = self.spots(source, hidden)
        if isinstance(spots, SourceMiss):
            return spots
        return tuple(
            Found(
                shown=spot.shown,
                name=spot.name,
                origin=spot.at.path,
                contents=spot.contents,
                top=self._top(spot),
                folders=tuple(self._folders(spot, hidden, see if len(spots) == 1 else None)),
                clamp=self.clamp,
            )
            for spot in spots
        )

    def spots(self, source: CopySource, hidden: Rules) -> "tuple[Spot, ...] | SourceMiss":
        """The paths that a source stands for, not listed; or why there are none."""
        spelled = _spell(source.path)
        if not self.clamp and (source.path.startswith("/") or spelled.climbs):
            return SourceMiss(problem=SourceProblem.OUTSIDE, detail=f"`{source.path}` lies outside {self.label}")
        if spelled.climbs:
            return SourceMiss(problem=SourceProblem.OUTSIDE, detail=f"`{source.path}` climbs out of {self.label}")
        if source.glob and is_glob(spelled.path):
            return self._glob(source.path, spelled, hidden)
        found = self._spot(spelled.path, spelled.contents, source.path)
        if isinstance(found, Spot) and spelled.path and not found.directory:
            name = spelled.path.rpartition("/")[2]
            if (rule := hidden.decisive(name, directory=False)) is not None and not rule.again:
                return SourceMiss(problem=SourceProblem.IGNORED, detail=f"excluded by --exclude={rule.text}")
        return found if isinstance(found, SourceMiss) else (found,)

    def _spot(self, path: str, contents: bool, shown: str) -> "Spot | SourceMiss":
        try:
            at = resolve(self.fd, path, clamp=self.clamp)
        except Outside as error:
            detail = f"`{error.at}` is a link that leaves {self.label}"
            return SourceMiss(problem=SourceProblem.OUTSIDE, detail=detail)
        except TooManyLinks as error:
            detail = f"`{error}` is a link in a loop"
            return SourceMiss(problem=SourceProblem.ABSENT, detail=detail)
        except NotADirectoryError as error:
            detail = f"`{error.strerror}` in {self.label} is not a directory"
            return SourceMiss(problem=SourceProblem.ABSENT, detail=detail)
        except PermissionError:
            raise SourceError(f"`{shown}` cannot be read: permission denied") from None
        if at.missing:
            nearest = self._nearest(at)
            led = f"`{path}` leads by a link to `{at.full}`, and that is not" if at.full != path else ""
            detail = f"{led or f'there is no `{at.full}`'} in {self.label}"
            return SourceMiss(problem=SourceProblem.ABSENT, detail=detail, nearest=nearest)
        spot = Spot(shown=shown, name=path.rpartition("/")[2], at=at, contents=contents)
        if contents and not spot.directory:
            detail = f"`{path}` in {self.label} is not a directory: write it without the `/`"
            return SourceMiss(problem=SourceProblem.ABSENT, detail=detail, nearest=path)
        for each, directory in ((path, spot.directory), (at.path, spot.directory)):
            if each and (rule := self.rules.hidden_by(each, directory=directory)) is not None:
                detail = f"ignored by line {rule.line} of {self.rules.name} (`{rule.text}`)"
                return SourceMiss(problem=SourceProblem.IGNORED, detail=detail)
        return spot

    def _glob(self, shown: str, spelled: "_Spelled", hidden: Rules) -> "tuple[Spot, ...] | SourceMiss":
        parts = spelled.path.split("/")
        heads = [""]
        ignored: SourceMiss | None = None
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            if not is_glob(part):
                heads = [f"{head}/{part}" if head else part for head in heads]
                continue
            match = re.compile(component(part), re.DOTALL).fullmatch
            heads = [
                f"{head}/{name}" if head else name
                for head in heads
                for name in self._names(head)
                if match(name) and not (last and hidden.hides(name, directory=False))
            ]
        spots: list[Spot] = []
        for head in heads:
            spot = self._spot(head, spelled.contents, head)
            match spot:
                case Spot() if spot.at.path in self.unnamed or (
                    spot.directory and hidden.hides(spot.name, directory=True)
                ):
                    pass
                case Spot():
                    spots.append(spot)
                case SourceMiss(problem=SourceProblem.IGNORED):
                    ignored = ignored or SourceMiss(problem=spot.problem, detail=f"`{head}` is {spot.detail}")
                case SourceMiss(problem=SourceProblem.OUTSIDE):
                    return spot
                case SourceMiss():
                    pass
        if spots:
            return tuple(spots)
        return ignored or SourceMiss(
            problem=SourceProblem.EMPTY_GLOB, detail=f"nothing in {self.label} matches `{shown}`"
        )

    def _names(self, path: str) -> list[str]:
        try:
            at = resolve(self.fd, path, clamp=self.clamp)
            if at.missing:
                return []
            fd = open_beneath(self.fd, at.path, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
        except (Outside, TooManyLinks, NotADirectoryError):
            return []
        except PermissionError:
            raise SourceError(f"`{path or '.'}` cannot be read: permission denied") from None
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def _nearest(self, at: Resolved) -> str:
        """The nearest existing name to the first missing one, as a path."""
        names = self._names(at.path) if stat.S_ISDIR(at.stat.st_mode) else []
        import difflib

        close = difflib.get_close_matches(at.missing[0], names, n=1)
        return f"{at.path}/{close[0]}" if close and at.path else close[0] if close else ""

    def _top(self, spot: "Spot") -> SourceEntry:
        info = spot.at.stat
        if not self.clamp and stat.S_IFMT(info.st_mode) not in KINDS:
            raise self._refused(spot.at.path or spot.shown, info)
        return entry_of("", info, "", self.clamp)

    def _folders(self, spot: "Spot", hidden: Rules, see: Callable[[str, Folder], None] | None) -> Iterator[Folder]:
        """What is beneath a source."""
        if not spot.directory:
            return
        if self.guard is not None:
            self.guard(spot.shown)
        origin = f"{spot.at.path}/" if spot.at.path else ""
        pending = [("", spot.at.stat)]
        while pending:
            prefix, info = pending.pop()
            base = origin + prefix
            fd = self._open_directory(base, spot.shown)
            try:
                folder = self._list(fd, prefix, base, info, hidden)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINVAL):  # gone, or no link any more
                    raise
                raise changed(f"{base}{error.filename or ''}") from None
            finally:
                os.close(fd)
            if see is not None:
                see(spot.at.path, folder)
            yield folder
            pending.extend((f"{prefix}{name}/", status) for name, status in reversed(folder.directories))

    def _list(self, fd: int, prefix: str, base: str, info: os.stat_result, hidden: Rules) -> Folder:
        visible = self._visible(prefix, base, hidden)
        with os.scandir(fd) as listing:
            found = sorted(listing, key=_name)
        if visible is None:
            everything = [each.stat(follow_symlinks=False) for each in found]
            if {each.st_mode & _KIND for each in everything} <= _REGULAR:  # most directories by far
                return Folder(
                    path=prefix, info=info, names=tuple([each.name for each in found]), infos=tuple(everything)
                )
        names: list[str] = []
        infos: list[os.stat_result] = []
        inner: list[str] = []
        targets: dict[str, str] = {}
        for each in found:
            name = each.name
            directory = each.is_dir(follow_symlinks=False)
            if visible is not None and not visible(name, directory):
                continue
            if directory:
                inner.append(name)
                continue
            status = each.stat(follow_symlinks=False)
            kind = status.st_mode & _KIND
            if kind != stat.S_IFREG:
                if kind == stat.S_IFDIR:
                    raise changed(base + name)
                if kind == stat.S_IFLNK:
                    targets[name] = os.readlink(name, dir_fd=fd)
                elif not self.clamp:
                    raise self._refused(base + name, status)
            names.append(name)
            infos.append(status)
        directories = []
        for name in inner:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                raise changed(base + name)
            directories.append((name, status))
        return Folder(
            path=prefix,
            info=info,
            names=tuple(names),
            infos=tuple(infos),
            targets=targets or NO_LINKS,
            directories=tuple(directories),
        )

    def _visible(self, prefix: str, base: str, hidden: Rules) -> Callable[[str, bool], bool] | None:
        """Whether a name in a directory is taken; None where all are."""
        unnamed, rules, excludes = self.unnamed, self.rules, hidden
        if not rules and not excludes and not any(path.rpartition("/")[0] == base[:-1] for path in unnamed):
            return None

        def visible(name: str, directory: bool) -> bool:
            place = base + name
            if place in unnamed or (rules and rules.hides(place, directory=directory)):
                return False
            return not (excludes and excludes.hides(prefix + name, directory=directory))

        return visible

    def _open_directory(self, base: str, shown: str) -> int:
        try:
            return open_beneath(self.fd, base, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
        except PermissionError:
            raise SourceError(f"the directory `{base or shown}` cannot be read: permission denied") from None
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EXDEV):
                raise changed(base or shown) from None
            raise

    def _refused(self, place: str, info: os.stat_result) -> SourceError:
        return SourceError(
            f"`{place}` is {_special(info.st_mode)}, which cannot be copied from {self.label}",
            help="leave it out: name it in `.metalorignore`, or write `--exclude=` with its name",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A path found for a source, before it is listed."""

    shown: str
    name: str
    at: Resolved
    contents: bool

    @property
    def directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.at.stat.st_mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spelled:
    path: str
    contents: bool
    climbs: bool


def _spell(text: str) -> _Spelled:
    """A source's text: its plain path, whether it means the contents, whether `..` climbs above the tree."""
    parts: list[str] = []
    climbs = False
    for part in text.split("/"):
        if part == "..":
            climbs = climbs or not parts
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    contents = text.endswith("/") or text.rpartition("/")[2] in (".", "..") or not parts
    return _Spelled(path="/".join(parts), contents=contents, climbs=climbs)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _special(mode: int) -> str:
    for test, words in ((stat.S_ISFIFO, "a fifo"), (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a block device")):
        if test(mode):
            return words
    return "a character device"


def changed(place: str) -> SourceError:
    """The error for a source that is not what it was when it was listed."""
    return SourceError(
        f"`{place}` changed while it was copied",
        help="let nothing write to the files while they are copied, and build again",
    )


def unlike(before: os.stat_result, now: os.stat_result) -> bool:
    """Whether a file is not the one, or has not the content, that it was."""
    return (before.st_ino, before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_mode) != (
        now.st_ino,
        now.st_size,
        now.st_mtime_ns,
        now.st_ctime_ns,
        now.st_mode,
    )
