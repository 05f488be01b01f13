"""Members of a zip archive (APPNOTE.TXT of PKWARE), as those of a tar.

Invariant: a zip is read by its directory at the end; a member that stands there twice, is encrypted, or is packed in a
way that is not known, is refused.
"""

import stat
import zipfile
import zlib
from calendar import timegm
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from metalor_lang.hints import Final, Self
from metalor_lang.oci.budget import LayerRefused
from metalor_lang.oci.gunzip import CHUNK
from metalor_lang.oci.inflate import Meter
from metalor_lang.oci.tarstream import Kind, Member

_ENCRYPTED: Final = 0x1
_UNIX: Final = 3
_LINK_LIMIT: Final = 4096
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})


def is_zip(head: bytes) -> bool:
    """Whether a file begins like a zip: with a member, or, without any, with the end of the directory."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


class ZipMembers:
    """The members of a zip; use as a context.

    Args:
        path: of the file.
        meter: told of the bytes of the members.

    """

    def __init__(self, path: Path, meter: Meter) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise LayerRefused("", f"its directory is damaged ({error})") from None
        self._meter = meter
        self._info: zipfile.ZipInfo | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._zip.close()

    def __iter__(self) -> Iterator[Member]:
        seen: set[str] = set()
        for info in self._zip.infolist():
            if info.filename in seen:
                raise LayerRefused(info.filename, "it stands twice in the archive")
            seen.add(info.filename)
            yield self._member(info)

    def _member(self, info: zipfile.ZipInfo) -> Member:
        name = info.filename
        if info.flag_bits & _ENCRYPTED:
            raise LayerRefused(name, "it is encrypted")
        if info.compress_type not in _METHODS:
            raise LayerRefused(name, f"it is packed by the method {info.compress_type}, which is not known")
        mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
        self._info = info
        kind = _kind(name, mode)
        target = ""
        if kind is Kind.SYMLINK:
            if info.file_size > _LINK_LIMIT:
                raise LayerRefused(name, f"its link target has {info.file_size} bytes")
            target = b"".join(self.data()).decode("utf-8", "surrogateescape")
        size = info.file_size if kind is Kind.FILE else 0
        usual = 0o755 if kind is Kind.DIRECTORY else 0o644
        return Member(
            name=name,
            kind=kind,
            mode=stat.S_IMODE(mode) or usual,
            uid=0,
            gid=0,
            size=size,
            stored=size,
            mtime=_time(info),
            target=target,
        )

    def data(self) -> Iterator[memoryview]:
        """The bytes of the member at hand, their checksum compared."""
        info = self._info
        assert info is not None
        left = info.file_size
        try:
            with self._zip.open(info) as stream:
                while data := stream.read(CHUNK):
                    self._meter.use(len(data), info.filename)
                    left -= len(data)
                    yield memoryview(data)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
            raise LayerRefused(info.filename, f"it is damaged ({error})") from None
        if left:
            raise LayerRefused(info.filename, f"it has {info.file_size - left} bytes instead of {info.file_size}")


def _kind(name: str, mode: int) -> Kind:
    if name.endswith("/"):
        return Kind.DIRECTORY
    match stat.S_IFMT(mode):
        case 0 | stat.S_IFREG:
            return Kind.FILE
        case stat.S_IFLNK:
            return Kind.SYMLINK
        case stat.S_IFDIR:
            raise LayerRefused(name, "it is a directory by its mode and none by its name")
        case other:
            raise LayerRefused(name, f"it is neither file, directory nor link (its mode is {other:o})")


def _time(info: zipfile.ZipInfo) -> int:
    """Nanoseconds since 1970; what a zip says has no time zone and is read as UTC, on every machine."""
    try:
        return timegm((*info.date_time, 0, 0, 0)) * 1_000_000_000
    except (ValueError, OverflowError):
        raise LayerRefused(info.filename, "its time is none") from None
