"""Whiteouts: names that say what a layer deletes (OCI image specification, layer.md).

Invariant: a whiteout hides what lower layers brought and never what its own layer brought, whichever comes first.
"""

import errno
import os

from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import remove_tree
from metalor_lang.oci.budget import LayerRefused

WHITEOUT: Final = ".wh."
OPAQUE: Final = ".wh..wh..opq"
_AUFS: Final = ".wh..wh."
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_aufs(parts: list[str]) -> bool:
    """Whether a path is what the aufs file system keeps for itself, which is skipped."""
    return any(part.startswith(_AUFS) and part != OPAQUE for part in parts)


def hidden_name(entry: str, parts: list[str]) -> str | None:
    """The name that a whiteout hides in its directory; None for everything there (an opaque mark).

    Raises:
        LayerRefused: it hides nothing that has a name, or lies below another whiteout.

    """
    if any(part.startswith(WHITEOUT) for part in parts[:-1]):
        raise LayerRefused(entry, "it lies below a whiteout")
    if parts[-1] == OPAQUE:
        return None
    name = parts[-1].removeprefix(WHITEOUT)
    if name in ("", ".", ".."):
        raise LayerRefused(entry, "a whiteout that names nothing that can be removed")
    return name


class LayerNames:
    """The names that one layer brought, to tell them from those of the layers below.

    Args:
        root: the directory that layers are applied to; not closed here.

    """

    def __init__(self, root: Root) -> None:
        self._root = root
        # Resolved only when a whiteout asks: most layers have none.
        self._written: list[str] = []
        self._brought: set[str] = set()
        # Directories in which nothing of the layers below is left: a second mark there must not cost a second look.
        self._emptied: set[str] = set()

    def wrote(self, path: str) -> None:
        """Remember a path of the layer, as the archive writes it."""
        self._written.append(path)

    def hide(self, dirfd: int, directory: str, name: str | None) -> None:
        """Remove what lower layers brought.

        Args:
            dirfd: the open directory; not closed.
            directory: a path to it.
            name: in it; None for all names.

        """
        self._resolve_written()
        where = self._root.resolve(directory).rstrip("/")
        if name is None:
            self._hide_below(dirfd, where)
        else:
            self._hide(dirfd, name, where)

    def _resolve_written(self) -> None:
        parents: dict[str, str] = {}
        for path in self._written:
            head, _, name = path.rpartition("/")
            where = parents.get(head)
            if where is None:
                where = parents[head] = self._root.resolve(head).rstrip("/")
                above = where
                while above and above not in self._brought:
                    self._brought.add(above)
                    above = above.rpartition("/")[0]
            self._brought.add(f"{where}/{name}")
        self._written.clear()

    def _hide(self, dirfd: int, name: str, where: str) -> None:
        path = f"{where}/{name}"
        if path not in self._brought:
            try:
                remove_tree(dirfd, name)
            except FileNotFoundError:
                pass
            return
        try:
            fd = os.open(name, _DIRECTORY, dir_fd=dirfd)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ENOENT, errno.ELOOP):
                raise
            return
        try:
            self._hide_below(fd, path)
        finally:
            os.close(fd)

    def _hide_below(self, dirfd: int, where: str) -> None:
        if where in self._emptied:
            return
        for name in os.listdir(dirfd):
            self._hide(dirfd, name, where)
        self._emptied.add(where)
