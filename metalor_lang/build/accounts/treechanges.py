"""What is another in a `rootfs:` directory than in the tree that an older build stood on.

Invariant: the older tree is the snapshot that was unpacked from it, and of that the manifest is read; a file is read
only where its time alone differs, and not more than takes a moment. What is not known is said in words.

A tree that was copied anew has other times everywhere, so what differs in more than its time is told first.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from metalor_lang.build.bases import base_key
from metalor_lang.build.rootfs import RootfsTree, owners_of
from metalor_lang.build.statcache import hash_file
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.plan.why.causes import Cause, Change, Code
from metalor_lang.record import replace
from metalor_lang.store.glance import Glance
from metalor_lang.store.manifest import Row, decode_rows, survey
from metalor_lang.store.records import StepRecord
from metalor_lang.store.store import Store

_TOLD: Final = 20
"""Entries that are told one by one."""
_READ: Final = 64 << 20
"""Bytes of files that are read to say whether more than their time is another."""
_OPENED: Final = 1 << 12
"""What it takes to open a file, in bytes that could be read meanwhile."""
_KINDS: Final = {
    stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "directory", stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket",
}  # fmt: skip
_PACKED: Final = "what is in an archive is not compared"
_GONE: Final = "the tree that it was is not in the store any more"
_HIDDEN: Final = "all names, sizes, modes, owners and times are the same: the bytes of a file or an attribute are not"

Rows = Mapping[str, Row]


def tree_changes(old: str, tree: RootfsTree, store: Store, unpacker: str) -> Sequence[Cause]:
    """A cause for each entry that differs, or one that says why none is told.

    Args:
        old: digest of what the tree was.
        tree: as it is.
        store: may have what it was.
        unpacker: as for `Bases`.

    """
    if tree.packed:
        return (Cause(code=Code.FILES, via=_PACKED),)
    record = Glance(store.root).look(base_key("rootfs", [], old, unpacker))
    if not isinstance(record, StepRecord):
        return (Cause(code=Code.FILES, via=_GONE),)
    (identity,) = record.chain
    try:
        then = {row.path: row for row in decode_rows((store.snapshots.path(identity) / "manifest").read_bytes())}
        with Root.at(tree.path) as root:
            now = {row.path: row for row in survey(root.fd).rows}
    except (OSError, MetalorError):
        return (Cause(code=Code.FILES, via=_GONE),)
    return _Trees(then, now, store.snapshots.fs_path(identity), tree).causes()


class _Trees:
    """Two trees: their rows by path, and where they lie."""

    def __init__(self, then: Rows, now: Rows, old: Path, tree: RootfsTree) -> None:
        self._then = then
        self._now = now
        self._old = old
        self._tree = tree
        self._owners = owners_of(tree.owner)

    def causes(self) -> Sequence[Cause]:
        both = [path for path in self._then if path in self._now]
        found = [*self._came_and_went(), *(cause for path in both for cause in self._entry(path))]
        touched = [path for path in both if self._then[path].mtime != self._now[path].mtime]
        told = {cause.name for cause in found}
        files = [path for path in touched if stat.S_ISREG(self._now[path].mode) and self._shown(path) not in told]
        # The time of a directory follows what happens in it.
        touched = files or ([] if found else touched)
        room = _READ
        for path in sorted(touched):
            room -= self._now[path].size + _OPENED
            found.append(self._timed(path, look=room > 0))
        if not found:
            return (Cause(code=Code.FILES, via=_HIDDEN),)
        found.sort(key=lambda cause: (cause.change is Change.TIME, cause.name))
        if len(found) <= _TOLD:
            return found
        return (*found[: _TOLD - 1], replace(found[_TOLD - 1], more=len(found) - _TOLD))

    def _shown(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._tree.shown, path))

    def _cause(self, path: str, change: Change, old: str | None = None, new: str | None = None) -> Cause:
        return Cause(code=Code.FILE, name=self._shown(path), change=change, old=old, new=new)

    def _came_and_went(self) -> Iterator[Cause]:
        """What is only in one of them; of a whole directory, the directory alone."""
        for change, rows, others in ((Change.GONE, self._then, self._now), (Change.NEW, self._now, self._then)):
            for path, row in rows.items():
                above = os.path.dirname(path)
                if path not in others and (not above or above in others):
                    kind = _KINDS[stat.S_IFMT(row.mode)]
                    yield self._cause(path, change, *((kind, None) if change is Change.GONE else (None, kind)))

    def _entry(self, path: str) -> Iterator[Cause]:
        """What differs of an entry beside its time."""
        then, now = self._then[path], self._now[path]
        kinds = [_KINDS[stat.S_IFMT(row.mode)] for row in (then, now)]
        if kinds[0] != kinds[1]:
            yield self._cause(path, Change.KIND, *kinds)
            return
        if then.extra != now.extra:
            if kinds[0] == "link":
                yield self._cause(path, Change.TARGET, then.extra, now.extra)
            else:
                yield self._cause(path, Change.KIND, *(f"{kinds[0]} {row.extra}" for row in (then, now)))
        if then.size != now.size:
            yield self._cause(path, Change.CONTENT, *(_bytes(row.size) for row in (then, now)))
        if kinds[0] != "link" and then.mode != now.mode:
            yield self._cause(path, Change.MODE, *(f"{stat.S_IMODE(row.mode):o}" for row in (then, now)))
        owners = (then.uid, then.gid), self._owners(now.uid, now.gid)
        if owners[0] != owners[1]:
            yield self._cause(path, Change.OWNER, *(f"{uid}:{gid}" for uid, gid in owners))

    def _timed(self, path: str, *, look: bool) -> Cause:
        """What became of an entry of which only the time is another; `look` into it."""
        if look and stat.S_ISREG(self._now[path].mode):
            try:
                with Root.at(self._old) as old, Root.at(self._tree.path) as new:
                    was, now = (_digest(root, path) for root in (old, new))
            except (OSError, MetalorError):
                return self._cause(path, Change.CONTENT)
            if was != now:
                return self._cause(path, Change.CONTENT, was, now)
        return self._cause(path, Change.TIME)


def _bytes(size: int) -> str:
    return f"{size} byte" if size == 1 else f"{size} bytes"


def _digest(root: Root, path: str) -> str:
    fd = root.open_exactly(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return f"sha256:{hash_file(fd)}"
    finally:
        os.close(fd)
