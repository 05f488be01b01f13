"""Tar members byte by byte, so that tests can write what no honest archiver would."""

import os
from collections.abc import Mapping

BLOCK = 512
END = bytes(2 * BLOCK)


def raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else os.fsencode(text)


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def member(
    name: str | bytes,
    type: bytes = b"0",
    data: bytes = b"",
    *,
    link: str | bytes = b"",
    mode: int = 0o644,
    mtime: int = 1_000_000_000,
    size: int | None = None,
    device: tuple[int, int] = (0, 0),
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    patch: Mapping[int, bytes] | None = None,
    checksum: bytes | None = None,
) -> bytes:
    """One member. `patch` overwrites bytes of the header by offset, before the checksum is made."""
    block = bytearray(BLOCK)
    block[0:100] = raw(name)[:100].ljust(100, b"\0")
    numbers = (mode, os.getuid(), os.getgid())
    for offset, number in zip((100, 108, 116), numbers):
        block[offset : offset + 8] = b"%07o\0" % number
    block[124:136] = b"%011o\0" % (len(data) if size is None else size)
    block[136:148] = b"%011o\0" % mtime
    block[156:157] = type
    block[157:257] = raw(link)[:100].ljust(100, b"\0")
    block[257:265] = magic
    block[329:337] = b"%07o\0" % device[0]
    block[337:345] = b"%07o\0" % device[1]
    block[345 : 345 + len(prefix)] = prefix
    for offset, value in (patch or {}).items():
        block[offset : offset + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block) if checksum is None else checksum
    return bytes(block) + pad(data)


def record(key: str | bytes, value: str | bytes) -> bytes:
    body = b" " + raw(key) + b"=" + raw(value) + b"\n"
    size = len(body)
    while len(b"%d" % size) + len(body) != size:
        size = len(b"%d" % size) + len(body)
    return b"%d" % size + body


def pax(records: Mapping[str, str | bytes], type: bytes = b"x") -> bytes:
    return member("PaxHeaders/x", type, b"".join(record(key, value) for key, value in records.items()))


def gnu_long(text: str | bytes, type: bytes = b"L") -> bytes:
    return member("././@LongLink", type, raw(text) + b"\0", magic=b"ustar  \0")


def directory(name: str, **more: object) -> bytes:
    return member(name, b"5", **{"mode": 0o755, **more})  # type: ignore[arg-type]


def symlink(name: str, target: str | bytes) -> bytes:
    return member(name, b"2", link=target)


def hardlink(name: str, target: str | bytes) -> bytes:
    return member(name, b"1", link=target)


def file(name: str, data: bytes = b"data") -> bytes:
    return member(name, data=data)
