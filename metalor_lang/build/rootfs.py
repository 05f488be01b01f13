"""`rootfs:` bases: a directory or a tar file with a root file system, identified by its content.

Invariant: the digest covers all that is written into the snapshot: names, types, modes, owners, times, attributes,
links and contents; a tree that changes between digest and copy is refused.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from metalor_lang.build.statcache import StatCache, hash_file
from metalor_lang.digest import Json, json_digest, sha256
from metalor_lang.errors import MetalorError
from metalor_lang.hints import BinaryIO, Final, cast
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import read_xattrs, walk
from metalor_lang.oci.copytree import copy_tree
from metalor_lang.oci.inflate import inflate
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import LayerSource, apply_layers
from metalor_lang.plan.graph import InputError
from metalor_lang.record import dataclass

_BLOCK: Final = 512

Owner = tuple[int, int]
_MAGIC: Final = ((b"\x1f\x8b", Compression.GZIP), (b"\x28\xb5\x2f\xfd", Compression.ZSTD))
_XZ: Final = b"\xfd7zXZ\0"
_BZIP2: Final = b"BZh"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootfsTree:
    """A root file system on this machine.

    Args:
        path: the directory or tar file.
        shown: the path as the recipe has it.
        digest: of all that is taken from it.
        packed: it is a tar file.
        owner: whose files in a directory count as the superuser's; see read_rootfs.

    """

    path: Path
    shown: str
    digest: str
    packed: bool
    owner: Owner | None = None


def read_rootfs(path: Path, shown: str, cache: StatCache, owner: Owner | None = None) -> RootfsTree:
    """Identify a root file system.

    Args:
        path: the directory or tar file.
        shown: the path as the recipe has it.
        cache: digests of unchanged files.
        owner: (uid, gid) of an ordinary user, as this process sees them: his files are the superuser's in the image,
            as if he had packed and unpacked them. None for the superuser, whose directories keep their owners.

    Raises:
        InputError: it is not there, or neither a directory nor a tar.

    """
    try:
        info = path.stat()
    except OSError as error:
        raise InputError("E0501", f"rootfs:{shown} is not there: {error.strerror}") from error
    try:
        if stat.S_ISDIR(info.st_mode):
            with Root.at(path) as root:
                return RootfsTree(
                    path=path, shown=shown, digest=_tree_digest(root.fd, cache, owner), packed=False, owner=owner
                )
        if stat.S_ISREG(info.st_mode):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if not _is_tar(os.pread(fd, _BLOCK, 0)):
                    help = (
                        "write rootfs:DIR, or rootfs:FILE of a tar file, plain or packed with gzip, zstd, xz or bzip2"
                    )
                    raise InputError("E0505", f"rootfs:{shown} is neither a directory nor a tar file", help)
                digest = _tar_digest(_file_digest(fd, os.fstat(fd), cache))
            finally:
                os.close(fd)
            return RootfsTree(path=path, shown=shown, digest=digest, packed=True)
    except OSError as error:
        raise InputError("E0505", f"rootfs:{shown} cannot be read: {error.strerror}: {error.filename}") from error
    raise InputError("E0505", f"rootfs:{shown} is neither a directory nor a tar file")


def _is_tar(head: bytes) -> bool:
    """Whether a file begins as an archive does: packed, empty (zeros), or with a header whose checksum is right."""
    if head.startswith((*(magic for magic, _ in _MAGIC), _XZ, _BZIP2)):
        return True
    if len(head) < _BLOCK:
        return False
    if not any(head):
        return True
    try:
        stated = int(head[148:156].strip(b" \0"), 8)  # POSIX ustar: octal, over the header with blanks in its place
    except ValueError:
        return False
    return stated == sum(head) - sum(head[148:156]) + 8 * ord(" ")


def write_rootfs(tree: RootfsTree, target: Root) -> None:
    """Write a root file system into an empty directory.

    Raises:
        MetalorError: it changed since it was identified, or a tar is refused.

    """
    if tree.packed:
        _write_tar(tree, target)
        return
    with Root.at(tree.path) as source:
        copy_tree(source, target.fd, owners=owners_of(tree.owner))
        if _tree_digest(source.fd, StatCache(), tree.owner) != tree.digest:
            raise MetalorError(
                f"rootfs:{tree.shown} changed while it was copied", help="build again when nothing writes to it"
            )


def _write_tar(tree: RootfsTree, target: Root) -> None:
    fd = os.open(tree.path, os.O_RDONLY | os.O_CLOEXEC)
    with open(fd, "rb") as stream:
        if _tar_digest(hash_file(fd)) != tree.digest:
            raise MetalorError(f"rootfs:{tree.shown} changed since it was looked at", help="build again")
        head = os.pread(fd, 8, 0)
        compression = next((kind for magic, kind in _MAGIC if head.startswith(magic)), Compression.NONE)

        def reopen() -> BinaryIO:
            stream.seek(0)
            return _unpacked(stream, head)

        from lzma import LZMAError  # only here: a base that is in the store already is not read

        from metalor_lang.oci.archives import to_its_mark

        try:
            chunks = inflate(reopen(), compression)
            diff_id = sha256(to_its_mark(chunks) if compression is Compression.ZSTD else chunks)
        except (LZMAError, EOFError, OSError) as error:
            raise MetalorError(f"rootfs:{tree.shown} is damaged: {error}", help="make or fetch it again") from error
        apply_layers([LayerSource(open=reopen, compression=compression, diff_id=diff_id)], target.fd)


def _unpacked(stream: BinaryIO, head: bytes) -> BinaryIO:
    """What no layer is packed with, and archives for a root often are, unpacked; anything else as it is."""
    if head.startswith(_XZ):
        import lzma

        return cast(BinaryIO, lzma.open(stream))
    if head.startswith(_BZIP2):
        import bz2

        return cast(BinaryIO, bz2.open(stream))
    return stream


def _tar_digest(sha: str) -> str:
    return json_digest({"rootfs": "tar", "sha256": sha})


def owners_of(owner: Owner | None) -> Callable[[int, int], Owner]:
    """What an owner is in the image; `owner` as for `read_rootfs`."""
    uid_of, gid_of = owner or (0, 0)
    return lambda uid, gid: (0 if uid == uid_of else uid, 0 if gid == gid_of else gid)


def _tree_digest(fd: int, cache: StatCache, owner: Owner | None) -> str:
    owners = owners_of(owner)
    rows: list[Json] = [_row(".", os.fstat(fd), "", read_xattrs(fd, "."), owners)]
    links: dict[tuple[int, int], str] = {}
    for entry in walk(fd):
        content = ""
        if stat.S_ISLNK(entry.stat.st_mode):
            content = os.fsencode(os.readlink(entry.name, dir_fd=entry.dirfd)).hex()
        elif stat.S_ISREG(entry.stat.st_mode):
            inode = (entry.stat.st_dev, entry.stat.st_ino)
            if inode in links:
                rows.append([os.fsencode(entry.path).hex(), "link", links[inode]])
                continue
            if entry.stat.st_nlink > 1:
                links[inode] = os.fsencode(entry.path).hex()
            file = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=entry.dirfd)
            try:
                content = _file_digest(file, entry.stat, cache)
            finally:
                os.close(file)
        rows.append(_row(entry.path, entry.stat, content, read_xattrs(entry.dirfd, entry.name), owners))
    cache.save()
    return json_digest({"rootfs": "directory", "rows": rows})


def _row(
    path: str, info: os.stat_result, content: str, xattrs: dict[str, bytes], owners: Callable[[int, int], Owner]
) -> list[Json]:
    device = info.st_rdev if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode) else 0
    attributes = {name: value.hex() for name, value in xattrs.items() if _kept(name)}
    name = os.fsencode(path).hex()
    return [name, info.st_mode, *owners(info.st_uid, info.st_gid), info.st_mtime_ns, device, content, attributes]


def _file_digest(fd: int, info: os.stat_result, cache: StatCache) -> str:
    known = cache.digest(info)
    if known is None:
        known = hash_file(fd)
        cache.remember(info, known)
    return known


def _kept(name: str) -> bool:
    # Overlay's own marks belong to the file system they were found on; SELinux labels to the machine.
    return not name.startswith(("trusted.overlay.", "user.overlay.")) and name != "security.selinux"
