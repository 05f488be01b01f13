"""The entries of a layer, as data."""

import os
from enum import StrEnum

from metalor_lang.oci.nodes import Node
from metalor_lang.record import dataclass


class ChangeKind(StrEnum):
    """What a layer says about one path."""

    ADD = "add"
    MODIFY = "modify"
    PARENT = "parent"
    """An unchanged directory above a change: unpackers that apply a layer alone need its mode."""
    LINK = "link"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of a layer.

    Attributes:
        path: relative to the root, "" for the root itself.
        node: what is there now, None for DELETE.
        link: for LINK, the path (earlier in the order) that it shares its file with.

    """

    path: str
    kind: ChangeKind
    node: Node | None = None
    link: str = ""


def path_key(path: str) -> bytes:
    """Sort key: directory by directory, by the bytes of the names."""
    return os.fsencode(path).replace(b"/", b"\0")
