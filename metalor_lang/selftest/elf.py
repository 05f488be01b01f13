"""Read which loader a program names (elf(5)).

Invariant: a file that is no program for this machine's kind of words names none.
"""

import struct
from pathlib import Path

from metalor_lang.hints import Final

_PT_INTERP: Final = 3


def interpreter(program: Path) -> str:
    """The path in PT_INTERP of a 64-bit little-endian program; "" for a static one or a script."""
    with program.open("rb") as stream:
        head = stream.read(64)
        if head[:6] != b"\x7fELF\x02\x01" or len(head) < 64:
            return ""
        offset, size, count = *struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54)
        stream.seek(offset)
        table = stream.read(size * count)
        for start in range(0, len(table) - 55, size):
            kind = struct.unpack_from("<I", table, start)[0]
            if kind == _PT_INTERP:
                place, length = (
                    struct.unpack_from("<Q", table, start + 8)[0],
                    struct.unpack_from("<Q", table, start + 32)[0],
                )
                stream.seek(place)
                return stream.read(length).rstrip(b"\0").decode("utf-8", "surrogateescape")
    return ""
