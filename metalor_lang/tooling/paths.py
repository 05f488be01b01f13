"""Paths in a tree of files, one component at a time.

Invariant: a candidate's text is a whole component; a folder ends in `/` and stays open, so that the next one follows.
"""

import posixpath
import re
from collections.abc import Iterator

from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.tooling.items import ItemKind, Place, Surroundings, Where

_GLOB: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A possible end of a value.

    Args:
        text: what it is, before any quoting.
        kind, help: as in `Item`.
        cut: where in the value it starts; what stands before is kept.
        suffix: what follows inside the value.
        open: more of the value follows, so that no quote is closed.
        quoted: it means itself only in quotes (a glob's characters in a name).

    """

    text: str
    kind: ItemKind
    help: str = ""
    cut: int = 0
    suffix: str = ""
    open: bool = False
    quoted: bool = False


def candidates(
    around: Surroundings, place: Place, path: str, written: str | None = None, closed: str = "", *, globs: bool = False
) -> Iterator[Candidate]:
    """The names that continue a path.

    Args:
        around: who knows the files.
        place: whose files.
        path: the path as far as it is written.
        written: the value that the path ends, where it is not the whole of it.
        closed: what follows a file's name.
        globs: whether `*`, `?` and `[` in a bare word are no names.

    """
    folder, slash, part = path.rpartition("/")
    if globs and _GLOB.search(folder):
        return
    value = path if written is None else written
    cut = len(value) - len(part)
    listed = _folder(around, place, folder + slash)
    if listed is None:
        return
    for entry in sorted(around.entries(place, listed), key=lambda each: (each.name.startswith("."), each.name)):
        if entry.name.startswith(".") and not part.startswith("."):
            continue
        yield Candidate(
            text=entry.name + ("/" if entry.folder else ""),
            kind=ItemKind.FOLDER if entry.folder else ItemKind.FILE,
            help=entry.note,
            cut=cut,
            suffix="" if entry.folder else closed,
            open=entry.folder or bool(closed),
            quoted=globs and _GLOB.search(entry.name) is not None,
        )


def _folder(around: Surroundings, place: Place, written: str) -> str | None:
    """The folder that a path names, as `entries` takes it; None where it leads out of a context."""
    if place.where is Where.HERE:
        return posixpath.normpath(posixpath.join("/", around.workdir(), written))
    if place.where is Where.STAGE:
        return posixpath.normpath(f"/{written}")
    if place.where is Where.MACHINE:
        return written
    clean = posixpath.normpath("./" + written)
    return None if clean.startswith("..") else "" if clean == "." else clean
