"""Where two views can differ: the places that overlay's upper directories touch.

Invariant: they narrow a search and are no part of its answer.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import open_directory
from metalor_lang.oci.errors import NotExportable
from metalor_lang.record import dataclass, field

DEEPEST: Final = 300
"""How deep directories of an image may nest."""
_OPAQUE: Final = ("user.overlay.opaque", "trusted.overlay.opaque")


@dataclass(slots=True)
class Candidates:
    """Where two views can differ.

    Args:
        everything: everywhere below; else only at the named children.
        linked: a file at one of the places may have several names (in either view), so that what is said of one
            name depends on the others; false only when that was looked at.

    """

    everything: bool = False
    children: dict[str, "Candidates"] = field(default_factory=dict)
    linked: bool = True


_EVERYTHING: Final = Candidates(everything=True)


def candidates(upper_dirs: Sequence[Path | int], lower: Root | None = None) -> Candidates:
    """The places that overlay's upper directories touch.

    Args:
        upper_dirs: paths or descriptors of upper directories, in any order; descriptors are not closed.
        lower: the view below them. With it, directories that it does not have are not looked into: all of them is
            new; and `linked` of the answer is the truth.

    """
    search = _Search(lower is not None)
    below = None if lower is None else lower.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for upper in upper_dirs:
            with Root(os.dup(upper)) if isinstance(upper, int) else Root.at(upper) as root:
                search.collect(root.fd, below, search.found, 0)
    finally:
        if below is not None:
            os.close(below)
    search.found.linked = search.linked
    return search.found


def check_depth(depth: int) -> None:
    """Raise NotExportable below directories that nest too deeply."""
    if depth > DEEPEST:
        raise NotExportable(f"the tree cannot be in an image: its directories nest deeper than {DEEPEST}")


class _Search:
    def __init__(self, compares: bool) -> None:
        self.found = Candidates()
        self.linked = not compares
        self._compares = compares

    def collect(self, dirfd: int, below: int | None, into: Candidates, depth: int) -> None:
        check_depth(depth)
        for name in os.listdir(dirfd):
            child = into.children.get(name)
            if child is not None and child.everything and self.linked:
                continue
            status = os.stat(name, dir_fd=dirfd, follow_symlinks=False)
            old = None if below is None else _status(below, name)
            if not stat.S_ISDIR(status.st_mode):
                # A file, or the mark of a deleted name: whatever another layer has of it is all up for comparing.
                into.children[name] = _EVERYTHING
                self.linked = self.linked or _has_names(status) or _has_names(old)
            elif self._compares and (old is None or not stat.S_ISDIR(old.st_mode)):
                # Names of one file that lie in new directories only depend on no others.
                into.children[name] = _EVERYTHING
            elif child is not None and child.everything:
                self.linked = True
            else:
                self._directory(dirfd, below, name, child, into, depth)

    def _directory(
        self, dirfd: int, below: int | None, name: str, child: Candidates | None, into: Candidates, depth: int
    ) -> None:
        fd = open_directory(name, dirfd)
        try:
            if any(mark in _OPAQUE for mark in os.listxattr(fd)):
                into.children[name] = _EVERYTHING
                self.linked = True
                return
            if child is None:
                child = into.children[name] = Candidates()
            inner = None if below is None else open_directory(name, below)
            try:
                self.collect(fd, inner, child, depth + 1)
            finally:
                if inner is not None:
                    os.close(inner)
        finally:
            os.close(fd)


def _status(dirfd: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _has_names(status: os.stat_result | None) -> bool:
    if status is None or status.st_nlink == 1 or stat.S_ISDIR(status.st_mode):
        return False
    # Overlay makes its marks of deletions as links of one (Linux 5.8).
    return not (stat.S_ISCHR(status.st_mode) and status.st_rdev == 0)
