"""Layers and whole trees as tar archives: the same changes always give the same bytes.

Invariant: entries in the order given, nothing from this machine's clock or user database; one pass gives digest, size
and diff id; memory does not grow with the tree's files.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from metalor_lang.errors import MachineError
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.diff import Change, ChangeKind, NotExportable, diff
from metalor_lang.oci.gzipstream import GzipStream
from metalor_lang.oci.media import OCI_LAYERS, Compression
from metalor_lang.oci.tarheader import BLOCK, header
from metalor_lang.oci.tarstream import Kind
from metalor_lang.record import dataclass

_CHUNK: Final = 256 << 10
_NANO: Final = 1_000_000_000
_ZSTD_LEVEL: Final = 3
_TYPES: Final = {
    Kind.FILE: b"0",
    Kind.SYMLINK: b"2",
    Kind.CHARACTER: b"3",
    Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
}


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLayer:
    """What was written.

    Attributes:
        digest: of the compressed bytes.
        size: compressed, in bytes.
        diff_id: digest of the plain tar.
        media_type: the OCI media type.
        entries: count of tar members.

    """

    digest: str
    size: int
    diff_id: str
    media_type: str
    entries: int


def write_layer(
    changes: Iterable[Change],
    upper: Root,
    sink: Sink,
    *,
    compression: Compression = Compression.GZIP,
    epoch: int | None = None,
) -> WrittenLayer:
    """Write changes as one layer.

    Args:
        changes: as `diff` gives them.
        upper: the view they were made from; file contents are read from it.
        sink: gets the compressed bytes.
        compression: none, gzip (level 6) or zstd (level 3).
        epoch: seconds since 1970; newer times are set to it, and whiteouts get it.

    Raises:
        NotExportable: a file changed while it was read.
        MachineError: zstd is wanted and its module is missing.

    """
    packer = _Packer(sink, compression)
    writer = TreeWriter(packer.write, upper, epoch)
    try:
        for change in changes:
            writer.add(change)
        writer.close()
        packer.close()
    finally:
        writer.forget()
        packer.abandon()
    return WrittenLayer(
        digest="sha256:" + packer.packed.hexdigest(),
        size=packer.size,
        diff_id="sha256:" + packer.plain.hexdigest(),
        media_type=OCI_LAYERS[compression],
        entries=writer.entries,
    )


def write_tree_tar(
    view: Root, sink: Sink, *, epoch: int | None = None, notice: Callable[[str], None] | None = None
) -> int:
    """Write a whole tree as a plain tar; the count of its members is returned."""
    writer = TreeWriter(sink.write, view, epoch)
    try:
        for change in diff(None, view, notice=notice):
            writer.add(change)
        writer.close()
    finally:
        writer.forget()
    return writer.entries


class _Packer:
    """Compresses and hashes what goes to a sink."""

    def __init__(self, sink: Sink, compression: Compression) -> None:
        self._sink = sink
        self.plain = hashlib.sha256()
        self.packed = hashlib.sha256()
        self.size = 0
        self._compress, self._flush, self.abandon = _compressor(compression)
        self._pending: list[bytes] = []
        self._held = 0

    def write(self, data: bytes, /) -> None:
        # Headers are small: hashing and deflating them one by one would cost more than copying them together.
        self._pending.append(data)
        self._held += len(data)
        if self._held >= _CHUNK:
            self._push()

    def _push(self) -> None:
        data = b"".join(self._pending)
        self._pending.clear()
        self._held = 0
        self.plain.update(data)
        self._out(self._compress(data))

    def _out(self, data: bytes) -> None:
        if data:
            self.packed.update(data)
            self.size += len(data)
            self._sink.write(data)

    def close(self) -> None:
        self._push()
        self._out(self._flush())


def _compressor(compression: Compression) -> tuple[Callable[[bytes], bytes], Callable[[], bytes], Callable[[], None]]:
    match compression:
        case Compression.NONE:
            return (lambda data: data), (lambda: b""), (lambda: None)
        case Compression.GZIP:
            stream = GzipStream()
            return stream.compress, stream.flush, stream.close
        case Compression.ZSTD:
            try:
                import zstandard
            except ImportError:
                raise MachineError(
                    "layers cannot be packed with zstd: the Python module zstandard is not installed",
                    help="install it (pip install 'metalor-lang[zstd]'), or use gzip",
                ) from None
            packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()
            return packer.compress, packer.flush, (lambda: None)


class TreeWriter:
    """Tar members written one by one.

    Args:
        write: takes the bytes.
        root: where contents are read.
        epoch: newest time in seconds, None for no limit.

    """

    def __init__(self, write: Callable[[bytes], object], root: Root, epoch: int | None) -> None:
        self._write = write
        self._root = root
        self._epoch = epoch
        self._parent: tuple[str, int] | None = None
        self.entries = 0

    def add(self, change: Change) -> None:
        """Write one change.

        Raises:
            NotExportable: its file is not what the change says any more.

        """
        self.entries += 1
        if change.kind is ChangeKind.DELETE:
            head, _, name = change.path.rpartition("/")
            hidden = f"{head}/.wh.{name}" if head else f".wh.{name}"
            self._write(header(hidden, b"0", 0, 0, 0, 0, (self._epoch or 0) * _NANO))
            return
        node = change.node
        if node is None:
            raise ValueError(f"a change without a node: {change}")
        path = change.path or "."
        mtime = node.mtime if self._epoch is None else min(node.mtime, self._epoch * _NANO)
        if change.kind is ChangeKind.LINK:
            self._write(header(path, b"1", node.mode, node.uid, node.gid, 0, mtime, link=change.link))
            return
        self._write(
            header(
                path + "/" if node.is_dir else path,
                _TYPES[node.kind],
                node.mode,
                node.uid,
                node.gid,
                node.size,
                mtime,
                link=node.target,
                device=node.device,
                xattrs=node.xattrs,
            )
        )
        if node.kind is Kind.FILE and node.size:
            self._content(change.path, node.size)

    def close(self) -> None:
        """Write the end of the archive."""
        self._write(bytes(2 * BLOCK))

    def forget(self) -> None:
        """Close the directory kept open."""
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def _content(self, path: str, size: int) -> None:
        head, _, name = path.rpartition("/")
        if self._parent is None or self._parent[0] != head:
            self.forget()
            self._parent = (head, self._root.open(head, os.O_RDONLY | os.O_DIRECTORY))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(name, flags, dir_fd=self._parent[1])
        try:
            left = size
            while left:
                data = os.read(fd, min(left, _CHUNK))
                if not data:
                    raise NotExportable(f"/{path} became shorter while it was read")
                self._write(data)
                left -= len(data)
            if os.read(fd, 1):
                raise NotExportable(f"/{path} became longer while it was read")
        finally:
            os.close(fd)
        if size % BLOCK:
            self._write(bytes(-size % BLOCK))
