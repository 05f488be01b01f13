"""Walk two views of a file system side by side, in the order of layers.

Invariant: parents before children, names of a directory by their bytes; memory grows with the directories that are
open, not with the files of the views.
"""

import os
from collections.abc import Iterable, Iterator

from metalor_lang.hints import Final, cast
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import open_directory
from metalor_lang.oci.candidates import Candidates, check_depth
from metalor_lang.oci.nodes import Node, read_node
from metalor_lang.oci.origins import Origins

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY


class Run:
    """Regular files of a directory that the lower view does not have, one after another in the order of the layer.

    Whoever takes it from the walk deals with as many of them as it can, from the first on, before the walk goes on;
    the walk gives the next one by itself, then a run of the others.

    Attributes:
        folder: the open directory that they lie in, while the walk stands there.
        prefix: what their paths start with: nothing, or the directory's path and a slash.
        names: of the files, as the directory lists them.
        done: how many have been dealt with.

    """

    __slots__ = ("done", "folder", "names", "prefix")

    def __init__(self, folder: int, prefix: str, names: list[str]) -> None:
        self.folder, self.prefix, self.names = folder, prefix, names
        self.done = 0


class Pair:
    """One name in both views; valid until the walk goes on.

    Attributes:
        path: relative to the roots.
        name: its last component.
        below, above: the open directories that it lies in; `below` is None where the lower view has none.
        old, new: what it is in them; None for nothing, and for sockets.

    """

    __slots__ = ("above", "below", "name", "new", "old", "path")

    def __init__(self) -> None:
        self.path = ""
        self.name = ""
        self.below: int | None = None
        self.above = -1
        self.old: Node | None = None
        self.new: Node | None = None


class _Folder:
    """A directory of the walk: its descriptors, and the names that are still to come, last one first."""

    __slots__ = ("_origin", "above", "below", "files", "layer", "names", "prefix", "where")

    def __init__(self, below: int | None, above: int, prefix: str, where: Candidates | None) -> None:
        self.below, self.above, self.prefix = below, above, prefix
        self.layer = 0
        self._origin = -1
        # Where nothing lies below, all of it is new.
        self.where = None if where is None or where.everything or below is None else where
        self.files: set[str] = set()
        names: Iterable[str]
        if self.where is not None:
            names = self.where.children
        elif below is not None:
            names = {*os.listdir(above), *os.listdir(below)}
        else:
            names = []
            with os.scandir(above) as entries:
                for entry in entries:
                    names.append(entry.name)
                    if entry.is_file(follow_symlinks=False):
                        self.files.add(entry.name)
        self.names = _ordered(names)

    def run(self, origins: Origins | None) -> Run | None:
        """Take the files that come next; None when it is something else that comes."""
        names, files, found = self.names, self.files, []
        while names and names[-1] in files:
            found.append(names.pop())
        if not found:
            return None
        if origins is not None and self._origin < 0 and len(found) >= origins.worth:
            self._origin, self.layer = origins.open(self.prefix, self.layer)
        return Run(self.above if self._origin < 0 else self._origin, self.prefix, found)

    def close(self) -> None:
        if self._origin >= 0:
            os.close(self._origin)
        os.close(self.above)
        if self.below is not None:
            os.close(self.below)


def pairs(lower: Root | None, upper: Root, where: Candidates | None) -> Iterator[Pair]:
    """Every name that the two views have, or that the places in `where` name.

    Args:
        lower: None for an empty view.
        upper: the other one; directories that only the lower view has are not entered.
        where: the only places to look at; None looks at everything.

    Raises:
        NotExportable: directories nest too deeply.
        OSError: as the calls that look.

    """
    return cast(Iterator[Pair], _walk(lower, upper, where, runs=False))


def pairs_and_runs(
    lower: Root | None, upper: Root, where: Candidates | None, origins: Origins | None
) -> Iterator[Pair | Run]:
    """As `pairs`, but the files of directories that only the upper view has are offered in runs first.

    Args:
        lower: as of `pairs`.
        upper: as of `pairs`.
        where: as of `pairs`.
        origins: where the files of `upper` lie, if it is an overlay.

    """
    return _walk(lower, upper, where, runs=True, origins=origins)


def _walk(
    lower: Root | None, upper: Root, where: Candidates | None, *, runs: bool, origins: Origins | None = None
) -> Iterator[Pair | Run]:
    stack = [_top(lower, upper, where)]
    pair = Pair()
    alone = not runs
    try:
        while stack:
            folder = stack[-1]
            if not folder.names:
                stack.pop().close()
                continue
            if folder.below is None and not alone and (run := folder.run(origins)) is not None:
                yield run
                folder.names.extend(reversed(run.names[run.done :]))
                alone = run.done < len(run.names)
                continue
            alone = not runs
            name = pair.name = folder.names.pop()
            below, above = pair.below, pair.above = folder.below, folder.above
            pair.path = folder.prefix + name
            old = pair.old = None if below is None else read_node(below, name)
            new = pair.new = read_node(above, name)
            yield pair
            if new is not None and new.is_dir:
                check_depth(len(stack))
                inner = None if folder.where is None else folder.where.children[name]
                both = old is not None and old.is_dir
                stack.append(_inside(folder, name, f"{pair.path}/", inner, both))
                stack[-1].layer = folder.layer
    finally:
        for folder in stack:
            folder.close()


def _ordered(names: Iterable[str]) -> list[str]:
    """By their bytes, last one first."""
    found = list(names)
    # What has no bytes beyond ASCII is in the order of its bytes already, and is compared as it is.
    found.sort(key=None if "".join(found).isascii() else os.fsencode, reverse=True)
    return found


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
