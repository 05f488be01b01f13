"""Apply the members of a layer to a directory that holds the layers below it.

Invariant: every lookup starts at the root's descriptor and stays inside it; what is written is one plain name in an
open directory; whiteouts hide what lower layers brought and never what their own layer brought (OCI image
specification, layer.md).
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator

from metalor_lang.errors import MetalorError, machine_help
from metalor_lang.hints import Final, Protocol
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.trees import read_xattrs, remove_tree, set_mode, write_xattrs
from metalor_lang.kernel.whole import write_all
from metalor_lang.oci.budget import Budgets, LayerRefused, UnpackFailed, printable
from metalor_lang.oci.entries import Tally, check, check_root, is_marker, link_parts, parts_of
from metalor_lang.oci.inflate import Meter
from metalor_lang.oci.tarstream import Kind, Member
from metalor_lang.oci.whiteouts import WHITEOUT, LayerNames, hidden_name, is_aufs

_CAPABILITY: Final = "security.capability"
_OPEN_PARENTS: Final = 64
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_NO_NAMES: Final = frozenset({"", ".", ".."})
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.EPERM, errno.EACCES})


class Members(Protocol):
    """What is applied: members in order, each with its data when it was just given."""

    def __iter__(self) -> Iterator[Member]:
        """The members."""
        ...

    def data(self) -> Iterator[memoryview]:
        """The stored bytes of the member at hand."""
        ...


class Counting(Protocol):
    """Who is told of each member; see `entries.Density`."""

    def count(self, member: Member) -> None:
        """Count one; raises LayerRefused."""
        ...


class Applier:
    """One directory that layers are applied to, base first.

    Args:
        root: the directory; not closed here.
        budgets: limits over all layers.
        notice: told what could not be kept (device nodes or attributes that this process may not make).

    """

    def __init__(self, root: Root, budgets: Budgets, meter: Meter, notice: Callable[[str], None]) -> None:
        self._root = root
        self._budgets = budgets
        self._meter = meter
        self._notice = notice
        self._tally = Tally(budgets)
        self._parents: dict[str, int] = {}
        # inode of a directory -> (a path to it, its time): set last, since every new name changes it.
        self._times: dict[int, tuple[str, int]] = {}
        self._layer = LayerNames(root)
        # Head of a name as written -> (the parent's path, what a member's name may add to it): judged once.
        self._heads: dict[str, tuple[str, str]] = {"": ("", "")} if budgets.depth > 0 else {}
        self._short = min(budgets.path, budgets.component)

    def close(self) -> None:
        """Close the directories kept open."""
        self._forget()

    def apply(self, stream: Members, density: Counting) -> None:
        """Apply one layer.

        Raises:
            LayerRefused: an entry is wrong or not safe.
            UnpackFailed: this machine could not write one.

        """
        self._layer = LayerNames(self._root)
        tally, density_count, place = self._tally.count, density.count, self._member
        for member in stream:
            tally(member)
            density_count(member)
            try:
                place(member, stream)
            except OSError as error:
                raise _explained(member, error) from error

    def finish(self) -> None:
        """Set the times of directories; call once after the last layer."""
        self._forget()
        for inode, (path, mtime) in self._times.items():
            try:
                fd = self._root.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except OSError as error:
                if error.errno not in _GONE:
                    raise UnpackFailed(
                        f"the directory '{printable(path)}' of a layer cannot be finished: {error.strerror}",
                        help=machine_help(error.errno),
                    ) from error
                continue
            try:
                if os.fstat(fd).st_ino == inode:
                    os.utime(fd, ns=(mtime, mtime))
            finally:
                os.close(fd)
        self._times.clear()

    # --- one member -------------------------------------------------------------------------------------------------

    def _member(self, member: Member, stream: Members) -> None:
        text = member.name
        if text[-1:] == "/" and member.kind is Kind.DIRECTORY:
            text = text[:-1]
        head, _, name = text.rpartition("/")
        known = self._heads.get(head)
        if (
            known is None
            or name in _NO_NAMES
            or WHITEOUT in name
            or len(member.name) > self._short
            or not text.isascii()
        ):
            parts = parts_of(member.name, self._budgets)
            if not parts:
                self._root_entry(member)
                return
            if is_marker(member, parts):
                self._marker(member, parts)
                return
            name = parts[-1]
            parent = "/".join(parts[:-1])
            prefix = f"{parent}/" if parent else ""
            if WHITEOUT not in head and head.count("/") < self._budgets.depth - 1:
                self._heads[head] = parent, prefix
        else:
            parent, prefix = known
        check(member)
        path = prefix + name
        dirfd = self._parents.get(parent)
        if dirfd is None:
            dirfd = self._parent(parent)
        self._layer.wrote(path)
        match member.kind:
            case Kind.FILE:
                self._file(member, stream, dirfd, name)
            case Kind.DIRECTORY:
                self._directory(member, dirfd, name, path)
            case Kind.SYMLINK:
                self._symlink(member, dirfd, name)
            case Kind.HARDLINK:
                self._hardlink(member, dirfd, name, path)
            case Kind.CHARACTER | Kind.BLOCK | Kind.FIFO:
                self._special(member, dirfd, name)

    def _root_entry(self, member: Member) -> None:
        check_root(member)
        fd = self._root.open(".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._dress_directory(member, fd, "")
        finally:
            os.close(fd)

    def _parent(self, path: str) -> int:
        fd = self._parents.get(path)
        if fd is not None:
            return fd
        try:
            fd = self._root.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            for made in self._root.makedirs(path, 0o755, (0, 0) if os.geteuid() == 0 else None):
                status = self._root.stat(made)
                if status is not None:
                    # No entry says when: a fixed time keeps the tree a function of the layers.
                    self._times[status.st_ino] = (made, 0)
            fd = self._root.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self._keep(path, fd)
        return fd

    def _keep(self, path: str, fd: int) -> None:
        if len(self._parents) >= _OPEN_PARENTS:
            os.close(self._parents.pop(next(iter(self._parents))))
        self._parents[path] = fd

    def _forget(self) -> None:
        for fd in self._parents.values():
            os.close(fd)
        self._parents.clear()

    def _clear(self, dirfd: int, name: str) -> int:
        """Make room for a new entry; the parent's descriptor stays valid and is returned."""
        status = os.stat(name, dir_fd=dirfd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode):
            # Paths through it mean something else from now on.
            kept = os.dup(dirfd)
            self._forget()
            self._keep("/" + str(kept), kept)  # no path of a member looks like this
            dirfd = kept
            remove_tree(dirfd, name)
        else:
            os.unlink(name, dir_fd=dirfd)
        return dirfd

    # --- kinds ------------------------------------------------------------------------------------------------------

    def _file(self, member: Member, stream: Members, dirfd: int, name: str) -> None:
        if member.extents is not None:
            self._meter.use(member.size - member.stored, member.name)
        try:
            fd = os.open(name, _CREATE, 0o600, dir_fd=dirfd)
        except FileExistsError:
            dirfd = self._clear(dirfd, name)
            fd = os.open(name, _CREATE, 0o600, dir_fd=dirfd)
        try:
            if member.extents is not None:
                _write_sparse(fd, member, stream)
            else:
                for piece in stream.data():
                    write_all(fd, piece)
            os.fchown(fd, member.uid, member.gid)
            os.fchmod(fd, member.mode)
            if member.xattrs:
                self._attributes(member, dirfd, name)
            os.utime(fd, ns=(member.mtime, member.mtime))
        finally:
            os.close(fd)

    def _directory(self, member: Member, dirfd: int, name: str, path: str) -> None:
        fresh = True
        try:
            os.mkdir(name, 0o700, dir_fd=dirfd)
        except FileExistsError:
            fresh = False
            mode = os.stat(name, dir_fd=dirfd, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                # A link to a directory stays (say lib -> usr/lib): layers made on another base write through it.
                status = self._root.stat(path, follow=True)
                if status is not None and stat.S_ISDIR(status.st_mode):
                    return
            if not stat.S_ISDIR(mode):
                dirfd = self._clear(dirfd, name)
                os.mkdir(name, 0o700, dir_fd=dirfd)
                fresh = True
        fd = os.open(name, _DIRECTORY, dir_fd=dirfd)
        try:
            self._dress_directory(member, fd, path, fresh=fresh)
        except BaseException:
            os.close(fd)
            raise
        if path in self._parents:
            os.close(fd)
        else:
            self._keep(path, fd)

    def _dress_directory(self, member: Member, fd: int, path: str, *, fresh: bool = False) -> None:
        os.fchown(fd, member.uid, member.gid)
        os.fchmod(fd, member.mode)
        if not fresh:
            for key in read_xattrs(fd, "."):
                if key not in member.xattrs and not key.startswith("security.selinux"):
                    os.removexattr(fd, key)
        if member.xattrs:
            self._attributes(member, fd, ".")
        self._times[os.fstat(fd).st_ino] = (path, member.mtime)

    def _symlink(self, member: Member, dirfd: int, name: str) -> None:
        try:
            os.symlink(member.target, name, dir_fd=dirfd)
        except FileExistsError:
            dirfd = self._clear(dirfd, name)
            os.symlink(member.target, name, dir_fd=dirfd)
        self._dress(member, dirfd, name)

    def _hardlink(self, member: Member, dirfd: int, name: str, path: str) -> None:
        parts = link_parts(member, self._budgets)
        shown = f"it is a hard link to {member.target!r}"
        try:
            source = self._root.open("/".join(parts[:-1]), os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            raise LayerRefused(member.name, f"{shown}, which does not exist before it") from None
        try:
            try:
                status = os.stat(parts[-1], dir_fd=source, follow_symlinks=False)
            except FileNotFoundError:
                raise LayerRefused(member.name, f"{shown}, which does not exist before it") from None
            if stat.S_ISDIR(status.st_mode):
                raise LayerRefused(member.name, f"{shown}, a directory")
            try:
                os.link(parts[-1], name, src_dir_fd=source, dst_dir_fd=dirfd, follow_symlinks=False)
            except FileExistsError:
                here = os.stat(name, dir_fd=dirfd, follow_symlinks=False)
                if name == parts[-1] and os.path.samestat(os.fstat(source), os.fstat(dirfd)):
                    raise LayerRefused(member.name, "it is a hard link to itself") from None
                if os.path.samestat(here, status):
                    return
                dirfd = self._clear(dirfd, name)
                # What was removed may have held the target.
                try:
                    os.link(parts[-1], name, src_dir_fd=source, dst_dir_fd=dirfd, follow_symlinks=False)
                except FileNotFoundError:
                    raise LayerRefused(member.name, f"{shown}, which it replaces") from None
        finally:
            os.close(source)

    def _special(self, member: Member, dirfd: int, name: str) -> None:
        mode = 0o600
        device = 0
        if member.kind is Kind.FIFO:
            mode |= stat.S_IFIFO
        else:
            mode |= stat.S_IFCHR if member.kind is Kind.CHARACTER else stat.S_IFBLK
            device = os.makedev(*member.device)
        try:
            os.stat(name, dir_fd=dirfd, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            dirfd = self._clear(dirfd, name)
        try:
            os.mknod(name, mode, device, dir_fd=dirfd)
        except PermissionError:
            self._notice(
                f"the {member.kind} {printable(member.name)} was left out: this process may not make device nodes"
            )
            return
        self._dress(member, dirfd, name)

    def _dress(self, member: Member, dirfd: int, name: str) -> None:
        os.chown(name, member.uid, member.gid, dir_fd=dirfd, follow_symlinks=False)
        if member.kind is not Kind.SYMLINK:
            set_mode(dirfd, name, member.mode)
        if member.xattrs:
            self._attributes(member, dirfd, name)
        os.utime(name, ns=(member.mtime, member.mtime), dir_fd=dirfd, follow_symlinks=False)

    def _attributes(self, member: Member, dirfd: int, name: str) -> None:
        for key, value in member.xattrs.items():
            try:
                write_xattrs(dirfd, name, {key: value})
            except OSError as error:
                if key == _CAPABILITY or error.errno not in _UNSUPPORTED:
                    raise LayerRefused(
                        member.name, f"its attribute {printable(key)} could not be set: {error.strerror}"
                    ) from error
                self._notice(
                    f"the attribute {printable(key)} of {printable(member.name)} was left out: {error.strerror}"
                )

    # --- whiteouts --------------------------------------------------------------------------------------------------

    def _marker(self, member: Member, parts: list[str]) -> None:
        if is_aufs(parts):
            return
        target = hidden_name(member.name, parts)
        try:
            dirfd = self._root.open("/".join(parts[:-1]), os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return
        self._forget()
        try:
            self._layer.hide(dirfd, "/".join(parts[:-1]), target)
        finally:
            os.close(dirfd)


def _explained(member: Member, error: OSError) -> MetalorError:
    reason = error.strerror or str(error)
    if machine_help(error.errno) or error.errno in (errno.EPERM, errno.EACCES, errno.EINVAL):
        hint = machine_help(error.errno) or {
            errno.EPERM: "unpacking keeps owners: it needs root or a user namespace with enough ids",
            errno.EINVAL: f"the owner {member.uid}:{member.gid} may not be mapped in this user namespace",
        }.get(error.errno or 0, "")
        return UnpackFailed(f"cannot write the entry '{printable(member.name)}' of a layer: {reason}", help=hint)
    return LayerRefused(member.name, f"it does not fit the tree before it ({reason})")


def _write_sparse(fd: int, member: Member, stream: Members) -> None:
    pieces = stream.data()
    piece = memoryview(b"")
    for offset, length in member.extents or ():
        os.lseek(fd, offset, os.SEEK_SET)
        while length:
            if not piece:
                piece = next(pieces)
            done = os.write(fd, piece[:length])
            piece = piece[done:]
            length -= done
    os.ftruncate(fd, member.size)
