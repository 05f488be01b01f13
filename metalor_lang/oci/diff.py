"""The canonical difference of two views of a file system: what one more layer has to say.

Invariant: the answer depends on the two trees alone. Which directories changed hands on disk (overlay's upper
directories) only narrows where to look; overlay's own marks are never part of it.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import open_directory, read_xattrs
from metalor_lang.oci.errors import ImageError
from metalor_lang.oci.tarstream import Kind
from metalor_lang.record import dataclass, field

_BLOCK: Final = 256 << 10
_DEEPEST: Final = 300
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ("user.overlay.opaque", "trusted.overlay.opaque")
_OVERLAY: Final = "user.overlay."
_KEPT_XATTRS: Final = frozenset({"security.capability", "system.posix_acl_access", "system.posix_acl_default"})
_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}


class NotExportable(ImageError):
    """A tree holds something that no layer can say."""


class ChangeKind(StrEnum):
    """What a layer says about one path."""

    ADD = "add"
    MODIFY = "modify"
    PARENT = "parent"
    """An unchanged directory above a change: unpackers that apply a layer alone need its mode."""
    LINK = "link"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a layer can say about one file, apart from its bytes.

    Attributes:
        mode: permission and set-id bits.
        size: of a regular file, in bytes; else 0.
        mtime: nanoseconds since 1970.
        target: of a symbolic link.
        device: (major, minor) of a device node.
        inode: (device, inode, links) where it was read; no part of its equality.

    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str
    device: tuple[int, int]
    xattrs: tuple[tuple[str, bytes], ...]
    inode: tuple[int, int, int] = field(compare=False)

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.kind is Kind.DIRECTORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of a layer.

    Attributes:
        path: relative to the root, "" for the root itself.
        node: what is there now, None for DELETE.
        link: for LINK, the path (earlier in the order) that it shares its file with.

    """

    path: str
    kind: ChangeKind
    node: Node | None = None
    link: str = ""


@dataclass(slots=True)
class Candidates:
    """Where two views can differ: everything below, or only at the named children."""

    everything: bool = False
    children: dict[str, "Candidates"] = field(default_factory=dict)


def candidates(upper_dirs: Sequence[Path | int]) -> Candidates:
    """The places that overlay's upper directories touch.

    Args:
        upper_dirs: paths or descriptors of upper directories, in any order; descriptors are not closed.

    """
    found = Candidates()
    for upper in upper_dirs:
        with Root(os.dup(upper)) if isinstance(upper, int) else Root.at(upper) as root:
            _collect(root.fd, found, 0)
    return found


def _collect(dirfd: int, into: Candidates, depth: int) -> None:
    _check_depth(depth)
    for name in os.listdir(dirfd):
        child = into.children.setdefault(name, Candidates())
        if child.everything:
            continue
        if not stat.S_ISDIR(os.stat(name, dir_fd=dirfd, follow_symlinks=False).st_mode):
            # A file, or the mark of a deleted name: whatever another layer has of that name is all up for comparing.
            child.everything = True
            continue
        fd = open_directory(name, dirfd)
        try:
            if any(mark in _OPAQUE for mark in os.listxattr(fd)):
                child.everything = True
            else:
                _collect(fd, child, depth + 1)
        finally:
            os.close(fd)


def exported_xattr(name: str) -> bool:
    """Whether layers carry an extended attribute: users' own, capabilities and access lists."""
    return (name.startswith("user.") and not name.startswith(_OVERLAY)) or name in _KEPT_XATTRS


def read_node(dirfd: int, name: str) -> Node | None:
    """What `name` in an open directory is; None for nothing, and for a socket.

    Raises:
        OSError: as stat(2), but not ENOENT.

    """
    try:
        status = os.stat(name, dir_fd=dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return None
    device = (0, 0)
    if kind is Kind.CHARACTER or kind is Kind.BLOCK:
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return Node(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind is Kind.FILE else 0,
        mtime=status.st_mtime_ns,
        target=os.readlink(name, dir_fd=dirfd) if kind is Kind.SYMLINK else "",
        device=device,
        xattrs=tuple(sorted((key, value) for key, value in read_xattrs(dirfd, name).items() if exported_xattr(key))),
        inode=(status.st_dev, status.st_ino, status.st_nlink),
    )


def diff(
    lower: Root | None,
    upper: Root,
    where: Candidates | None = None,
    *,
    notice: Callable[[str], None] | None = None,
) -> Iterator[Change]:
    """The changes that make `upper` out of `lower`, parents first, names of a directory sorted by their bytes.

    They are a function of the two views: how they were looked for changes none. So everything is looked at after all
    when a place in `where` had a hard link elsewhere below.

    Args:
        lower: the view below, None for nothing.
        upper: the view to describe.
        where: the only places to look at; None looks at everything.
        notice: told of sockets, which no layer can hold.

    Raises:
        NotExportable: a name is reserved for whiteouts, or directories nest too deeply.

    """
    try:
        said, changes = _Diff(lower, upper).run(where)
    except _LinkedElsewhere:
        said, changes = _Diff(lower, upper).run(None)
    for line in said:
        if notice is not None:
            notice(line)
    return iter(changes)


def path_key(path: str) -> bytes:
    """Sort key: directory by directory, by the bytes of the names."""
    return os.fsencode(path).replace(b"/", b"\0")


class _LinkedElsewhere(Exception):
    """A file that was looked at shares its inode below with names that were not."""


class _Diff:
    def __init__(self, lower: Root | None, upper: Root) -> None:
        self._lower = lower
        self._upper = upper
        self._said: list[str] = []
        self._changes: dict[str, Change] = {}
        self._deletes: set[str] = set()
        # Files that share their inode with another name in one of the views: path -> (below, above).
        self._shared: dict[str, tuple[Node | None, Node]] = {}

    def run(self, where: Candidates | None) -> tuple[list[str], list[Change]]:
        self._root()
        below = None if self._lower is None else self._lower.open(".", os.O_RDONLY | os.O_DIRECTORY)
        above = self._upper.open(".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._directory(below, above, "", where, 0)
        finally:
            os.close(above)
            if below is not None:
                os.close(below)
        self._split_groups(whole=where is None)
        self._keep_groups_together()
        self._parents()
        ordered = [(path_key(path), 0, Change(path=path, kind=ChangeKind.DELETE)) for path in self._deletes]
        ordered += [(path_key(change.path), 1, change) for change in self._changes.values()]
        return self._said, [change for _, _, change in sorted(ordered, key=lambda item: item[:2])]

    def _root(self) -> None:
        above = read_node(self._upper.fd, ".")
        below = None if self._lower is None else read_node(self._lower.fd, ".")
        usual = (0o755, 0, 0, ())
        now = (above.mode, above.uid, above.gid, above.xattrs) if above else usual
        before = (below.mode, below.uid, below.gid, below.xattrs) if below else usual
        # Its time alone says nothing: making a mount point changes it.
        if now != before:
            self._changes[""] = Change(path="", kind=ChangeKind.MODIFY, node=above)

    def _directory(self, below: int | None, above: int, path: str, where: Candidates | None, depth: int) -> None:
        _check_depth(depth)
        if where is None or where.everything:
            names = set(os.listdir(above))
            if below is not None:
                names.update(os.listdir(below))
        else:
            names = set(where.children)
        for name in names:
            inner = None if where is None or where.everything else where.children[name]
            self._name(below, above, name, f"{path}/{name}" if path else name, inner, depth)

    def _name(self, below: int | None, above: int, name: str, path: str, where: Candidates | None, depth: int) -> None:
        old = None if below is None else read_node(below, name)
        new = read_node(above, name)
        if new is None:
            if _exists(above, name):
                self._said.append(f"the socket /{path} was left out: layers cannot hold sockets")
            if old is not None:
                self._deletes.add(path)
            return
        if name.startswith(_WHITEOUT):
            raise NotExportable(
                f"/{path} cannot be in an image: names that begin with .wh. mark deleted files in layers",
                help="rename it or remove it in the step that makes it",
            )
        if old is None:
            self._changes[path] = Change(path=path, kind=ChangeKind.ADD, node=new)
        elif old.is_dir != new.is_dir:
            if old.kind is Kind.SYMLINK:
                # Some unpackers keep a link where a directory comes: it has to go first.
                self._deletes.add(path)
            self._changes[path] = Change(path=path, kind=ChangeKind.MODIFY, node=new)
        elif old != new or (new.kind is Kind.FILE and not _same_bytes(below, above, name, old, new)):
            self._changes[path] = Change(path=path, kind=ChangeKind.MODIFY, node=new)
        if new.is_dir:
            self._descend(below if old is not None and old.is_dir else None, above, name, path, where, depth)
        elif new.inode[2] > 1 or (old is not None and not old.is_dir and old.inode[2] > 1):
            self._shared[path] = (old if old is not None and not old.is_dir else None, new)

    def _descend(
        self, below: int | None, above: int, name: str, path: str, where: Candidates | None, depth: int
    ) -> None:
        inner_above = open_directory(name, above)
        try:
            inner_below = None if below is None else open_directory(name, below)
            try:
                # Where nothing lies below, all of it is new.
                self._directory(inner_below, inner_above, path, where if inner_below is not None else None, depth + 1)
            finally:
                if inner_below is not None:
                    os.close(inner_below)
        finally:
            os.close(inner_above)

    def _split_groups(self, *, whole: bool) -> None:
        """Names that shared one file below and no longer do: all parts but one get a file of their own."""
        groups: dict[tuple[int, int], list[str]] = {}
        for path, (old, _) in self._shared.items():
            if old is not None and old.inode[2] > 1:
                groups.setdefault(old.inode[:2], []).append(path)
        for paths in groups.values():
            paths.sort(key=path_key)
            old = self._shared[paths[0]][0]
            if not whole and (old is None or len(paths) < old.inode[2]):
                raise _LinkedElsewhere
            # What is written anew for another reason has left the group already.
            staying = [path for path in paths if path not in self._changes]
            kept = self._shared[staying[0]][1].inode[:2] if staying else None
            for path in staying:
                new = self._shared[path][1]
                if new.inode[:2] != kept:
                    self._changes[path] = Change(path=path, kind=ChangeKind.MODIFY, node=new)

    def _keep_groups_together(self) -> None:
        groups: dict[tuple[int, int], list[str]] = {}
        for path, (_, new) in self._shared.items():
            if new.inode[2] > 1:
                groups.setdefault(new.inode[:2], []).append(path)
        for paths in groups.values():
            if len(paths) < 2:
                continue
            paths.sort(key=path_key)
            olds = [self._shared[path][0] for path in paths]
            same_before = len({old.inode[:2] if old is not None else None for old in olds}) == 1 and olds[0] is not None
            if same_before and not any(path in self._changes for path in paths):
                continue
            for index, path in enumerate(paths):
                old, new = self._shared[path]
                if index:
                    change = Change(path=path, kind=ChangeKind.LINK, node=new, link=paths[0])
                else:
                    kind = ChangeKind.ADD if old is None and self._is_add(path) else ChangeKind.MODIFY
                    change = Change(path=path, kind=kind, node=new)
                self._changes[path] = change

    def _is_add(self, path: str) -> bool:
        change = self._changes.get(path)
        return change is not None and change.kind is ChangeKind.ADD

    def _parents(self) -> None:
        missing: set[str] = set()
        for path in (*self._changes, *self._deletes):
            above = path.rpartition("/")[0]
            while above and above not in missing and above not in self._changes:
                missing.add(above)
                above = above.rpartition("/")[0]
        for path in missing:
            dirfd, name = self._upper.parent(path)
            try:
                node = read_node(dirfd, name)
            finally:
                os.close(dirfd)
            if node is not None and node.is_dir:
                self._changes[path] = Change(path=path, kind=ChangeKind.PARENT, node=node)


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise NotExportable(f"the tree cannot be in an image: its directories nest deeper than {_DEEPEST}")


def _exists(dirfd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _same_bytes(below: int | None, above: int, name: str, old: Node, new: Node) -> bool:
    if below is None or old.size != new.size:
        return False
    if old.inode[:2] == new.inode[:2] or not new.size:
        return True
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        os.fdopen(os.open(name, flags, dir_fd=below), "rb", buffering=0) as one,
        os.fdopen(os.open(name, flags, dir_fd=above), "rb", buffering=0) as two,
    ):
        while True:
            first, second = one.read(_BLOCK), two.read(_BLOCK)
            if first != second:
                return False
            if not first:
                return True
