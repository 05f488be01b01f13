"""Many files of one directory written into a layer, in a loop as tight as the interpreter allows.

Invariant: the bytes are those that the files have when they are written one by one; whatever is not a plain file that
holds still is left to that way, which says what is wrong with it.
"""

import os
import stat
from operator import attrgetter

from metalor_lang.hints import Final
from metalor_lang.oci.blocks import BLOCK_SIZE, ZEROS, Blocks
from metalor_lang.oci.nodes import READ, exported_xattr
from metalor_lang.oci.pairs import Run
from metalor_lang.oci.tarheader import BLOCK, LARGEST, LONGEST, alike, header
from metalor_lang.oci.whiteouts import WHITEOUT

_READ: Final = READ | os.O_NOATIME
"""A snapshot never changes, not even in when it was read."""
_STATUS: Final = attrgetter("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns")


def write_run(run: Run, blocks: Blocks, newest: int | None) -> None:
    """Write the files of a run, up to the first that has to be looked at by itself; `run.done` says how many.

    Args:
        run: as the walk gives it.
        blocks: takes the bytes.
        newest: later times are set to it, in nanoseconds since 1970; None for no limit.

    Raises:
        NotExportable: a large file changed while it was read.
        OSError: as reading a file, and as what takes the blocks.

    """
    open_, status_of, attributes, readv, close = os.open, os.fstat, os.listxattr, os.readv, os.close
    folder, prefix, regular = run.folder, os.fsencode(run.prefix), stat.S_IFREG
    view, filled = blocks.view, blocks.filled
    for name in run.names:
        try:
            fd = open_(name, _READ, dir_fd=folder)
        except OSError:
            break
        try:
            mode, links, uid, gid, size, mtime = _STATUS(status_of(fd))
            if links != 1 or mode & 0o170000 != regular or name.startswith(WHITEOUT):
                break
            try:
                if (names := attributes(fd)) and any(map(exported_xattr, names)):
                    break
            except OSError:  # this file system has none
                break
            path = prefix + name.encode("utf-8", "surrogateescape")
            if newest is not None and mtime > newest:
                mtime = newest
            plain = alike(mode & 0o7777, uid, gid, mtime)
            if plain is not None and len(path) <= LONGEST and size <= LARGEST:
                head = plain.header(path, size)
            else:
                head = header(os.fsdecode(path), b"0", mode & 0o7777, uid, gid, size, mtime)
            start = filled + len(head)
            end = start + size
            padded = end + -size % BLOCK
            if padded < BLOCK_SIZE:
                # One byte more than there should be, so that one call tells that the file ends there.
                if size and readv(fd, (view[start : end + 1],)) != size:
                    break
                view[filled:start] = head
                view[end:padded] = ZEROS[: padded - end]
                filled = padded
            else:
                blocks.filled = filled
                blocks.write(head)
                blocks.read(fd, size, os.fsdecode(path), BLOCK)
                view, filled = blocks.view, blocks.filled
        finally:
            close(fd)
        run.done += 1
    blocks.filled = filled
