"""Walk two views of a file system side by side, in the order of layers.

Invariant: parents before children, names of a directory by their bytes; memory grows with the directories that are
open, not with the files of the views.
"""

import os
from collections.abc import Iterator

from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import open_directory
from metalor_lang.oci.candidates import Candidates, check_depth
from metalor_lang.oci.nodes import Node, open_file, read_node

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY


class Held:
    """The open file of a pair, while the walk stands at it.

    Attributes:
        fd: for one reading from its beginning; -1 once the walk has gone on.

    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)
        self.fd = -1


class Pair:
    """One name in both views; valid until the walk goes on.

    Attributes:
        path: relative to the roots.
        name: its last component.
        below, above: the open directories that it lies in; `below` is None where the lower view has none.
        old, new: what it is in them; None for nothing, and for sockets.
        held: of a regular file that is in the upper view only, when the walk holds files.

    """

    __slots__ = ("above", "below", "held", "name", "new", "old", "path")

    def __init__(self) -> None:
        self.path = ""
        self.name = ""
        self.below: int | None = None
        self.above = -1
        self.old: Node | None = None
        self.new: Node | None = None
        self.held: Held | None = None


class _Folder:
    """A directory of the walk: its descriptors, and the names that are still to come, last one first."""

    __slots__ = ("above", "below", "files", "names", "prefix", "where")

    def __init__(self, below: int | None, above: int, prefix: str, where: Candidates | None) -> None:
        self.below, self.above, self.prefix = below, above, prefix
        # Where nothing lies below, all of it is new.
        self.where = None if where is None or where.everything or below is None else where
        self.files: frozenset[str] = frozenset()
        if self.where is None:
            with os.scandir(above) as entries:
                found = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
            self.files = frozenset(name for name, is_file in found.items() if is_file)
            names = set(found) if below is None else found.keys() | os.listdir(below)
        else:
            names = set(self.where.children)
        self.names = sorted(names, key=os.fsencode, reverse=True)

    def close(self) -> None:
        os.close(self.above)
        if self.below is not None:
            os.close(self.below)


def pairs(lower: Root | None, upper: Root, where: Candidates | None, *, hold: bool = False) -> Iterator[Pair]:
    """Every name that the two views have, or that the places in `where` name.

    Args:
        lower: None for an empty view.
        upper: the other one; directories that only the lower view has are not entered.
        where: the only places to look at; None looks at everything.
        hold: open the regular files that are in the upper view only.

    Raises:
        NotExportable: directories nest too deeply.
        OSError: as the calls that look.

    """
    stack = [_top(lower, upper, where)]
    pair = Pair()
    try:
        while stack:
            folder = stack[-1]
            if not folder.names:
                stack.pop().close()
                continue
            name = pair.name = folder.names.pop()
            below, above = pair.below, pair.above = folder.below, folder.above
            pair.path = folder.prefix + name
            old = pair.old = None if below is None else read_node(below, name)
            if old is None and hold and name in folder.files and (opened := open_file(above, name)) is not None:
                pair.new, held = opened[0], Held(opened[1])
                pair.held = held
                try:
                    yield pair
                finally:
                    held.close()
                    pair.held = None
                continue
            new = pair.new = read_node(above, name)
            yield pair
            if new is not None and new.is_dir:
                check_depth(len(stack))
                inner = None if folder.where is None else folder.where.children[name]
                stack.append(_inside(folder, name, f"{pair.path}/", inner, old is not None and old.is_dir))
    finally:
        for folder in stack:
            folder.close()


def _top(lower: Root | None, upper: Root, where: Candidates | None) -> _Folder:
    above = upper.open(".", _DIRECTORY)
    try:
        below = None if lower is None else lower.open(".", _DIRECTORY)
    except BaseException:
        os.close(above)
        raise
    return _folder(below, above, "", where)


def _inside(folder: _Folder, name: str, prefix: str, where: Candidates | None, both: bool) -> _Folder:
    above = open_directory(name, folder.above)
    try:
        below = open_directory(name, folder.below) if both and folder.below is not None else None
    except BaseException:
        os.close(above)
        raise
    return _folder(below, above, prefix, where)


def _folder(below: int | None, above: int, prefix: str, where: Candidates | None) -> _Folder:
    try:
        return _Folder(below, above, prefix, where)
    except BaseException:
        os.close(above)
        if below is not None:
            os.close(below)
        raise
