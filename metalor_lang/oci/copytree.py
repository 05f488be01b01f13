"""Copy a whole tree as layers would carry it.

Invariant: the copy has the same listing as the tree: hard links, attributes, times, owners; nothing follows a link.
"""

import os
import stat
from collections.abc import Callable

from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import copy_file_contents, set_mode, walk, write_xattrs
from metalor_lang.oci.nodes import Node, read_node
from metalor_lang.oci.tarstream import Kind


def _same(uid: int, gid: int) -> tuple[int, int]:
    return uid, gid


def copy_tree(
    view: Root,
    dest_dirfd: int,
    *,
    notice: Callable[[str], None] | None = None,
    owners: Callable[[int, int], tuple[int, int]] = _same,
) -> int:
    """Copy a whole tree into an empty directory: hard links, attributes, times, owners and device nodes.

    Args:
        view: the tree.
        dest_dirfd: where its entries go; not closed.
        notice: told of sockets and of what this process may not make.
        owners: from the (uid, gid) of an entry to those of its copy.

    Returns:
        the count of entries.

    Raises:
        OSError: as the calls it makes.

    """
    tell = notice or (lambda _: None)
    count = 0
    first: dict[tuple[int, int], str] = {}
    directories: list[tuple[str, int]] = []
    with Root(os.dup(dest_dirfd)) as target:
        for entry in walk(view.fd):
            node = read_node(entry.dirfd, entry.name)
            owner = owners(node.uid, node.gid) if node is not None else (0, 0)
            if node is None:
                tell(f"the socket /{entry.path} was left out")
                continue
            dirfd, name = target.parent(entry.path)
            try:
                shared = first.get(node.inode[:2]) if not node.is_dir and node.inode[2] > 1 else None
                if shared is not None:
                    source, old = target.parent(shared)
                    try:
                        os.link(old, name, src_dir_fd=source, dst_dir_fd=dirfd, follow_symlinks=False)
                    finally:
                        os.close(source)
                elif _copy_node(node, entry.dirfd, dirfd, name, owner):
                    if node.is_dir:
                        directories.append((entry.path, node.mtime))
                    elif node.inode[2] > 1:
                        first[node.inode[:2]] = entry.path
                else:
                    tell(f"the {node.kind} /{entry.path} was left out: this process may not make device nodes")
                    continue
                count += 1
            finally:
                os.close(dirfd)
        root = read_node(view.fd, ".")
        if root is not None:
            _dress(root, target.fd, ".", owners(root.uid, root.gid))
            directories.append(("", root.mtime))
        for path, mtime in reversed(directories):
            fd = target.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.utime(fd, ns=(mtime, mtime))
            finally:
                os.close(fd)
    return count


def _copy_node(node: Node, source: int, target: int, name: str, owner: tuple[int, int]) -> bool:
    match node.kind:
        case Kind.FILE:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            one = os.open(name, flags, dir_fd=source)
            try:
                create = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                two = os.open(name, create, 0o600, dir_fd=target)
                try:
                    copy_file_contents(one, two)
                finally:
                    os.close(two)
            finally:
                os.close(one)
        case Kind.DIRECTORY:
            os.mkdir(name, 0o700, dir_fd=target)
        case Kind.SYMLINK:
            os.symlink(node.target, name, dir_fd=target)
        case _:
            kinds = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
            try:
                os.mknod(name, kinds[node.kind] | 0o600, os.makedev(*node.device), dir_fd=target)
            except PermissionError:
                return False
    _dress(node, target, name, owner)
    return True


def _dress(node: Node, dirfd: int, name: str, owner: tuple[int, int]) -> None:
    os.chown(name, *owner, dir_fd=dirfd, follow_symlinks=False)
    if node.kind is not Kind.SYMLINK:
        set_mode(dirfd, name, node.mode)
    write_xattrs(dirfd, name, dict(node.xattrs))
    os.utime(name, ns=(node.mtime, node.mtime), dir_fd=dirfd, follow_symlinks=False)
