"""The canonical difference of two views of a file system: what one more layer has to say.

Invariant: the answer depends on the two trees alone. Which directories changed hands on disk (overlay's upper
directories) only narrows where to look; overlay's own marks are never part of it. It is given entry by entry, in the
order of the layer: memory does not grow with the files of the views.
"""

import os
from collections.abc import Callable, Iterator

from metalor_lang.hints import Final, cast
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.candidates import Candidates, candidates
from metalor_lang.oci.changes import Change, ChangeKind
from metalor_lang.oci.errors import NotExportable
from metalor_lang.oci.links import FirstNames, LinkedElsewhere, Links
from metalor_lang.oci.nodes import READ, Node, read_node
from metalor_lang.oci.origins import Origins
from metalor_lang.oci.pairs import Pair, Run, pairs, pairs_and_runs
from metalor_lang.oci.tarstream import Kind
from metalor_lang.oci.whiteouts import WHITEOUT

__all__ = ["Candidates", "Change", "ChangeKind", "NotExportable", "candidates", "diff"]

_BLOCK: Final = 256 << 10


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

    Returns:
        an iterator that reads the views as it goes: they stay open until it ends.

    Raises:
        NotExportable: a name is reserved for whiteouts, or directories nest too deeply.

    """
    given = _described(lower, upper, where, notice, lambda where: pairs(lower, upper, where))
    return cast(Iterator[Change], given)


def diff_in_runs(
    lower: Root | None,
    upper: Root,
    where: Candidates | None = None,
    *,
    origins: Origins | None = None,
    notice: Callable[[str], None] | None = None,
) -> Iterator[Change | Run]:
    """As `diff`, but the files of new directories are offered in runs first.

    Args:
        lower: as of `diff`.
        upper: as of `diff`.
        where: as of `diff`.
        origins: where the files of `upper` lie, if it is an overlay.
        notice: as of `diff`.

    """
    return _described(lower, upper, where, notice, lambda where: pairs_and_runs(lower, upper, where, origins))


def _described(
    lower: Root | None,
    upper: Root,
    where: Candidates | None,
    notice: Callable[[str], None] | None,
    walk: Callable[[Candidates | None], Iterator[Pair | Run]],
) -> Iterator[Change | Run]:
    decided: dict[str, Change] | None = None
    if lower is not None and (where is None or where.linked):
        try:
            decided = _links(lower, upper, where)
        except LinkedElsewhere:
            where = None
            decided = _links(lower, upper, None)
    return _changes(_root(lower, upper), walk(where), decided, notice or (lambda _: None))


def _links(lower: Root, upper: Root, where: Candidates | None) -> dict[str, Change]:
    links = Links(whole=where is None)
    for pair in pairs(lower, upper, where):
        if pair.new is not None and _shared(pair.old, pair.new):
            old = None if pair.old is None or pair.old.is_dir else pair.old
            links.see(old, pair.new, pair.path, _alone(pair, pair.new))
    return links.decide()


def _changes(
    root: Change | None,
    walk: Iterator[Pair | Run],
    decided: dict[str, Change] | None,
    notice: Callable[[str], None],
) -> Iterator[Change | Run]:
    first_names = FirstNames()
    # Unchanged directories on the way down that nothing was said of yet.
    owed: list[Change] = []
    if root is not None:
        yield root
    for pair in walk:
        if isinstance(pair, Run):
            # Whatever is owed was said with the new directory that they lie in.
            yield pair
            continue
        new, path = pair.new, pair.path
        while owed and not path.startswith(owed[-1].path + "/"):
            owed.pop()
        if new is None:
            if _exists(pair.above, pair.name):
                notice(f"the socket /{path} was left out: layers cannot hold sockets")
            if pair.old is not None:
                yield from owed
                owed.clear()
                yield Change(path=path, kind=ChangeKind.DELETE)
            continue
        if pair.name.startswith(WHITEOUT):
            raise NotExportable(
                f"/{path} cannot be in an image: names that begin with {WHITEOUT} mark deleted files in layers",
                help="rename it or remove it in the step that makes it",
            )
        if not _shared(pair.old, new):
            change = _alone(pair, new)
        elif decided is not None:
            change = decided.get(path)
        else:
            change = _alone(pair, new)
            if change is not None:
                change = first_names.say(change, new)
        if change is not None:
            yield from owed
            owed.clear()
            if new.is_dir and pair.old is not None and pair.old.kind is Kind.SYMLINK:
                # Some unpackers keep a link where a directory comes: it has to go first.
                yield Change(path=path, kind=ChangeKind.DELETE)
            yield change
        elif new.is_dir:
            owed.append(Change(path=path, kind=ChangeKind.PARENT, node=new))


def _shared(old: Node | None, new: Node) -> bool:
    """Whether what is said of a name depends on other names of its file."""
    return not new.is_dir and (new.inode[2] > 1 or (old is not None and not old.is_dir and old.inode[2] > 1))


def _alone(pair: Pair, new: Node) -> Change | None:
    """What is to be said of a name if its file has no other."""
    old = pair.old
    if old is None:
        return Change(path=pair.path, kind=ChangeKind.ADD, node=new)
    if old != new or (new.kind is Kind.FILE and not _same_bytes(pair, old, new)):
        return Change(path=pair.path, kind=ChangeKind.MODIFY, node=new)
    return None


def _root(lower: Root | None, upper: Root) -> Change | None:
    above = read_node(upper.fd, ".")
    below = None if lower is None else read_node(lower.fd, ".")
    usual = (0o755, 0, 0, ())
    now = (above.mode, above.uid, above.gid, above.xattrs) if above else usual
    before = (below.mode, below.uid, below.gid, below.xattrs) if below else usual
    # Its time alone says nothing: making a mount point changes it.
    return Change(path="", kind=ChangeKind.MODIFY, node=above) if now != before else None


def _exists(dirfd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _same_bytes(pair: Pair, old: Node, new: Node) -> bool:
    if pair.below is None or old.size != new.size:
        return False
    if old.inode[:2] == new.inode[:2] or not new.size:
        return True
    with (
        os.fdopen(os.open(pair.name, READ, dir_fd=pair.below), "rb", buffering=0) as one,
        os.fdopen(os.open(pair.name, READ, dir_fd=pair.above), "rb", buffering=0) as two,
    ):
        while True:
            first, second = one.read(_BLOCK), two.read(_BLOCK)
            if first != second:
                return False
            if not first:
                return True
