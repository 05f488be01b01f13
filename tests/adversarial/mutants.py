"""Archives that were right until something was changed in them.

Invariant: the same seed and number give the same bytes.
"""

import random
from typing import Final

from tests.support.tars import END, directory, file, gnu_long, hardlink, member, pad, pax, record, symlink

_SPARSE: Final = member(
    "d/sparse", b"S", b"data", magic=b"ustar  \0", patch={386: b"%011o\0%011o\0" % (512, 4), 483: b"%011o\0" % 4096}
)
_NAMED: Final = {"GNU.sparse.name": "d/s1", "GNU.sparse.realsize": "4096"}
_MAPPED: Final = {"GNU.sparse.name": "d/s0", "GNU.sparse.map": "0,4"}
SEEDS: Final = (
    (
        directory("d"), file("d/file", b"x" * 700), symlink("d/link", "file"), hardlink("d/hard", "d/file"),
        pax({"path": "d/" + "long" * 40, "mtime": "1000000001.5"}) + file("short"), file("last", b""),
    ),
    (
        directory("d/"), gnu_long("d/" + "gnu" * 50) + file("short", b"y" * 512),
        gnu_long("d/" + "target" * 30, b"K") + symlink("d/l", "x"), member("d/fifo", b"6"), file("d/z", b"z" * 1024),
    ),
    (
        directory("d"), pax({"size": "4"}) + file("sized"), pax({"uid": "3000000", "gid": "4"}) + file("owned"),
        pax({"linkpath": "sized"}) + symlink("d/l", "x"), member("n", b"3", device=(1, 3)), file("tail", b"t"),
    ),
    (
        directory("d"), _SPARSE,
        pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"} | _NAMED)
        + member("d/GNUSparseFile.0/s1", data=pad(b"1\n1024\n4\n") + b"data"),
        pax({"GNU.sparse.size": "2048", "GNU.sparse.numblocks": "1"} | _MAPPED)
        + file("d/s0"), file("end"),
    ),
    (
        pax({"comment": "c" * 40}, b"g"), member("old", b"\0", b"v7", magic=bytes(8)),
        member("olddir/", b"\0", magic=bytes(8)),
        member("in", data=b"prefix", prefix=b"a/b/c"), member("cont", b"7", b"contiguous"), hardlink("h", "old"),
    ),
)  # fmt: skip

_FIELDS: Final = (
    (0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 6), (263, 2), (265, 32),
    (329, 8), (337, 8), (345, 155),
)  # fmt: skip
_VALUES: Final = (
    b"", b"\0", b"0", b"7", b"0000001\0", b"00000000512\0", b"        ", b"-1", b"\x80\0\0\0\0\0\0\x01", b"\xff" * 8,
    b"\xff" * 12,
    b"\x80" + bytes(10) + b"\x04", b"../x", b"/abs", b"a/", b"a/../b", b".", b"./", b"a\nb", b"a b", b"\xc3\xbc",
    b"\xff\xfe", b"x" * 100,
    b"ustar\x00", b"ustar ", b"00", b" \0", b"1", b"2", b"3", b"5", b"6", b"L", b"K", b"x", b"g", b"S", b"V",
    b"7777777\0", b"12 34 \0",
    b"0o17\0", b"00000000004 ", b"     4\0", b"4\0garbage", b"D", b"A", b"N",
)  # fmt: skip
_KEYS: Final = (
    "path", "linkpath", "size", "uid", "gid", "mtime", "atime", "comment", "uname", "hdrcharset", "GNU.sparse.size",
    "GNU.sparse.map",
    "GNU.sparse.realsize", "GNU.sparse.name", "GNU.sparse.major", "GNU.sparse.minor", "SCHILY.xattr.user.x",
    "SCHILY.realsize",
    "SCHILY.devmajor", "SCHILY.filetype", "LIBARCHIVE.creationtime", "VENDOR.x", "charset", "SUN.devmajor",
    "SCHILY.offset",
)  # fmt: skip
_TEXTS: Final = (
    "", "0", "1", "4", "512", "1024", "-1", "1.5", "-1.5", "1e3", " 4", "4 ", "04", "+4", "0x4", "99999999999", "a",
    "../x", "/abs", "a/",
    "a//b", "./a", "ü", "BINARY", "0,4", "512,4", "a\nb", "d/file", "9" * 25, "none",
)  # fmt: skip


def mutant(seed: int, number: int) -> bytes:
    """One archive, with one to four changes."""
    chance = random.Random(f"{seed}/{number}")
    parts = [bytearray(part) for part in chance.choice(SEEDS)]
    end = bytearray(END)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        _change(chance, parts)
    for part in parts:
        if chance.random() < 0.97:
            _repair(part)
    data = bytearray().join([*parts, end])
    match chance.randrange(40):
        case 0:
            del data[chance.randrange(len(data)) :]
        case 1:
            del data[-512 * chance.randrange(1, 4) :]
        case 2:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 3:
            data += bytes(512 * chance.randrange(1, 30))
        case 4:
            data += file("after")
        case _:
            pass
    return bytes(data)


def _change(chance: random.Random, parts: list[bytearray]) -> None:
    at = chance.randrange(len(parts))
    part = parts[at]
    starts = _headers(part)
    if not starts:
        return
    start = chance.choice(starts)
    match chance.randrange(12):
        case 0 | 1 | 2 | 3:
            offset, length = chance.choice(_FIELDS)
            value = chance.choice(_VALUES)[:length]
            if chance.random() < 0.5:
                value = value.ljust(length, b"\0")
            part[start + offset : start + offset + len(value)] = value
        case 4 | 5:
            offset, length = chance.choice(_FIELDS)
            part[start + offset + chance.randrange(min(length, 16))] = chance.choice(b"\0 01234567/.x\x80\xffgLKS-+a\n")
        case 6 | 7:
            key, text = chance.choice(_KEYS), chance.choice(_TEXTS)
            kind = b"g" if chance.random() < 0.1 else b"x"
            parts.insert(at, bytearray(pax({key: text}, kind)))
        case 8:
            body = b"".join(record(chance.choice(_KEYS), chance.choice(_TEXTS)) for _ in range(chance.randrange(1, 4)))
            if chance.random() < 0.4:
                where = chance.randrange(len(body))
                body = body[:where] + bytes((chance.choice(b"\0 \n=0123456789a"),)) + body[where + 1 :]
            parts.insert(at, bytearray(member("PaxHeaders/x", b"x", body)))
        case 9:
            text = chance.choice((b"../x", b"a/", b"long" * 40, b"a\0b", b"", b"d/file", b"/abs", b"\xff"))
            parts.insert(at, bytearray(gnu_long(text, chance.choice((b"L", b"K")))))
        case 10:
            other = chance.randrange(len(parts))
            match chance.randrange(3):
                case 0:
                    parts[at], parts[other] = parts[other], parts[at]
                case 1:
                    parts.insert(other, bytearray(part))
                case _:
                    parts.insert(at, bytearray(chance.choice((bytes(512), bytes(1024), b"x" * 512))))
        case _:
            block = 512 * chance.randrange(max(1, len(part) // 512))
            if chance.random() < 0.5:
                del part[block : block + 512]
            else:
                part[block:block] = bytes(512)


def _headers(part: bytearray) -> list[int]:
    return [at for at in range(0, len(part) - 511, 512) if part[at + 257 : at + 262] == b"ustar" or at == 0]


def _repair(part: bytearray) -> None:
    """Make the checksums right again, so that more than the checksum is tried."""
    for at in _headers(part):
        if not any(part[at : at + 512]) or part[at : at + 512] == b"x" * 512:
            continue
        part[at + 148 : at + 156] = b" " * 8
        part[at + 148 : at + 156] = b"%06o\0 " % sum(part[at : at + 512])
