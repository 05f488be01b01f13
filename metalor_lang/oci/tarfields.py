"""The fields of tar headers and the records of extended headers, read strictly.

Invariant: a value that is not exactly what its format allows, or that two headers give differently, is refused.
"""

import os
import re
import zlib

from metalor_lang.hints import Final
from metalor_lang.oci.budget import Budgets, LayerRefused
from metalor_lang.oci.tarheader import BLOCK

GNU: Final = b"ustar  \0"
"""Magic and version of GNU headers."""
POSIX: Final = b"ustar\0"
"""Magic of POSIX headers."""
_USUAL: Final = re.compile(
    rb"([0-7]{7})[\0 ]([0-7]{7})[\0 ]([0-7]{7})[\0 ]([0-7]{11})[\0 ]([0-7]{11})[\0 ]([0-7]{6})\0 "
).match
"""Mode, user, group, size, time and checksum, from byte 100 on, as nearly every writer has them."""
_NO_TAIL: Final = bytes(500 - 345)
_NO_DEVICE: Final = frozenset({bytes(16), b"0000000\0" * 2})
_DEVICELESS: Final = (0, 0)
_BLANK_CHECKSUM: Final = sum(b" " * 8)
NANO: Final = 1_000_000_000
"""Nanoseconds of a second."""
_TIME_RANGE: Final = (-(1 << 31), 1 << 34)
_ID_LIMIT: Final = (1 << 32) - 1
_XATTR: Final = "SCHILY.xattr."
_SPARSE: Final = "GNU.sparse."
_REGION: Final = ("GNU.sparse.offset", "GNU.sparse.numbytes")
_CHARSETS: Final = frozenset({b"BINARY", b"ISO-IR 10646 2000 UTF-8", b"ISO-IR 646 1990"})
_ELSEWHERE: Final = frozenset(
    {
        "SCHILY.devmajor", "SCHILY.devminor", "SCHILY.filetype", "SCHILY.offset", "SCHILY.realsize",
        "SCHILY.tarfiletype", "SUN.devmajor", "SUN.devminor",
    }
)  # fmt: skip
"""Records by which star and libarchive change what the header says; GNU tar, Go and Python pass over them."""
_HARMLESS_GLOBAL: Final = frozenset({"comment", "hdrcharset", "atime", "ctime"})


class Extended:
    """The extended headers that stand before one member."""

    __slots__ = ("label", "long_name", "long_target", "pax", "seen")

    def __init__(self) -> None:
        self.pax: dict[str, bytes] = {}
        self.long_name: str | None = None
        self.long_target: str | None = None
        self.seen: set[bytes] = set()
        self.label = ""

    @property
    def empty(self) -> bool:
        """Whether no header is for the next member only."""
        return not self.seen & {b"x", b"L", b"K"}

    def add(self, typeflag: bytes, raw: bytes, label: str) -> None:
        """Take one extended header: `x`, `g`, `L` or `K`, its bytes, and how errors name it."""
        self.label = label
        if typeflag != b"g" and typeflag in self.seen:
            raise LayerRefused(label, "two extended headers of one kind for one member")
        self.seen.add(typeflag)
        if typeflag == b"x":
            self.pax = parse_pax(raw, label)
        elif typeflag == b"g":
            for key in parse_pax(raw, label):
                # Readers disagree on whether these apply to the members that follow.
                if (key not in _HARMLESS_GLOBAL and "." not in key) or key.startswith((_XATTR, _SPARSE)):
                    raise LayerRefused(label, f"a global header that sets {key!r} for all members")
        else:
            text, nul, rest = raw.partition(b"\0")
            if rest.strip(b"\0"):
                raise LayerRefused(label, "a long name with a NUL inside")
            if not nul:
                # Some readers go on until they find one.
                raise LayerRefused(label, "a long name without the NUL at its end")
            if typeflag == b"L":
                self.long_name = os.fsdecode(text)
            else:
                self.long_target = os.fsdecode(text)

    def text(self, key: str, gnu: str | None, plain: str) -> str:
        """A path: from the PAX record `key`, else the GNU header, else the plain field."""
        value = self.pax.get(key)
        if value is None:
            return plain if gnu is None else gnu
        text = os.fsdecode(value)
        if gnu is not None and gnu != text:
            raise LayerRefused(text, f"a PAX and a GNU header give it two values for {key!r}")
        return text


class Header:
    """One 512 byte header block whose checksum is right."""

    __slots__ = ("block", "device", "gid", "mode", "mtime", "name", "size", "typeflag", "uid", "usual")

    def __init__(self, block: bytes) -> None:
        if len(block) < BLOCK:
            raise LayerRefused("", "the archive ends inside a header")
        self.block = block
        self.typeflag = block[156:157]
        self.usual = self._usual(block)
        if not self.usual:
            self._strict(block)

    def _usual(self, block: bytes) -> bool:
        """Read a header without anything special in it; false where it has to be read field by field."""
        magic = block[257:263]
        # A GNU header may have more than a name's prefix there.
        if magic != POSIX and (block[257:265] != GNU or block[345:500] != _NO_TAIL):
            return False
        numbers = _USUAL(block, 100)
        # Of 512 bytes below 128 the sum is less than Adler's modulus: its lower half is exactly that sum, plus one.
        if numbers is None or not block.isascii() or block[329:345] not in _NO_DEVICE:
            return False
        mode, uid, gid, size, mtime, checksum = numbers.groups()
        if (zlib.adler32(block) & 0xFFFF) - 1 - sum(block[148:156]) + _BLANK_CHECKSUM != int(checksum, 8):
            return False
        name = block[:100].partition(b"\0")[0].decode()
        if block[345]:
            name = f"{block[345:500].partition(bytes(1))[0].decode()}/{name}"
        self.name = name
        self.mode, self.uid, self.gid = int(mode, 8), int(uid, 8), int(gid, 8)
        self.size, self.mtime, self.device = int(size, 8), int(mtime, 8), _DEVICELESS
        return True

    def _strict(self, block: bytes) -> None:
        name = self.field(0, 100)
        prefixed = block[345] != 0
        if prefixed and block[257:263] == POSIX:
            name = self.field(345, 155) + "/" + name
            prefixed = False
        self.name = name
        found = self.number("checksum", 148, 8)
        total = sum(block) - sum(block[148:156]) + _BLANK_CHECKSUM
        if found != total and found != total - 256 * sum(byte > 127 for byte in block[:148] + block[156:]):
            raise LayerRefused(name, "its header's checksum is wrong")
        if prefixed and self.typeflag != b"S":
            # Python and libarchive make it part of the name whatever the format, GNU tar and Go do not.
            raise LayerRefused(name, "its header has a name prefix, and is not of the format that has one")
        if block[257:265] == GNU and self.typeflag != b"S" and any(block[386:495]):
            raise LayerRefused(name, "its header has a sparse map, and its type is another")
        # Also those that mean nothing for its type: some readers stop there as if the archive had ended.
        self.mode = self.number("mode", 100, 8)
        self.uid = self.number("user", 108, 8)
        self.gid = self.number("group", 116, 8)
        self.size = self.number("size", 124, 12)
        self.mtime = self.number("mtime", 136, 12, signed=True)
        self.device = (0, 0)
        if block[329:345] not in _NO_DEVICE:
            self.device = self.number("major", 329, 8), self.number("minor", 337, 8)

    def field(self, start: int, length: int) -> str:
        """A text field, up to its first NUL."""
        return os.fsdecode(self.block[start : start + length].split(b"\0", 1)[0])

    def number(self, what: str, start: int, length: int, *, signed: bool = False) -> int:
        """A number field: octal digits, or base 256; `what` names it in errors."""
        raw = self.block[start : start + length]
        if raw[0] & 0x80:  # base 256 (GNU, star)
            if raw[0] not in (0x80, 0xFF):
                raise LayerRefused(self.name, f"its {what} is too large a number for some readers")
            value = int.from_bytes(raw, "big", signed=True) if raw[0] == 0xFF else int.from_bytes(raw, "big")
            value = value if raw[0] == 0xFF else value - (0x80 << (8 * (length - 1)))
            if value < 0 and not signed:
                raise LayerRefused(self.name, f"its {what} is negative")
            return value
        text = raw.split(b"\0", 1)[0].strip(b" ")
        if not text:
            if not raw[0] and raw.strip(b"\0 "):
                raise LayerRefused(self.name, f"its {what} starts with a NUL, which some readers skip")
            return 0
        if text.translate(None, b"01234567"):
            raise LayerRefused(self.name, f"its {what} {text!r} is not an octal number")
        return int(text, 8)


class Numbers(Header):
    """A continuation block: numbers as in a header, no checksum."""

    __slots__ = ()

    def __init__(self, block: bytes, name: str) -> None:
        self.block = block
        self.name = name


def parse_pax(raw: bytes, label: str) -> dict[str, bytes]:
    """The records of a PAX header, strictly `LENGTH KEY=VALUE` and a newline; a repeated key's last value counts.

    Raises:
        LayerRefused: a record is malformed, or a value that names something has a NUL.

    """
    records: dict[str, bytes] = {}
    regions: list[bytes] = []
    position = 0
    while position < len(raw):
        space = raw.find(b" ", position, position + 12)
        digits = raw[position:space] if space > 0 else b""
        if not digits.isdigit() or digits.startswith(b"0"):
            raise LayerRefused(label, "a PAX record without its length")
        end = position + int(digits)
        record = raw[space + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(raw) or end <= space + 1 or record[-1:] != b"\n" or not equals or not key:
            raise LayerRefused(label, "a malformed PAX record")
        name = key.decode("utf-8", "surrogateescape")
        if (b"\0" in value and not name.startswith(_XATTR)) or b"\0" in key:
            raise LayerRefused(label, f"a NUL in the PAX record {name!r}")
        if name in _ELSEWHERE:
            raise LayerRefused(label, f"the PAX record {name!r}, which only some readers obey")
        if name == "hdrcharset" and value not in _CHARSETS:
            raise LayerRefused(label, f"the character set {value!r} is not known")
        records[name] = value
        position = end
        if name in _REGION:
            # Sparse format 0.0 repeats these two keys, offset first, for each region.
            if name != _REGION[len(regions) % 2]:
                raise LayerRefused(label, "a sparse map out of order")
            regions.append(value)
    if regions:
        records.setdefault("GNU.sparse.map", b",".join(regions))
    return records


def decimal(name: str, what: str, raw: bytes) -> int:
    """A decimal number of at most 20 digits."""
    if not raw.isdigit() or len(raw) > 20:
        raise LayerRefused(name, f"its {what} {raw[:30]!r} is not a decimal number")
    return int(raw)


def sized(name: str, plain: int, pax: dict[str, bytes]) -> int:
    """The size of a member's data, from its PAX record or its header."""
    raw = pax.get("size")
    if raw is None:
        return plain
    size = decimal(name, "size", raw)
    # Writers put 0 or all ones into the old field when the size is in the PAX record.
    if plain not in (0, 0o77777777777, size, size & 0o77777777777):
        raise LayerRefused(name, f"two sizes: {plain} in its header, {size} in its PAX record")
    return size


def owner(name: str, what: str, raw: bytes | None, plain: int) -> int:
    """A user or group id that the kernel can store."""
    value = plain if raw is None else decimal(name, f"{what} id", raw)
    if value >= _ID_LIMIT:
        raise LayerRefused(name, f"its {what} id {value} is not between 0 and {_ID_LIMIT - 1}")
    return value


def time_of(name: str, raw: bytes | None, plain: int) -> int:
    """A time in nanoseconds, from its PAX record or its header."""
    seconds, fraction = plain, 0
    if raw is not None:
        text, _, digits = raw.partition(b".")
        body = text[1:] if text.startswith(b"-") else text
        if not body.isdigit() or len(body) > 20 or (digits and not digits.isdigit()):
            raise LayerRefused(name, f"its time {raw[:30]!r} is not a decimal number")
        seconds, fraction = int(text), int(digits[:9].ljust(9, b"0")) if digits else 0
        if text.startswith(b"-"):
            fraction = -fraction
    if not _TIME_RANGE[0] <= seconds <= _TIME_RANGE[1]:
        raise LayerRefused(name, f"its time {seconds} s is not one that files can have")
    return seconds * NANO + fraction


def xattrs_of(name: str, pax: dict[str, bytes], budgets: Budgets) -> dict[str, bytes]:
    """The extended attributes among the PAX records."""
    found = {key[len(_XATTR) :]: value for key, value in pax.items() if key.startswith(_XATTR)} if pax else {}
    if len(found) > budgets.xattrs:
        raise LayerRefused(name, f"{len(found)} extended attributes; at most {budgets.xattrs}")
    return found
