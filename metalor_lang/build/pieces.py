"""The text that the digest of a COPY is of, a piece for each directory.

Invariant: two pieces have the same head exactly if their directories hold the same names, kinds, contents, executable
bits, targets of links: the files of a directory are in its head by one digest, which can be remembered, and are only
written out where somebody asks which of them differ.
"""

import os
from collections.abc import Callable, Iterable

from metalor_lang.build.listed import Folder
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field
from metalor_lang.sha import digest_of

TOP: Final = "/"
"""The place of the source itself among its pieces, which are named as `Folder.path`."""
_FILES: Final = "F"


class Piece:
    """What is in one directory, or the source itself.

    Args:
        head: three texts an entry, each ended by NUL, which none of them holds: its path beneath the source; `d`, `l`,
            or (a source that is a file) `f` or `x` (executable); the link's text or the file's digest. Before them, of
            a directory with files, its path, `F`, the digest of `files`.
        files: three texts a file: its name, `f` or `x`, its digest; or what gives them.

    """

    __slots__ = ("_files", "head")

    def __init__(self, head: str, files: str | Callable[[], str] = "") -> None:
        self.head = head
        self._files = files

    @property
    def files(self) -> str:
        """The texts of the files."""
        if not isinstance(self._files, str):
            self._files = self._files()
        return self._files

    def items(self, prefix: str) -> dict[str, tuple[str, str]]:
        """By path beneath the source: kind and value of each entry; `prefix` is the directory's path."""
        found = {path: (kind, value) for path, kind, value in _triples(self.head) if kind != _FILES}
        found.update((prefix + name, (kind, value)) for name, kind, value in _triples(self.files))
        return found


Pieces = dict[str, Piece]
"""By directory, as `Folder.path`, and TOP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """What is known of the files of one directory that were read.

    Args:
        status: what `statcache.packed` gives of them.
        shas: their SHA-256, one after another.
        text: as `files_text`.
        mark: the digest of the text.

    """

    status: bytes = field(repr=False)
    shas: bytes = field(repr=False)
    text: str = field(repr=False)
    mark: bytes


def hashed_files(folder: Folder, status: bytes, shas: bytes) -> Hashed:
    """The record of the files of a directory; arguments as `Hashed`."""
    text = files_text(folder, shas)
    return Hashed(status=status, shas=shas, text=text, mark=text_digest(text))


def files_text(folder: Folder, shas: bytes) -> str:
    """The texts of the files of one directory, given their SHA-256, one after another."""
    names, infos = folder.files
    text = shas.hex()
    digests = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "".join(
        [f"{name}\0{'x' if info.st_mode & 0o111 else 'f'}\0{sha}\0" for name, info, sha in zip(names, infos, digests)]
    )


def text_digest(text: str) -> bytes:
    """The SHA-256 of the texts of files."""
    return digest_of(os.fsencode(text))


def piece_of(folder: Folder, mark: bytes, files: str | Callable[[], str]) -> Piece:
    """The piece of a directory; `mark` is the digest of the texts of its files, "" where it has none."""
    prefix = folder.path
    head = [f"{prefix}\0{_FILES}\0{mark.hex()}\0"] if mark else []
    head += [f"{prefix}{name}\0l\0{text}\0" for name, text in folder.targets.items()]
    head += [f"{prefix}{name}\0d\0\0" for name, _ in folder.directories]
    return Piece("".join(head), files)


def _triples(text: str) -> Iterable[tuple[str, str, str]]:
    parts = text.split("\0")
    return zip(parts[::3], parts[1::3], parts[2::3])
