"""Archives that people publish (tar, also packed with gzip, xz, zstd or bzip2, and zip), unpacked like layers.

Invariant: what is in an archive is told by its first bytes, never by its name; nothing of it lands outside the
directory it is unpacked into, and what a layer may not hold is refused here too. Owners, set-id bits and extended
attributes are not kept: they mean something on the machine where the archive was made.
"""

import bz2
import lzma
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from metalor_lang.hints import BinaryIO, Final
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.apply import Applier, Members
from metalor_lang.oci.budget import Budgets, LayerRefused, printable
from metalor_lang.oci.errors import ImageError
from metalor_lang.oci.gunzip import CHUNK
from metalor_lang.oci.inflate import Inflater, Meter, Source
from metalor_lang.oci.media import Compression
from metalor_lang.oci.tarheader import BLOCK
from metalor_lang.oci.tarstream import Chunks, Kind, Member, TarStream
from metalor_lang.oci.whiteouts import WHITEOUT
from metalor_lang.oci.zips import ZipMembers, is_zip

DEFAULT_BUDGETS: Final = Budgets()
_READ: Final = 256 << 10
_XZ_MEMORY: Final = 512 << 20
"""What its decoder may take; `xz -9` needs 65 MiB."""
_PERMISSIONS: Final = 0o777
_STICKY: Final = 0o1000


class ArchiveRefused(ImageError):
    """An archive that cannot be unpacked, or holds something that may not be."""

    def __init__(self, reason: str, entry: str = "", *, help: str = "") -> None:
        where = f"its entry '{printable(entry)}' was refused: " if entry else ""
        super().__init__(f"the archive cannot be unpacked: {where}{reason}", help=help)


def unpack_archive(
    stream: BinaryIO,
    path: Path,
    dest_dirfd: int,
    *,
    mtime: int | None = None,
    owners: bool = False,
    budgets: Budgets = DEFAULT_BUDGETS,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Unpack an archive into an empty directory.

    Args:
        stream: its bytes; one that verifies them is read to its end.
        path: the same file, for formats that are not read from front to back.
        dest_dirfd: the directory; not closed.
        mtime: the time of everything in nanoseconds since 1970; None keeps those of the archive.
        owners: keep owners and set-id bits, of an archive that comes from a store.
        budgets: its limits.
        check: called now and then; what it raises ends the unpacking.

    Raises:
        ArchiveRefused: it is none, damaged, or not safe.
        UnpackFailed: this machine could not write an entry.

    """
    head = b""
    while len(head) < BLOCK and (more := stream.read(BLOCK - len(head))):
        head += more
    meter = Meter(budgets)
    try:
        with Root(os.dup(dest_dirfd)) as root:
            applier = Applier(root, budgets, meter, _unheard)
            try:
                if is_zip(head):
                    while stream.read(_READ):
                        check()
                    with ZipMembers(path, meter) as members:
                        applier.apply(_Tamed(members, mtime, owners, check), _Uncounted())
                else:
                    with _Unpacker(_Begun(head, stream), _packing(head), meter, budgets) as unpacker:
                        applier.apply(_Tamed(TarStream(Chunks(unpacker), budgets), mtime, owners, check), _Uncounted())
                applier.finish()
            finally:
                applier.close()
    except LayerRefused as error:
        raise ArchiveRefused(error.reason, error.entry) from error


def _unheard(_: str) -> None:
    """Nothing is left out that is not refused."""


class _Begun:
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._rest.read(size)


class _Uncounted:
    """Whether entries cost their maker nothing is not asked: xz and bzip2 make next to nothing of them honestly."""

    def count(self, member: Member) -> None:
        pass


class _Tamed:
    """Members as an image may have them.

    Args:
        members: as the archive has them.
        mtime: the time of all, or None.
        owners: whether they and set-id bits are kept.
        check: asked before each one.

    """

    def __init__(self, members: Members, mtime: int | None, owners: bool, check: Callable[[], None]) -> None:
        self._members = members
        self._mtime = mtime
        self._owners = owners
        self._check = check

    def data(self) -> Iterator[memoryview]:
        for piece in self._members.data():
            self._check()
            yield piece

    def __iter__(self) -> Iterator[Member]:
        for member in self._members:
            self._check()
            if member.kind in (Kind.CHARACTER, Kind.BLOCK, Kind.FIFO):
                raise LayerRefused(
                    member.name, f"it is a {member.kind}, and only files, directories and links are kept"
                )
            if WHITEOUT in member.name and any(part.startswith(WHITEOUT) for part in member.name.split("/")):
                raise LayerRefused(member.name, f"a name that begins with {WHITEOUT} deletes files in an image")
            if not self._owners:
                member.uid = member.gid = 0
                member.mode &= _PERMISSIONS | (_STICKY if member.kind is Kind.DIRECTORY else 0)
            member.xattrs = {}
            if self._mtime is not None:
                member.mtime = self._mtime
            yield member


# --- what it is packed with -------------------------------------------------------------------------------------------

Unpack = Callable[[Source], Iterator[bytes]]


def _stream(
    unpacker: lzma.LZMADecompressor | bz2.BZ2Decompressor,
    data: bytes,
    source: Source,
    name: str,
    damage: type[Exception],
) -> Generator[bytes, None, bytes]:
    """Unpack one stream that begins with `data`; gives what was read behind its end."""
    try:
        while not unpacker.eof:
            chunk = unpacker.decompress(data, CHUNK)
            data = b""
            if chunk:
                yield chunk
            if unpacker.needs_input and not unpacker.eof and not (data := source.read(_READ) or b""):
                raise LayerRefused("", f"its {name} stream ends early")
    except damage as error:
        raise LayerRefused("", f"its {name} stream is damaged ({error})") from None
    return unpacker.unused_data


def _unxz(source: Source) -> Iterator[bytes]:
    """Unpack one xz stream after another; zeros in fours may stand between them (the .xz file format, 2.2)."""
    data, first = b"", True
    while True:
        data = data.lstrip(b"\0") if not first else data
        if not data:
            data = source.read(_READ) or b""
            if not data:
                return
            continue
        unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        first = False
        data = yield from _stream(unpacker, data, source, "xz", lzma.LZMAError)


def _unbzip2(source: Source) -> Iterator[bytes]:
    """Unpack one bzip2 stream after another."""
    data = b""
    while data or (data := source.read(_READ) or b""):
        unpacker = bz2.BZ2Decompressor()
        data = yield from _stream(unpacker, data, source, "bzip2", OSError)


_MAGICS: Final[tuple[tuple[bytes, Compression | Unpack], ...]] = (
    (b"\x1f\x8b", Compression.GZIP),
    (b"\x28\xb5\x2f\xfd", Compression.ZSTD),
    (b"\xfd7zXZ\0", _unxz),
    (b"BZh", _unbzip2),
)


def _packing(head: bytes) -> Compression | Unpack:
    for magic, packing in _MAGICS:
        if head.startswith(magic):
            return packing
    # The mark of POSIX and GNU headers; older ones have a name, then numbers in octal digits.
    if head[257:262] == b"ustar" or (len(head) == BLOCK and head[0] and not head[100:107].strip(b" 01234567\0")):
        return Compression.NONE
    raise LayerRefused("", "it is neither a tar (plain, gzip, xz, zstd or bzip2) nor a zip")


class _Unpacker(Inflater):
    """Chunks of an archive, unpacked in a thread of its own."""

    def __init__(self, source: Source, packing: Compression | Unpack, meter: Meter, budgets: Budgets) -> None:
        known = packing if isinstance(packing, Compression) else Compression.NONE
        super().__init__(source, known, meter, budgets)
        self._packing = packing

    def _chunks(self, source: Source) -> Iterator[bytes]:
        if not isinstance(self._packing, Compression):
            return self._packing(source)
        chunks = super()._chunks(source)
        return to_its_mark(chunks) if self._packing is Compression.ZSTD else chunks


def to_its_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Ask for the mark that ends a tar: the module for zstd does not say that a stream was cut off."""
    end = b""
    for chunk in chunks:
        end = (end + chunk)[-BLOCK:]
        yield chunk
    if end != bytes(BLOCK):
        raise LayerRefused("", "its zstd stream ends early")
