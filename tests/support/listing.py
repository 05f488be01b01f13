"""What a tree is, entry by entry, so that two trees can be compared with `==` and the difference read."""

import hashlib
import os
import stat
from collections import Counter
from pathlib import Path

from metalor_lang.kernel.paths import Root, walk
from metalor_lang.kernel.trees import read_xattrs


def tree_listing(fd: int, *, times: bool = True) -> list[tuple[object, ...]]:
    """(path, type, mode, uid, gid, size, sha256, target, rdev, xattrs, first path of its hard links, mtime) sorted."""
    rows: list[tuple[object, ...]] = []
    first: dict[tuple[int, int], str] = {}
    # An overlay counts names of an inode that its view does not show (one was replaced above): what is seen counts.
    names = Counter((entry.stat.st_dev, entry.stat.st_ino) for entry in walk(fd))
    for entry in walk(fd):
        status = entry.stat
        content = target = ""
        size = 0
        group = ""
        if stat.S_ISREG(status.st_mode):
            size = status.st_size
            file = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=entry.dirfd)
            with os.fdopen(file, "rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            target = os.readlink(entry.name, dir_fd=entry.dirfd)
        inode = status.st_dev, status.st_ino
        if not stat.S_ISDIR(status.st_mode) and names[inode] > 1:
            group = first.setdefault(inode, entry.path)
        rows.append(
            (
                entry.path,
                stat.S_IFMT(status.st_mode),
                oct(stat.S_IMODE(status.st_mode)),
                status.st_uid,
                status.st_gid,
                size,
                content,
                target,
                status.st_rdev,
                tuple(sorted(read_xattrs(entry.dirfd, entry.name).items())),
                group,
                status.st_mtime_ns if times else 0,
            )
        )
    return rows


def listing_of(path: Path, *, times: bool = True) -> list[tuple[object, ...]]:
    with Root.at(path) as root:
        return tree_listing(root.fd, times=times)
