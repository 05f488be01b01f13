"""The header blocks of tar members, written one way only.

Invariant: POSIX pax format (pax(1)), numeric owners without names, whole seconds (a PAX record only for a fraction),
PAX records only for what does not fit the plain header, in sorted order.
"""

import os
from collections.abc import Sequence
from functools import lru_cache

from metalor_lang.hints import Final

BLOCK: Final = 512
LONGEST: Final = 100
"""Bytes of a name that a plain header has room for."""
LARGEST: Final = 0o77777777777
"""The largest size that a plain header has room for."""
_NANO: Final = 1_000_000_000
_OCTAL_7: Final = 0o7777777
_SPACES: Final = 8 * ord(" ")
"""What the checksum's own field counts as in the checksum."""


def header(
    path: str,
    typeflag: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    *,
    link: str = "",
    device: tuple[int, int] = (0, 0),
    xattrs: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """The header blocks of one member: a PAX header when something does not fit the plain one, and the plain one.

    Args:
        path: of the member.
        typeflag: of ustar(5).
        mode: permission bits.
        uid: the owning user's number.
        gid: the owning group's number.
        size: bytes of data that follow.
        mtime: nanoseconds since 1970.
        link: target of a link.
        device: (major, minor).
        xattrs: extended attributes.

    """
    name, target = os.fsencode(path), os.fsencode(link)
    seconds, fraction = divmod(mtime, _NANO)
    if (
        len(name) <= LONGEST
        and len(target) <= 100
        and uid <= _OCTAL_7
        and gid <= _OCTAL_7
        and size <= LARGEST
        and not fraction
        and 0 <= seconds <= LARGEST
        and not xattrs
    ):
        return _ustar(name, typeflag, mode, uid, gid, size, seconds, target, device)
    # In the order of their keys, but for the character set, which says how to read the others.
    records = []
    long_name, long_target = len(name) > 100, len(target) > 100
    if (long_name and not _is_utf8(name)) or (long_target and not _is_utf8(target)):
        records.append(_record(b"hdrcharset", b"BINARY"))
    for key, value in sorted((os.fsencode(key), value) for key, value in xattrs):
        records.append(_record(b"SCHILY.xattr." + key, value))
    if gid > _OCTAL_7:
        records.append(_record(b"gid", b"%d" % gid))
    if long_target:
        records.append(_record(b"linkpath", target))
    if fraction or not 0 <= seconds <= LARGEST:
        records.append(_record(b"mtime", _decimal(mtime)))
    if long_name:
        records.append(_record(b"path", name))
    if size > LARGEST:
        records.append(_record(b"size", b"%d" % size))
    if uid > _OCTAL_7:
        records.append(_record(b"uid", b"%d" % uid))
    plain = _ustar(
        name[:100],
        typeflag,
        mode,
        uid if uid <= _OCTAL_7 else 0,
        gid if gid <= _OCTAL_7 else 0,
        size if size <= LARGEST else 0,
        min(max(seconds, 0), LARGEST),
        target[:100],
        device,
    )
    body = b"".join(records)
    label = b"PaxHeaders.0/" + name.rstrip(b"/").rpartition(b"/")[2][:80]
    extended = _ustar(label, b"x", 0o644, 0, 0, len(body), 0, b"", (0, 0))
    return extended + body + bytes(-len(body) % BLOCK) + plain


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decimal(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(abs(nanoseconds), _NANO)
    text = b"-%d" % seconds if nanoseconds < 0 else b"%d" % seconds
    return text + b"." + (b"%09d" % fraction).rstrip(b"0") if fraction else text


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    size = rest + len(str(rest))
    size = rest + len(str(size))
    return b"%d %s=%s\n" % (size, key, value)


def _ustar(
    name: bytes,
    typeflag: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    link: bytes,
    device: tuple[int, int],
) -> bytes:
    # The bytes of a checksum are counted by parts: most of a header is the same for many members.
    owners, counted = _owners(mode, uid, gid)
    numbers = b"%011o\0%011o\0" % (size, mtime)
    tail, also = _tail(typeflag, link, device) if link else _usual_tail(typeflag, device)
    total = sum(name) + counted + sum(numbers) + also + _SPACES
    return b"".join((name.ljust(100, b"\0"), owners, numbers, b"%06o\0 " % total, tail))


class Alike:
    """Plain headers of regular files that differ in their names and sizes alone.

    Args:
        mode: permission bits.
        uid: the owning user's number.
        gid: the owning group's number.
        seconds: since 1970.

    """

    __slots__ = ("_after", "_before", "_counted", "_time")

    def __init__(self, mode: int, uid: int, gid: int, seconds: int) -> None:
        self._before, owners = _owners(mode, uid, gid)
        self._time = b"%011o\0" % seconds
        self._after, tail = _usual_tail(b"0", (0, 0))
        self._counted = owners + sum(self._time) + tail + _SPACES

    def header(self, name: bytes, size: int) -> bytes:
        """What `header` gives for a name of at most LONGEST bytes and a size of at most LARGEST."""
        length = b"%011o\0" % size
        total = sum(name) + sum(length) + self._counted
        return b"".join((name.ljust(100, b"\0"), self._before, length, self._time, b"%06o\0 " % total, self._after))


@lru_cache(256)
def alike(mode: int, uid: int, gid: int, mtime: int) -> Alike | None:
    """Headers of regular files with these owners, this mode and time (in nanoseconds); None when they are not plain."""
    seconds, fraction = divmod(mtime, _NANO)
    if fraction or uid > _OCTAL_7 or gid > _OCTAL_7 or not 0 <= seconds <= LARGEST:
        return None
    return Alike(mode, uid, gid, seconds)


@lru_cache(256)
def _owners(mode: int, uid: int, gid: int) -> tuple[bytes, int]:
    data = b"%07o\0%07o\0%07o\0" % (mode, uid, gid)
    return data, sum(data)


@lru_cache(256)
def _usual_tail(typeflag: bytes, device: tuple[int, int]) -> tuple[bytes, int]:
    return _tail(typeflag, b"", device)


def _tail(typeflag: bytes, link: bytes, device: tuple[int, int]) -> tuple[bytes, int]:
    """What follows the checksum."""
    data = b"%s%sustar\00000%s%07o\0%07o\0" % (typeflag, link.ljust(100, b"\0"), bytes(64), *device)
    data = data.ljust(BLOCK - 156, b"\0")
    return data, sum(data)
