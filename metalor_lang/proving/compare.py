"""Two images compared: configuration by field, files by path.

Invariant: pure; whatever is not named as a difference or as a trace is equal. Times are not compared: a builder writes
them as it likes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field, fields


class Kind(StrEnum):
    """What a path is."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    FIFO = "fifo"
    SOCKET = "socket"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of a tree.

    Args:
        mode: permission bits, with setuid, setgid and sticky.
        size: of a file, in bytes.
        content: of a file, the hexadecimal SHA-256.
        target: of a link, its text.
        device: of a device, "major:minor".
        xattrs: names and hexadecimal values, sorted.
        names: all paths of a file with hard links, sorted; () for a file with one name.

    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int = 0
    content: str = ""
    target: str = ""
    device: str = ""
    xattrs: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image as far as two can be compared.

    Args:
        config: its fields by name, in a form in which equal meanings are equal (see `proving.facts`).
        tree: entries by path, relative to the root.

    """

    config: Mapping[str, object]
    tree: Mapping[str, Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the two images do not agree in.

    Args:
        where: a path, or "config".
        name: the field.
        ours, theirs: the two values, as a person reads them.

    """

    where: str
    name: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.where}: {self.name}: {self.ours} here, {self.theirs} there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Paths that the other builder leaves behind by itself, and why they say nothing about the Dockerfile.

    Args:
        paths: that it may leave.
        kind: what it leaves there, always empty.
        reason: in a person's words.

    """

    paths: frozenset[str]
    kind: Kind
    reason: str


STUBS: Final = Trace(
    paths=frozenset({"etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"}),
    kind=Kind.FILE,
    reason="empty files over which Buildah mounts its own while a command runs",
)
FURNITURE: Final = Trace(
    paths=frozenset({"dev", "etc", "proc", "run", "run/secrets", "sys"}),
    kind=Kind.DIRECTORY,
    reason="directories that Buildah needs in the root of a command",
)
TRACES: Final = (STUBS, FURNITURE)
"""What Buildah adds to an image in which a command has run. docs/how-to/prove-a-dockerfile.md lists them."""


def made_for(targets: Iterable[str], reason: str) -> Trace:
    """The trace of absolute paths for which Buildah makes directories, and the directories above them."""
    paths: set[str] = set()
    for target in targets:
        parts = [part for part in target.split("/") if part]
        paths.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return Trace(paths=frozenset(paths), kind=Kind.DIRECTORY, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came out.

    Args:
        differences: fields of the configuration first, then paths in order; empty when the images are equal.
        aside: paths that were left out of it, with the reason of each.
        entries: how many paths were compared.

    """

    differences: tuple[Difference, ...]
    aside: tuple[tuple[str, str], ...]
    entries: int
    fields: int = field(default=0)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def compare(ours: Picture, theirs: Picture, traces: Iterable[Trace] = TRACES) -> Comparison:
    """Hold two images against each other.

    Args:
        ours: metalor's.
        theirs: Buildah's, whose own traces are left out where we have nothing at that path.
        traces: those traces.

    """
    volumes = theirs.config.get("volumes")
    paths_of_volumes = volumes if isinstance(volumes, tuple) else ()
    known = (*traces, made_for(paths_of_volumes, "directories of VOLUME, which Buildah makes where there are none"))
    aside = dict(sorted(_left_behind(ours.tree, theirs.tree, known)))
    tree = {path: entry for path, entry in theirs.tree.items() if path not in aside}
    paths = sorted({*ours.tree, *tree})
    found = [*_config(ours.config, theirs.config)]
    for path in paths:
        found += _entry(path, ours.tree.get(path), tree.get(path))
    return Comparison(
        differences=tuple(found),
        aside=tuple(aside.items()),
        entries=len(paths),
        fields=len({*ours.config, *theirs.config}),
    )


def _left_behind(
    ours: Mapping[str, Entry], theirs: Mapping[str, Entry], traces: tuple[Trace, ...]
) -> Iterator[tuple[str, str]]:
    """The traces that are there. A directory counts as one only while nothing but traces is in it."""
    candidates = {
        path: trace.reason
        for trace in traces
        for path in trace.paths
        if path not in ours and path in theirs and theirs[path].kind is trace.kind and not theirs[path].size
    }
    full = {path.rpartition("/")[0] for path in theirs if path not in candidates}
    while inner := [path for path in candidates if path in full]:
        for path in inner:
            del candidates[path]
            full.add(path.rpartition("/")[0])
    yield from candidates.items()


def _config(ours: Mapping[str, object], theirs: Mapping[str, object]) -> Iterator[Difference]:
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name), theirs.get(name)
        if one == other:
            continue
        if isinstance(one, Mapping) or isinstance(other, Mapping):
            one, other = (each if isinstance(each, Mapping) else {} for each in (one, other))
            for key in sorted({*one, *other}):
                if one.get(key) != other.get(key):
                    yield Difference(
                        where="config", name=f"{name} {key}", ours=_shown(one.get(key)), theirs=_shown(other.get(key))
                    )
            continue
        yield Difference(where="config", name=name, ours=_shown(one), theirs=_shown(other))


def _shown(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _entry(path: str, ours: Entry | None, theirs: Entry | None) -> Iterator[Difference]:
    if ours == theirs:
        return
    if ours is None or theirs is None:
        yield Difference(where=path, name="path", ours=_thing(ours), theirs=_thing(theirs))
        return
    if ours.kind is not theirs.kind:
        yield Difference(where=path, name="kind", ours=_thing(ours), theirs=_thing(theirs))
        return
    for each in fields(Entry):
        one, other = getattr(ours, each.name), getattr(theirs, each.name)
        if one == other or (each.name == "content" and ours.size != theirs.size):
            continue
        name, said = _FIELDS.get(each.name, (each.name, str))
        yield Difference(where=path, name=name, ours=said(one), theirs=said(other))


def _thing(entry: Entry | None) -> str:
    return "absent" if entry is None else str(entry.kind)


def _names(names: tuple[str, ...]) -> str:
    return " = ".join(names) or "no other name"


def _xattrs(pairs: tuple[tuple[str, str], ...]) -> str:
    return " ".join(f"{name}=0x{value}" for name, value in pairs) or "none"


_FIELDS: Final[Mapping[str, tuple[str, Callable[..., str]]]] = {
    "mode": ("mode", "{:04o}".format),
    "size": ("size", "{} bytes".format),
    "content": ("content", "sha256:{:.12}".format),
    "names": ("hard links", _names),
    "xattrs": ("extended attributes", _xattrs),
}
