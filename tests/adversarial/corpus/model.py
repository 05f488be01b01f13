"""What a hostile layer set is: layers as bytes, and what must become of them.

Invariant: a set says by itself whether it is refused (with which words, naming which entry) or what exact tree it
means by the OCI image specification; no expectation is taken from what an unpacker did.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metalor_lang.oci.budget import Budgets
from tests.support.tars import END

CANARY = "/canary"
"""Absolute path of a directory of the world outside of every destination."""

UP = "../" * 8 + "canary"
"""The same by climbing from anywhere in a destination."""

Entry = str | tuple[str, Mapping[str, Any]]
"""`d`, `f:CONTENT`, `l:TARGET`, `p`, `c:MAJOR,MINOR`, `b:MAJOR,MINOR`, `h:PATH` (the same inode), with attributes."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A layer blob as it stands in the layout; `suffix` is that of its media type."""

    data: bytes = field(repr=False)
    diff_id: str
    suffix: str = "+gzip"


Layer = bytes | Packed


@dataclass(frozen=True, kw_only=True)
class LayerSet:
    """One attack.

    Args:
        name, kind: shown in the table.
        cve: where the class was published.
        layers: base first; plain tars are packed with gzip.
        refused: words of the reason, or "" where the set is accepted.
        entry: the entry's name that the refusal must give; "" where the stream or a document is wrong.
        tree: the exact resulting tree of an accepted set.
        tamper: changes the finished layout.
        umoci: words of umoci's own refusal where it is stricter than the specification.
        umoci_tree: paths in which umoci's tree is different, with the reason as text.

    """

    name: str
    kind: str
    cve: str = ""
    layers: tuple[Layer, ...] = field(repr=False)
    refused: str = ""
    entry: str = ""
    tree: Mapping[str, Entry] | None = None
    tamper: Callable[[Path], None] | None = None
    umoci: str = ""
    umoci_tree: str = ""
    budgets: Budgets = Budgets()


def packed(layers: Sequence[Sequence[bytes] | Layer]) -> tuple[Layer, ...]:
    return tuple(one if isinstance(one, bytes | Packed) else b"".join(one) + END for one in layers)


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Chapter:
    """Collects the sets of one class."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.sets: list[LayerSet] = []

    def no(self, name: str, layers: Sequence[Any], refused: str, entry: str = "", cve: str = "", **more: Any) -> None:
        """A set that must be refused."""
        self.sets.append(
            LayerSet(name=name, kind=self.kind, cve=cve, layers=packed(layers), refused=refused, entry=entry, **more)
        )

    def yes(self, name: str, layers: Sequence[Any], tree: Mapping[str, Entry], cve: str = "", **more: Any) -> None:
        """A set that is harmless as the specification reads it, with the tree that it means."""
        self.sets.append(LayerSet(name=name, kind=self.kind, cve=cve, layers=packed(layers), tree=tree, **more))
