"""What a layer can say about one file, read where the file lies.

Invariant: no link is followed, and nothing but a regular file is ever opened.
"""

import errno
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
_FILE: Final = Kind.FILE
_DIRECTORY: Final = Kind.DIRECTORY
_NOWHERE: Final = (0, 0)
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


def open_file(dirfd: int, name: str) -> tuple[Node, int] | None:
    """Open a regular file and say what it is: one look-up of its name where `read_node` and an open need three.

    Args:
        dirfd: the open directory.
        name: in it; a directory's listing has said that it is a regular file.

    Returns:
        the node, and a descriptor that the caller closes; None when it is no regular file any more, or cannot be
        opened: `read_node` says more then.

    Raises:
        OSError: its attributes cannot be read.

    """
    try:
        fd = os.open(name, READ, dir_fd=dirfd)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        mode = status.st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            return None
        names = _attribute_names(fd)
        node = Node(
            kind=_FILE,
            mode=stat.S_IMODE(mode),
            uid=status.st_uid,
            gid=status.st_gid,
            size=status.st_size,
            mtime=status.st_mtime_ns,
            target="",
            device=_NOWHERE,
            xattrs=tuple((key, os.getxattr(fd, key)) for key in sorted(names) if exported_xattr(key)) if names else (),
            inode=(status.st_dev, status.st_ino, status.st_nlink),
        )
    except BaseException:
        os.close(fd)
        raise
    return node, fd


def _attribute_names(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
            return []
        raise
