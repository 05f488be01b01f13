"""What other readers of tar archives see in the same bytes, in one form that can be compared.

Invariant: a reader that refuses, or that shows something this module cannot parse back with certainty, gives None.
"""

import io
import re
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from typing import Final

from metalor_lang.kernel.paths import split
from metalor_lang.oci.budget import Budgets, LayerRefused
from metalor_lang.oci.entries import check, check_root, link_parts, parts_of
from metalor_lang.oci.tarstream import Chunks, Kind, TarStream

BUDGETS: Final = Budgets(data=1 << 26, entries=10_000, headers=1 << 16)
_KINDS: Final = {
    Kind.FILE: "file", Kind.DIRECTORY: "dir", Kind.SYMLINK: "link", Kind.HARDLINK: "hard", Kind.CHARACTER: "char",
    Kind.BLOCK: "block", Kind.FIFO: "fifo",
}  # fmt: skip
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

Row = tuple[object, ...]
"""(name, kind, size of a file, link target, permission bits, user id, group id, whole seconds, checksum or None)."""


def name_of(text: str) -> str:
    """A name without what means nothing in it."""
    return "/".join(split(text)) or "."


def ours(data: bytes) -> list[Row] | None:
    """What our unpacker takes from an archive; None where it refuses."""
    rows: list[Row] = []
    stream = TarStream(Chunks(iter([data])), BUDGETS)
    try:
        for member in stream:
            parts = parts_of(member.name, BUDGETS)
            if not parts:
                check_root(member)
            else:
                check(member)
            if member.kind is Kind.HARDLINK:
                link_parts(member, BUDGETS)
            content = b"".join(bytes(piece) for piece in stream.data())
            plain = member.kind is Kind.FILE and member.extents is None
            rows.append(
                (
                    name_of(member.name), _KINDS[member.kind], member.size if member.kind is Kind.FILE else 0,
                    name_of(member.target) if member.kind is Kind.HARDLINK else member.target,
                    member.mode, member.uid, member.gid, member.mtime // 1_000_000_000,
                    zlib.crc32(content) if plain else None,
                )
            )  # fmt: skip
    except LayerRefused:
        return None
    return rows


def python_tarfile(data: bytes) -> list[Row] | None:
    """Python's tarfile."""
    kinds: dict[Callable[[tarfile.TarInfo], bool], str] = {
        tarfile.TarInfo.isdir: "dir", tarfile.TarInfo.issym: "link", tarfile.TarInfo.islnk: "hard",
        tarfile.TarInfo.ischr: "char", tarfile.TarInfo.isblk: "block", tarfile.TarInfo.isfifo: "fifo",
        tarfile.TarInfo.isreg: "file",
    }  # fmt: skip
    rows: list[Row] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                target = {"hard": name_of(member.linkname), "link": member.linkname}
                kind = next((word for test, word in kinds.items() if test(member)), "?")
                checksum = None
                if kind == "file" and not member.issparse():
                    file = tar.extractfile(member)
                    checksum = zlib.crc32(file.read()) if file is not None else None
                rows.append(
                    (
                        name_of(member.name), kind, member.size if kind == "file" else 0,
                        target.get(kind, ""), member.mode & 0o7777, member.uid, member.gid, member.mtime // 1, checksum,
                    )
                )  # fmt: skip
    except Exception:  # it fails in many ways, and each is a refusal
        return None
    return rows


_GNU_LINE: Final = re.compile(
    rb"(?P<mode>[-dlhcbpCMVN?][-rwxsStT]{9}) (?P<uid>\d+)/(?P<gid>\d+) +(?P<size>\d+|\d+,\d+) (?P<rest>.*)"
)
_GNU_TIME: Final = re.compile(rb"(?P<day>-?\d{4,}-\d\d-\d\d) (?P<time>\d\d:\d\d:\d\d)(?:\.\d+)?")
_GNU_KINDS: Final = {
    b"-": "file", b"C": "file", b"d": "dir", b"l": "link", b"h": "hard", b"c": "char", b"b": "block", b"p": "fifo",
}  # fmt: skip


def gnu_tar(data: bytes) -> list[Row] | None:
    """GNU tar's verbose listing."""
    done = subprocess.run(
        ["tar", "-tv", "--numeric-owner", "--full-time", "--quoting-style=escape", "-f", "-"],
        input=data, capture_output=True, env=_ENVIRONMENT,
    )  # fmt: skip
    if done.returncode or b"Substituting" in done.stderr or b"Ignoring" in done.stderr:
        return None
    rows: list[Row] = []
    width = 0
    for line in done.stdout.splitlines():
        found = _GNU_LINE.fullmatch(line)
        when = _GNU_TIME.match(found["rest"]) if found else None
        if found is None or when is None or found["mode"][:1] not in _GNU_KINDS:
            return None
        width = max(width, when.end())  # the column grows with the longest time so far
        kind = _GNU_KINDS[found["mode"][:1]]
        name, target = found["rest"][width + 1 :], b""
        for word, arrow in (("link", b" -> "), ("hard", b" link to ")):
            if kind == word:
                if name.count(arrow) != 1:
                    return None
                name, target = name.split(arrow)
        leads = name_of(_unescaped(target)) if kind == "hard" else _unescaped(target)
        size = int(found["size"]) if kind == "file" else 0
        rows.append(
            (name_of(_unescaped(name)), kind, size, leads, _bits(found["mode"]), int(found["uid"]),
             int(found["gid"]), _seconds(when["day"], when["time"]), None)
        )  # fmt: skip
    return rows


_ESCAPES: Final = {
    b"n": b"\n",
    b"t": b"\t",
    b"r": b"\r",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
    b"a": b"\a",
    b"\\": b"\\",
    b" ": b" ",
}


def _unescaped(raw: bytes) -> str:
    def one(found: "re.Match[bytes]") -> bytes:
        text = found[1]
        return bytes((int(text, 8) & 255,)) if text[:1].isdigit() else _ESCAPES.get(text, found[0])

    return re.sub(rb"\\([0-7]{3}|.)", one, raw, flags=re.DOTALL).decode("utf-8", "surrogateescape")


def _bits(text: bytes) -> int:
    bits = 0
    for at, char in enumerate(text[1:10].decode()):
        if char not in "-ST":
            bits |= 0o400 >> at
        if char in "sStT":
            bits |= (0o4000, 0o2000, 0o1000)[at // 3]
    return bits


def _seconds(day: bytes, clock: bytes) -> int | None:
    import calendar

    negative = day.startswith(b"-")
    year, month, date = (int(part) for part in day.lstrip(b"-").split(b"-"))
    hour, minute, second = (int(part) for part in clock.split(b":"))
    # GNU tar 1.34 reads a fraction before 1970 a second too late.
    if negative or not 1970 <= year <= 9999:
        return None
    return calendar.timegm((year, month, date, hour, minute, second))


_MTREE: Final = re.compile(rb"(\w+)=((?:\\.|[^\s\\])*)")


def libarchive(data: bytes) -> list[Row] | None:
    """bsdtar's, as a manifest: one row for each name, the last one that has it."""
    done = subprocess.run(
        ["bsdtar", "-cf", "-", "--format=mtree", "--options=!all,type,size,mode,uid,gid,link,time,cksum", "@-"],
        input=data, capture_output=True, env=_ENVIRONMENT,
    )  # fmt: skip
    if done.returncode or done.stderr:
        return None
    rows: list[Row] = []
    kinds = {b"file": "file", b"dir": "dir", b"link": "link", b"char": "char", b"block": "block", b"fifo": "fifo"}
    for line in done.stdout.splitlines():
        if line.startswith((b"#", b"/set")) or not line:
            continue
        name, _, rest = line.partition(b" ")
        fields = dict(_MTREE.findall(rest))
        kind = kinds.get(fields.get(b"type", b""), "?")
        time = int(float(fields[b"time"]) // 1) if b"time" in fields else 0
        rows.append(
            (name_of(_unescaped(name)), kind, int(fields.get(b"size", 0)) if kind == "file" else 0,
             _unescaped(fields.get(b"link", b"")), int(fields.get(b"mode", b"0"), 8), int(fields.get(b"uid", 0)),
             int(fields.get(b"gid", 0)), time, None)
        )  # fmt: skip
    return rows
