"""The header blocks of tar members, written one way only.

Invariant: POSIX pax format (pax(1)), numeric owners without names, whole seconds (a PAX record only for a fraction),
PAX records only for what does not fit the plain header, in sorted order.
"""

import os
from collections.abc import Iterable
from typing import Final

BLOCK: Final = 512
_NANO: Final = 1_000_000_000
_OCTAL_11: Final = 0o77777777777
_OCTAL_7: Final = 0o7777777


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
    xattrs: Iterable[tuple[str, bytes]] = (),
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
    records: dict[bytes, bytes] = {}
    for key, value, limit in ((b"path", name, 100), (b"linkpath", target, 100)):
        if len(value) > limit:
            records[key] = value
            if not _is_utf8(value):
                records[b"hdrcharset"] = b"BINARY"
    for key, number, top in ((b"uid", uid, _OCTAL_7), (b"gid", gid, _OCTAL_7), (b"size", size, _OCTAL_11)):
        if number > top:
            records[key] = b"%d" % number
    seconds, fraction = divmod(mtime, _NANO)
    if fraction or not 0 <= seconds <= _OCTAL_11:
        records[b"mtime"] = _decimal(mtime)
    for attribute, value in xattrs:
        records[b"SCHILY.xattr." + os.fsencode(attribute)] = value
    plain = _ustar(
        name[:100],
        typeflag,
        mode,
        uid if uid <= _OCTAL_7 else 0,
        gid if gid <= _OCTAL_7 else 0,
        size if size <= _OCTAL_11 else 0,
        min(max(seconds, 0), _OCTAL_11),
        target[:100],
        device,
    )
    if not records:
        return plain
    body = b"".join(_record(key, records[key]) for key in sorted(records, key=lambda key: (key != b"hdrcharset", key)))
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
    sign = b"-" if nanoseconds < 0 else b""
    seconds, fraction = divmod(abs(nanoseconds), _NANO)
    text = b"%s%d" % (sign, seconds)
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
    head = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, uid, gid, size, mtime)
    tail = b"%s%sustar\00000%s%07o\0%07o\0" % (typeflag, link.ljust(100, b"\0"), bytes(64), *device)
    block = (head + b" " * 8 + tail).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
