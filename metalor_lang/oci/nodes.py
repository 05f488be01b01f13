"""What a layer can say about one file, read where the file lies.

Invariant: no link is followed, and nothing but a regular file is ever opened.
"""

import os
import stat

from metalor_lang.hints import Final
from metalor_lang.kernel.trees import read_xattrs
from metalor_lang.oci.tarstream import Kind
from metalor_lang.record import dataclass, field

_OVERLAY: Final = "user.overlay."
_KEPT_XATTRS: Final = frozenset({"security.capability", "system.posix_acl_access", "system.posix_acl_default"})
_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
_DIRECTORY: Final = Kind.DIRECTORY
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""How a regular file is opened: what has become a fifo meanwhile must not hang us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a layer can say about one file, apart from its bytes.

    Attributes:
        mode: permission and set-id bits.
        size: of a regular file, in bytes; else 0.
        mtime: nanoseconds since 1970.
        target: of a symbolic link.
        device: (major, minor) of a device node.
        inode: (device, inode, links) where it was read; no part of its equality.

    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str
    device: tuple[int, int]
    xattrs: tuple[tuple[str, bytes], ...]
    inode: tuple[int, int, int] = field(compare=False)

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.kind is _DIRECTORY


def exported_xattr(name: str) -> bool:
    """Whether layers carry an extended attribute: users' own, capabilities and access lists."""
    return (name.startswith("user.") and not name.startswith(_OVERLAY)) or name in _KEPT_XATTRS


def read_node(dirfd: int, name: str) -> Node | None:
    """What `name` in an open directory is; None for nothing, and for a socket.

    Raises:
        OSError: as stat(2), but not ENOENT.

    """
    try:
        status = os.stat(name, dir_fd=dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return None
    device = (0, 0)
    if kind is Kind.CHARACTER or kind is Kind.BLOCK:
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return Node(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind is Kind.FILE else 0,
        mtime=status.st_mtime_ns,
        target=os.readlink(name, dir_fd=dirfd) if kind is Kind.SYMLINK else "",
        device=device,
        xattrs=tuple(sorted((key, value) for key, value in read_xattrs(dirfd, name).items() if exported_xattr(key))),
        inode=(status.st_dev, status.st_ino, status.st_nlink),
    )
