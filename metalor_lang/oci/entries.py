"""What a member of a layer may be, judged by itself: its names, its kind, its attributes.

Invariant: what passes here can only fail for what the tree below already holds; both unpackers ask here first.
"""

import os
from collections.abc import Sequence

from metalor_lang.hints import Final
from metalor_lang.kernel.paths import split
from metalor_lang.oci.budget import Budgets, LayerRefused, printable
from metalor_lang.oci.inflate import Inflater, Meter
from metalor_lang.oci.media import Compression
from metalor_lang.oci.tarstream import Kind, Member, TarStream
from metalor_lang.oci.whiteouts import WHITEOUT, hidden_name, is_aufs

_OVERLAY: Final = ("user.overlay.", "trusted.overlay.")
_DEVICE_LIMITS: Final = (1 << 12, 1 << 20)
_TARGET_LIMIT: Final = 4095
_EVERY: Final = 1 << 14


class Tally:
    """Counts the members of all layers of an image against its budgets.

    Args:
        budgets: limits over all layers.

    """

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._entries = 0
        self._names = 0

    def count(self, member: Member) -> None:
        """Count one.

        Raises:
            LayerRefused: more than there may be.

        """
        self._entries += 1
        if self._entries > self._budgets.entries:
            raise LayerRefused(member.name, f"the image has more than {self._budgets.entries} entries")
        self._names += len(member.name)
        if self._names > self._budgets.names:
            raise LayerRefused(member.name, f"the paths of the image have more than {self._budgets.names} characters")


class Density:
    """Looks now and then whether the entries of one layer cost its maker next to nothing.

    Args:
        inflater: knows how many compressed bytes were read.

    """

    def __init__(self, inflater: Inflater, budgets: Budgets) -> None:
        self._inflater = inflater
        zstd = inflater.compression is Compression.ZSTD
        self._bytes = -(-budgets.entry_bytes // 3) if zstd else budgets.entry_bytes
        self._entries = 0

    def count(self, member: Member) -> None:
        """Count one.

        Raises:
            LayerRefused: an entry takes fewer compressed bytes than any honest one.

        """
        self._entries += 1
        if self._entries % _EVERY == 0 and self._inflater.consumed <= self._bytes * self._entries:
            raise LayerRefused(
                member.name, f"{self._entries} entries in {self._inflater.consumed} bytes: the layer looks like a bomb"
            )


def parts_of(text: str, budgets: Budgets) -> list[str]:
    """The names of a member's path, without empty ones and `.`.

    Args:
        text: as the archive has it.
        budgets: its limits.

    Raises:
        LayerRefused: it is empty, climbs, or is too long or too deep.

    """
    return _parts(text, "its path", text or "(no name)", budgets)


def _parts(text: str, what: str, entry: str, budgets: Budgets) -> list[str]:
    size = len(os.fsencode(text))
    if not size:
        raise LayerRefused(entry, f"{what} is empty")
    if size > budgets.path:
        raise LayerRefused(entry, f"{what} has {size} bytes; at most {budgets.path}")
    parts = split(text)
    if len(parts) > budgets.depth:
        raise LayerRefused(entry, f"{what} is {len(parts)} directories deep; at most {budgets.depth}")
    if ".." in parts:
        raise LayerRefused(entry, f"{what} has a `..`")
    if size > budgets.component and any(len(os.fsencode(part)) > budgets.component for part in parts):
        raise LayerRefused(entry, f"a name in {what} is longer than {budgets.component} bytes")
    return parts


def is_marker(member: Member, parts: Sequence[str]) -> bool:
    """Whether a member is a whiteout, an opaque mark or below one."""
    return WHITEOUT in member.name and any(part.startswith(WHITEOUT) for part in parts)


def check(member: Member) -> None:
    """Check a member that is neither the root nor a whiteout.

    Raises:
        LayerRefused: no tree could take it.

    """
    for key in member.xattrs:
        if key.startswith(_OVERLAY):
            raise LayerRefused(member.name, f"the attribute {key} belongs to overlay file systems")
    if member.kind is Kind.SYMLINK:
        size = len(os.fsencode(member.target))
        if not size or size > _TARGET_LIMIT:
            raise LayerRefused(member.name, f"its link target has {size} bytes; 1 to {_TARGET_LIMIT} are possible")
    elif member.kind is Kind.CHARACTER or member.kind is Kind.BLOCK:
        major, minor = member.device
        if major >= _DEVICE_LIMITS[0] or minor >= _DEVICE_LIMITS[1]:
            raise LayerRefused(member.name, f"the device {major}:{minor} cannot exist")
        if member.kind is Kind.CHARACTER and member.device == (0, 0):
            raise LayerRefused(member.name, "the character device 0:0 is overlay's mark for a deleted file")


def link_parts(member: Member, budgets: Budgets) -> list[str]:
    """The names of a hard link's target.

    Raises:
        LayerRefused: no tree could have it.

    """
    what = f"its link target '{printable(member.target)}'" if member.target else "its link target"
    parts = _parts(member.target, what, member.name, budgets)
    if not parts:
        raise LayerRefused(member.name, "it is a hard link to the root of the image")
    if any(part.startswith(WHITEOUT) for part in parts):
        raise LayerRefused(member.name, f"it is a hard link to {member.target!r}, a whiteout")
    return parts


def check_root(member: Member) -> None:
    """Check a member that is the root of the image itself; raises LayerRefused where it is no directory."""
    if member.kind is not Kind.DIRECTORY:
        raise LayerRefused(member.name, f"the root of the image is a {member.kind}, not a directory")


def vet(stream: TarStream, tally: Tally, density: Density, meter: Meter, budgets: Budgets) -> None:
    """Judge every member of a layer without writing anything: for an unpacker that is not ours.

    Raises:
        LayerRefused: one is wrong or not safe.

    """
    marks: set[str] = set()
    for member in stream:
        tally.count(member)
        density.count(member)
        parts = parts_of(member.name, budgets)
        if not parts:
            check_root(member)
        elif is_marker(member, parts):
            if not is_aufs(parts):
                hidden_name(member.name, parts)
                # umoci looks through the whole directory for each of them.
                mark = "/".join(parts)
                if mark in marks:
                    raise LayerRefused(member.name, "it stands twice in one layer, and deletes what the first one did")
                marks.add(mark)
        else:
            check(member)
            if member.kind is Kind.HARDLINK:
                link_parts(member, budgets)
        if member.extents is not None:
            meter.use(member.size - member.stored, member.name)
