"""How much a layer may ask for, and the error for one that asks for something it may not have.

Invariant: every limit is checked before the disk or memory it stands for is used.
"""

from metalor_lang.errors import MachineError
from metalor_lang.oci.errors import ImageError
from metalor_lang.record import dataclass


class LayerRefused(ImageError):
    """A layer holds something that is wrong or not safe to unpack.

    Args:
        entry: the entry's name as the archive gives it, "" when the stream itself is wrong.
        reason: a clause such as "its path has a `..`".

    """

    def __init__(self, entry: str, reason: str, *, help: str = "") -> None:
        where = f"the entry '{printable(entry)}' of a layer was refused" if entry else "a layer was refused"
        super().__init__(f"{where}: {reason}", help=help or "nothing was kept; get the image again, or tell its maker")
        self.entry = entry
        self.reason = reason


class UnpackFailed(MachineError):
    """The machine could not write what the layer holds (no space, not permitted)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Limits for one image (`entries`, `names`, `data`), one layer (`ratio`, `entry_bytes`) or one entry (the others).

    Attributes:
        entries: archive members over all layers.
        names: characters of all their paths, which are kept in memory.
        data: bytes of inflated layers plus the apparent sizes of sparse files, over all layers.
        path: bytes of one path; component: bytes of one name; depth: components of one path.
        headers: bytes of the extended headers of one entry.
        xattrs: attributes of one entry.
        extents: data regions of one sparse file.
        ratio: inflated bytes for one compressed byte, looked at after `ratio_from` bytes (gzip cannot pass 1,032).
        entry_bytes: by gzip, the fewest compressed bytes for one entry, on average; by zstd a third of it. (With
            100,000 empty files, named by numbers, a layer has 4.7 to 7 by gzip and 1.7 by zstd; with one header again
            and again 2.3 by gzip.)

    """

    entries: int = 5_000_000
    names: int = 256 << 20
    data: int = 128 << 30
    path: int = 4095
    component: int = 255
    depth: int = 256
    headers: int = 1 << 20
    xattrs: int = 64
    extents: int = 65_536
    ratio: int = 400
    ratio_from: int = 1 << 28
    entry_bytes: int = 3


def printable(name: str) -> str:
    """A name of the archive as one line of visible characters, shortened."""
    text = name if len(name) <= 200 else name[:120] + "…" + name[-60:]
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
