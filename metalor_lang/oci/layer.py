"""Layers and whole trees as tar archives: the same changes always give the same bytes.

Invariant: entries in the order given, nothing from this machine's clock or user database; one pass gives digest, size
and diff id; memory does not grow with the tree's files.
"""

import os
from collections.abc import Callable, Iterable

from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.blocks import BLOCK_SIZE, Blocks
from metalor_lang.oci.changes import Change, ChangeKind
from metalor_lang.oci.diff import diff_in_runs
from metalor_lang.oci.media import OCI_LAYERS, Compression
from metalor_lang.oci.nodes import READ
from metalor_lang.oci.packing import Hashed, HashingSink, Packer, Sink
from metalor_lang.oci.pairs import Run
from metalor_lang.oci.runs import write_run
from metalor_lang.oci.tarheader import BLOCK, header
from metalor_lang.oci.tarstream import Kind
from metalor_lang.record import dataclass

_NANO: Final = 1_000_000_000
# Looking a member up in its enumeration costs as much as writing a header.
_FILE: Final = Kind.FILE
_DELETE: Final = ChangeKind.DELETE
_LINK: Final = ChangeKind.LINK
_TYPES: Final = {
    Kind.SYMLINK: b"2",
    Kind.CHARACTER: b"3",
    Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
}


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
    changes: Iterable[Change | Run],
    upper: Root,
    sink: Sink,
    *,
    compression: Compression = Compression.GZIP,
    epoch: int | None = None,
) -> WrittenLayer:
    """Write changes as one layer.

    Args:
        changes: as `diff` or `diff_in_runs` give them.
        upper: the view they were made from; file contents are read from it.
        sink: gets the compressed bytes.
        compression: none, gzip or zstd.
        epoch: seconds since 1970; newer times are set to it, and whiteouts get it.

    Raises:
        NotExportable: a file changed while it was read.
        MachineError: zstd is wanted and its module is missing.

    """
    hashed = sink if isinstance(sink, HashingSink) else Hashed(sink)
    packer = Packer(hashed, compression)
    try:
        blocks = Blocks(packer.take, packer.block())
        entries = _write(changes, upper, blocks, epoch)
        packer.close(*blocks.finish())
    finally:
        packer.abandon()
    return WrittenLayer(
        digest=hashed.digest,
        size=hashed.size,
        diff_id="sha256:" + packer.plain.hexdigest(),
        media_type=OCI_LAYERS[compression],
        entries=entries,
    )


def write_tree_tar(
    view: Root, sink: Sink, *, epoch: int | None = None, notice: Callable[[str], None] | None = None
) -> int:
    """Write a whole tree as a plain tar; the count of its members is returned."""

    def take(block: bytearray, filled: int) -> bytearray:
        with memoryview(block) as whole, whole[:filled] as part:
            sink.write(part)
        return block

    blocks = Blocks(take, bytearray(BLOCK_SIZE))
    entries = _write(diff_in_runs(None, view, notice=notice), view, blocks, epoch)
    take(*blocks.finish())
    return entries


def _write(changes: Iterable[Change | Run], root: Root, blocks: Blocks, epoch: int | None) -> int:
    writer = TreeWriter(blocks, root, epoch)
    try:
        for change in changes:
            if isinstance(change, Run):
                writer.add_run(change)
            else:
                writer.add(change)
    finally:
        writer.forget()
    blocks.write(bytes(2 * BLOCK))
    return writer.entries


class TreeWriter:
    """Tar members written one by one.

    Args:
        blocks: takes the bytes.
        root: where contents are read.
        epoch: newest time in seconds, None for no limit.

    """

    def __init__(self, blocks: Blocks, root: Root, epoch: int | None) -> None:
        self._blocks = blocks
        self._write = blocks.write
        self._root = root
        self._epoch = epoch
        self._newest = None if epoch is None else epoch * _NANO
        self._parent: tuple[str, int] | None = None
        self.entries = 0

    def add_run(self, run: Run) -> None:
        """Write what can be written of a run; errors as `write_run`."""
        write_run(run, self._blocks, self._newest)
        self.entries += run.done

    def add(self, change: Change) -> None:
        """Write one change.

        Raises:
            NotExportable: its file is not what the change says any more.

        """
        self.entries += 1
        if change.kind is _DELETE:
            head, _, name = change.path.rpartition("/")
            hidden = f"{head}/.wh.{name}" if head else f".wh.{name}"
            self._write(header(hidden, b"0", 0, 0, 0, 0, (self._epoch or 0) * _NANO))
            return
        node = change.node
        if node is None:
            raise ValueError(f"a change without a node: {change}")
        path = change.path or "."
        mtime = node.mtime if self._newest is None else min(node.mtime, self._newest)
        if change.kind is _LINK:
            self._write(header(path, b"1", node.mode, node.uid, node.gid, 0, mtime, link=change.link))
            return
        if node.kind is not _FILE:
            shown = path + "/" if node.is_dir else path
            self._write(
                header(
                    shown,
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
            return
        size = node.size
        self._write(header(path, b"0", node.mode, node.uid, node.gid, size, mtime, xattrs=node.xattrs))
        if size:
            self._content(path, size)

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
        fd = os.open(name, READ, dir_fd=self._parent[1])
        try:
            self._blocks.read(fd, size, path, BLOCK)
        finally:
            os.close(fd)
