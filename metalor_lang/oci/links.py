"""Hard links of two views: what a layer has to say so that names share their files afterwards as they do above.

Invariant: what is said of a name with others depends on all of them; so all are looked at before the first is said.
"""

from collections.abc import Iterable

from metalor_lang.oci.changes import Change, ChangeKind, path_key
from metalor_lang.oci.nodes import Node


class LinkedElsewhere(Exception):
    """A file that was looked at shares its inode below with names that were not."""


class Links:
    """The names that share their file with another name in one of the views.

    Args:
        whole: everything is looked at.

    """

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._changes: dict[str, Change] = {}
        # path -> (below, above)
        self._shared: dict[str, tuple[Node | None, Node]] = {}

    def see(self, old: Node | None, new: Node, path: str, change: Change | None) -> None:
        """Take one name: what it is below (not a directory) and above, and what would be said of it alone."""
        self._shared[path] = (old, new)
        if change is not None:
            self._changes[path] = change

    def decide(self) -> dict[str, Change]:
        """What is to be said of the names that were seen; nothing of those that are not in the answer.

        Raises:
            LinkedElsewhere: not all names of a file were seen.

        """
        self._split()
        self._keep_together()
        return self._changes

    def _split(self) -> None:
        """Names that shared one file below and no longer do: all parts but one get a file of their own."""
        for paths in _grouped((path, old) for path, (old, _) in self._shared.items()):
            old = self._shared[paths[0]][0]
            if not self._whole and (old is None or len(paths) < old.inode[2]):
                raise LinkedElsewhere
            # What is written anew for another reason has left the group already.
            staying = [path for path in paths if path not in self._changes]
            kept = self._shared[staying[0]][1].inode[:2] if staying else None
            for path in staying:
                new = self._shared[path][1]
                if new.inode[:2] != kept:
                    self._changes[path] = Change(path=path, kind=ChangeKind.MODIFY, node=new)

    def _keep_together(self) -> None:
        for paths in _grouped((path, new) for path, (_, new) in self._shared.items()):
            if len(paths) < 2:
                continue
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


def _grouped(nodes: Iterable[tuple[str, Node | None]]) -> list[list[str]]:
    """The paths of each inode with several names, in the order of layers."""
    groups: dict[tuple[int, int], list[str]] = {}
    for path, node in nodes:
        if node is not None and node.inode[2] > 1:
            groups.setdefault(node.inode[:2], []).append(path)
    for paths in groups.values():
        paths.sort(key=path_key)
    return list(groups.values())


class FirstNames:
    """Hard links where nothing lies below: a file's first name in the order of layers has it, the others link to it."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], str] = {}

    def say(self, change: Change, node: Node) -> Change:
        """The change for one name of a file that has several."""
        first = self._first.setdefault(node.inode[:2], change.path)
        if first == change.path:
            return change
        return Change(path=change.path, kind=ChangeKind.LINK, node=node, link=first)
