"""What a snapshot's tree looked like when it was committed, and what has changed since.

Invariant: committing reads no file: the manifest has the metadata of every entry (one lstat each). Hashes of contents
and extended attributes are a second file, the *contents*, written once by `seal` (when a tree was just written from
verified bytes) or by the first full verify; from then on every bit of the tree is accounted for.
"""

import errno
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from metalor_lang.digest import sha256
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.kernel.trees import read_xattrs, walk
from metalor_lang.record import dataclass, field
from metalor_lang.sha import new_hash
from metalor_lang.store.files import Damaged

_CHUNK: Final = 1 << 20
_QUOTED: Final = json.encoder.encode_basestring_ascii


class TreeTooDeep(MetalorError):
    """A step left directories nested deeper than a snapshot may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The metadata of one entry.

    Args:
        path: relative to the tree, "." for its root; with surrogate escapes.
        mode: st_mode, type included.
        size: bytes of a regular file, else 0.
        mtime: nanoseconds since 1970.
        extra: target of a link, `major:minor` of a device, else "".

    """

    path: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    extra: str

    def difference(self, other: "Row") -> str:
        """In words, how `other` (now) differs from this (then); "" when it does not."""
        if stat.S_IFMT(self.mode) != stat.S_IFMT(other.mode):
            return "is of another type"
        if self.size != other.size:
            return f"has {other.size} bytes instead of {self.size}"
        if self.mode != other.mode:
            return f"has mode {stat.S_IMODE(other.mode):o} instead of {stat.S_IMODE(self.mode):o}"
        if (self.uid, self.gid) != (other.uid, other.gid):
            return f"belongs to {other.uid}:{other.gid} instead of {self.uid}:{self.gid}"
        if self.extra != other.extra:
            return f"points to {other.extra} instead of {self.extra}"
        if self.mtime != other.mtime:
            return "was changed (its time differs)"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A tree's rows, and what it takes.

    Args:
        size: bytes of its regular files, each inode once.
        entries: how many names it has, its root not counted.

    """

    rows: tuple[Row, ...]
    size: int
    entries: int


def _row(path: str, status: os.stat_result, extra: str) -> Row:
    return Row(
        path=path,
        mode=status.st_mode,
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if stat.S_ISREG(status.st_mode) else 0,
        mtime=status.st_mtime_ns,
        extra=extra,
    )


@contextmanager
def _deep_trees_explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise TreeTooDeep(
            f"the step left a tree that cannot be kept: {error.strerror}: /{error.filename}",
            help="remove the deep directories before the step ends",
        ) from None


def survey(fd: int) -> Survey:
    """Look at every entry of the tree below a directory descriptor.

    Raises:
        TreeTooDeep: directories nest deeper than the walk goes.

    """
    rows = [_row(".", os.fstat(fd), "")]
    seen: set[tuple[int, int]] = set()
    size = 0
    with _deep_trees_explained():
        for entry in walk(fd):
            status = entry.stat
            extra = ""
            if stat.S_ISREG(status.st_mode):
                if status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
                    size += status.st_size
                if status.st_nlink > 1:
                    seen.add((status.st_dev, status.st_ino))
            elif stat.S_ISLNK(status.st_mode):
                extra = os.readlink(entry.name, dir_fd=entry.dirfd)
            elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                extra = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
            rows.append(_row(entry.path, status, extra))
    return Survey(rows=tuple(rows), size=size, entries=len(rows) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beneath:
    """What is known of all beneath a directory by who wrote it.

    Args:
        lines: as `surveyed` would write them.
        size: bytes of its regular files, none of which has two names.
        entries: how many names there are.

    """

    lines: str = field(repr=False)
    size: int
    entries: int


NOTHING_KNOWN: Final[Mapping[str, Beneath]] = MappingProxyType({})


def row_line(path: str, mode: int, owner: tuple[int, int], size: int, mtime: int, extra: str) -> str:
    """The line of one entry; arguments as `Row`."""
    return f"[{_QUOTED(path)},{mode},{owner[0]},{owner[1]},{size},{mtime},{_QUOTED(extra)}]\n"


def lines_of(
    prefix: str, names: Sequence[str], modes: Sequence[int], sizes: Sequence[int], owner: tuple[int, int], mtime: int
) -> list[str]:
    """The lines of regular files of one directory, whose path with its `/` is `prefix`."""
    head, (of, end) = _QUOTED(prefix)[:-1], _same(modes, owner, mtime)
    return [f"[{head}{_QUOTED(name)[1:]}{of[mode]}{size}{end}\n" for name, mode, size in zip(names, modes, sizes)]


def tails_of(
    names: Sequence[str], modes: Sequence[int], sizes: Sequence[int], owner: tuple[int, int], mtime: int
) -> str:
    """What `lines_of` gives without the prefix: where that is not known yet; for `placed`."""
    of, end = _same(modes, owner, mtime)
    return "\n".join([f"{_QUOTED(name)[1:]}{of[mode]}{size}{end}" for name, mode, size in zip(names, modes, sizes)])


def _same(modes: Sequence[int], owner: tuple[int, int], mtime: int) -> tuple[Mapping[int, str], str]:
    """What the lines of many files have in common: what stands before the size, by the mode, and after it."""
    return {mode: f",{mode},{owner[0]},{owner[1]}," for mode in set(modes)}, f',{mtime},""]'


def placed(prefix: str, tails: str) -> str:
    """The lines of `tails_of` one or more files, given the path of their directory with its `/`."""
    head = f"[{_QUOTED(prefix)[:-1]}"
    return head + tails.replace("\n", "\n" + head) + "\n"  # no line feed is in what is quoted


def surveyed(fd: int, known: Mapping[str, Beneath] = NOTHING_KNOWN) -> tuple[bytes, int, int]:
    """`encode_rows(survey(fd).rows)` with its size and count of entries, without a record for each row.

    Args:
        fd: the tree.
        known: what is beneath some directories, by their paths: they are not gone into.

    Raises:
        TreeTooDeep: as `survey`.

    """
    quoted = _QUOTED
    own = os.fstat(fd)
    lines = [f'[".",{own.st_mode},{own.st_uid},{own.st_gid},0,{own.st_mtime_ns},""]\n']
    seen: set[tuple[int, int]] = set()
    total = 0
    told: list[Beneath] = []
    with _deep_trees_explained():
        for entry in walk(fd, enter=(lambda entry: entry.path not in known) if known else None):
            status = entry.stat
            mode, size, extra = status.st_mode, 0, '""'
            kind = stat.S_IFMT(mode)
            if kind == stat.S_IFREG:
                size = status.st_size
                if status.st_nlink == 1:
                    total += size
                elif (inode := (status.st_dev, status.st_ino)) not in seen:
                    seen.add(inode)
                    total += size
            elif kind == stat.S_IFLNK:
                extra = quoted(os.readlink(entry.name, dir_fd=entry.dirfd))
            elif kind in (stat.S_IFCHR, stat.S_IFBLK):
                extra = f'"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"'
            lines.append(
                f"[{quoted(entry.path)},{mode},{status.st_uid},{status.st_gid},{size},{status.st_mtime_ns},{extra}]\n"
            )
            if entry.path in known:
                told.append(known[entry.path])
                lines.append(told[-1].lines)
    # A tree that was told is one more of the lines, and none of the entries.
    entries = len(lines) - 1 - len(told) + sum(each.entries for each in told)
    return "".join(lines).encode(), total + sum(each.size for each in told), entries


def hash_contents(fd: int) -> Iterator[tuple[str, str, str]]:
    """Read the whole tree: (path, hex digest of a regular file's bytes or "", hex digest of its attributes or "").

    A file with several names is read once.
    """
    known: dict[tuple[int, int], str] = {}
    yield ".", "", _attributes(fd, ".")
    for entry in walk(fd):
        content = ""
        if stat.S_ISREG(entry.stat.st_mode):
            inode = entry.stat.st_dev, entry.stat.st_ino
            content = known.get(inode, "") or _hash_file(entry.name, entry.dirfd)
            if entry.stat.st_nlink > 1:
                known[inode] = content
        yield entry.path, content, _attributes(entry.dirfd, entry.name)


def _hash_file(name: str, dirfd: int) -> str:
    hasher = new_hash()
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=dirfd)
    try:
        while chunk := os.read(fd, _CHUNK):
            hasher.update(chunk)
    finally:
        os.close(fd)
    return hasher.hexdigest()


def _attributes(dirfd: int, name: str) -> str:
    attributes = read_xattrs(dirfd, name)
    if not attributes:
        return ""
    hasher = new_hash()
    for key, value in attributes.items():
        hasher.update(f"{len(os.fsencode(key))}:{len(value)}:".encode() + os.fsencode(key) + value)
    return hasher.hexdigest()


def encode_rows(rows: tuple[Row, ...]) -> bytes:
    """The manifest file: one JSON array a line."""
    dump = json.JSONEncoder(separators=(",", ":")).encode
    return b"".join(
        dump([row.path, row.mode, row.uid, row.gid, row.size, row.mtime, row.extra]).encode() + b"\n" for row in rows
    )


def decode_rows(data: bytes) -> tuple[Row, ...]:
    """The rows of a manifest file whose digest was checked.

    Raises:
        Damaged: it is not one.

    """
    try:
        return tuple(
            Row(path=path, mode=mode, uid=uid, gid=gid, size=size, mtime=mtime, extra=extra)
            for path, mode, uid, gid, size, mtime, extra in map(json.loads, data.splitlines())
        )
    except (ValueError, TypeError) as error:
        raise Damaged(f"its manifest is unreadable: {error}") from None


def encode_contents(rows: Iterable[tuple[str, str, str]]) -> bytes:
    """The contents file: the digest of the rest, then one JSON array a line."""
    dump = json.JSONEncoder(separators=(",", ":")).encode
    lines = b"".join(dump(row).encode() + b"\n" for row in rows)
    return sha256(lines).encode() + b"\n" + lines


def decode_contents(data: bytes) -> dict[str, tuple[str, str]]:
    """Path → (content digest, attributes digest) of a contents file.

    Raises:
        Damaged: it does not match its own digest.

    """
    digest, _, lines = data.partition(b"\n")
    if sha256(lines).encode() != digest:
        raise Damaged("its list of hashes does not match its own digest")
    return {path: (content, attributes) for path, content, attributes in map(json.loads, lines.splitlines())}


def compare_contents(then: dict[str, tuple[str, str]], now: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Which entries have other bytes or attributes than when they were hashed, one sentence each."""
    found = []
    for path, content, attributes in now:
        before = then.get(path)
        shown = "/" + ("" if path == "." else path)
        if before is None:
            found.append(f"{shown} was added")
        elif before[0] != content:
            found.append(f"{shown} has other bytes")
        elif before[1] != attributes:
            found.append(f"{shown} has other extended attributes")
    return tuple(found)


def compare(then: tuple[Row, ...], now: tuple[Row, ...]) -> tuple[str, ...]:
    """What has changed, one sentence an entry."""
    before = {row.path: row for row in then}
    after = {row.path: row for row in now}
    found = [f"/{path} is missing" for path in before if path not in after]
    found += [f"/{path} was added" for path in after if path not in before]
    for path, row in before.items():
        if path in after and (said := row.difference(after[path])):
            found.append(f"/{'' if path == '.' else path} {said}")
    return tuple(sorted(found))
