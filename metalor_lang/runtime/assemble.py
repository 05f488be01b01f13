"""Make the step's root: its view, the furniture, the automatic files and the explicit mounts; then enter it.

Invariant: every place is reached by descriptor, resolved by openat2 inside the view with magic links refused; a mount
point that had to be created is remembered and taken away again. Lean: imported by the helper.
"""

import errno
import os
import stat

from metalor_lang.kernel import syscalls
from metalor_lang.kernel.whole import write_all
from metalor_lang.runtime import layering
from metalor_lang.runtime.furniture import READONLY, SAFE, SEALED, Furniture, clone, filesystem
from metalor_lang.runtime.protocol import MountOrder, Order, from_memory
from metalor_lang.runtime.stubs import Parent, Stub

_INSIDE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS

_MAX_LINKS = 40


class Refused(Exception):
    """The step's root cannot be made; the message is for the user."""


def layered(layers: "list[list[str] | str | None]", tiers: "tuple[str, ...]") -> int:
    """Mount a chain of the store's directories: [lowers, upper, work], names below /store, and give the mount."""
    names, upper, work = layers
    assert isinstance(names, list) and not isinstance(upper, list) and not isinstance(work, list)
    lowers = [f"/store/{name}" for name in names]
    if upper is None and len(lowers) == 1:
        view = clone(syscalls.AT_FDCWD, lowers[0])
        syscalls.mount_setattr(view, set=READONLY)
        return view
    if not lowers:
        return clone(syscalls.AT_FDCWD, f"/store/{upper}")
    said: list[str] = []
    for tier in tiers:
        try:
            return layering.WAYS[tier](lowers, upper and f"/store/{upper}", work and f"/store/{work}")
        except OSError as error:
            said.append(f"{tier}: {error.strerror}")
    raise Refused(f"the step's layers cannot be mounted ({'; '.join(said)})")


class Assembly:
    """The root while it is made, and what must be undone afterwards.

    Args:
        order: what is asked for; its view and the sources of its binds are detached mounts, or layers of the store.
        tiers: the ways to mount an overlay, in the order to try them.
        scratch: our tmpfs, out of sight of the step; see Furniture.

    """

    def __init__(self, order: Order, tiers: "tuple[str, ...]" = tuple(layering.WAYS), *, scratch: int = -1) -> None:
        self._order = order
        self._tiers = tiers
        self._view = order.view
        self._scratch = scratch
        self._count = 0
        self._mounted: list[int] = []
        self._stubs: list[Stub] = []
        self._parents: dict[str, Parent] = {}

    def build(self, furniture: Furniture) -> None:
        """Mount everything below the view, in the mount namespace of the step."""
        if self._order.layers is not None:
            self._view = layered(self._order.layers, self._tiers)
        syscalls.mount_setattr(self._view, set=syscalls.MOUNT_ATTR_NODEV)
        syscalls.move_mount(self._view, self._scratch, "root")
        for name, piece in furniture.pieces:
            self._reserved(name, piece)
        for mount in sorted(self._order.mounts, key=lambda one: one.target.count("/")):
            try:
                self._explicit(mount)
            except OSError as error:
                raise Refused(f"cannot mount at {mount.target}: {error.strerror} ({error.filename})") from error
        self._automatic()

    def enter(self) -> None:
        """Make the view our root and let go of everything else."""
        os.fchdir(self._view)
        try:
            syscalls.pivot_root(".", ".")
        except OSError as error:
            raise Refused(f"the step cannot enter its root: {error.strerror} (is metalor in a chroot?)") from error
        syscalls.umount2(".", syscalls.MNT_DETACH)
        os.chdir("/")
        if not os.path.samestat(os.stat("/"), os.stat("/..")):
            raise Refused("the old root is still reachable")
        os.close(self._scratch)

    def undo(self) -> None:
        """Take the created mount points out of the view and restore their parents' times.

        Must run after every other process of the step is dead. A mount point that is not empty any more stays.
        """
        if not self._stubs:
            return
        # Files go by /proc, so before /proc goes; MNT_DETACH takes what is mounted below along.
        directories = [fd for fd in self._mounted if stat.S_ISDIR(os.fstat(fd).st_mode)]
        for fd in self._mounted:
            if fd not in directories:
                syscalls.umount2(f"/proc/self/fd/{fd}", syscalls.MNT_DETACH)
        for fd in reversed(directories):
            os.fchdir(fd)
            syscalls.umount2(".", syscalls.MNT_DETACH)
        os.chdir("/")
        self._remove_stubs()

    def abandon(self) -> None:
        """The same for a root that could not be made, or not be entered."""
        if not self._stubs:
            return
        # With the view goes all that is mounted on it; the descriptors of the parents keep reaching into it.
        os.fchdir(self._scratch)
        syscalls.umount2("root", syscalls.MNT_DETACH)
        self._remove_stubs()

    def _remove_stubs(self) -> None:
        untouched = [parent for parent in self._parents.values() if parent.untouched()]
        for stub in reversed(self._stubs):
            stub.remove()
        for parent in untouched:
            parent.restore()

    # -- places -------------------------------------------------------------------------------------------------

    def _open(self, path: str, flags: int = os.O_PATH) -> int:
        return syscalls.openat2(self._view, path or ".", flags, resolve=_INSIDE)

    def _create(self, parent_path: str, name: str, directory: bool) -> None:
        parent = self._parents.get(parent_path)
        if parent is None:
            parent = self._parents[parent_path] = Parent(self._open(parent_path, os.O_RDONLY | os.O_DIRECTORY))
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent.fd)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent.fd))
        self._stubs.append(Stub(parent.fd, name, directory))
        parent.after = os.fstat(parent.fd).st_mtime_ns

    def _place(self, path: str, directory: bool) -> int:
        """Open the mount point for `path`, following links inside the view; create what is missing."""
        try:
            fd = self._open(path)
        except FileNotFoundError:
            fd = self._open_created(path, directory)
        if stat.S_ISDIR(os.fstat(fd).st_mode) != directory:
            wanted, other = ("a directory", "a file") if directory else ("a file", "a directory")
            raise Refused(f"cannot mount {wanted} at {path}: there is {other} in the image")
        if syscalls.filesystem_type(fd) in (syscalls.PROC_SUPER_MAGIC, syscalls.SYSFS_MAGIC):
            raise Refused(f"cannot mount at {path}: a link in the image leads from there into /proc or /sys")
        return fd

    def _open_created(self, path: str, directory: bool) -> int:
        """Walk `path` by hand, so that the missing end of a chain of links is made inside the view."""
        done: list[str] = []
        todo = [part for part in path.split("/") if part]
        links = 0
        while todo:
            part = todo.pop(0)
            if part in (".", ".."):
                done = done[:-1] if part == ".." else done
                continue
            try:
                fd = self._open("/".join([*done, part]), os.O_PATH | os.O_NOFOLLOW)
            except FileNotFoundError:
                self._create("/".join(done), part, directory or bool(todo))
                done.append(part)
                continue
            try:
                if not stat.S_ISLNK(os.fstat(fd).st_mode):
                    done.append(part)
                    continue
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                leads = os.readlink("", dir_fd=fd)
                done = [] if leads.startswith("/") else done
                todo = [part for part in leads.split("/") if part] + todo
            finally:
                os.close(fd)
        return self._open("/".join(done), os.O_PATH | os.O_NOFOLLOW)

    def _attach(self, mount: int, place: int) -> None:
        syscalls.move_mount(mount, place)
        os.close(place)
        self._mounted.append(mount)

    def _reserved(self, name: str, mount: int) -> None:
        """Attach at /proc, /dev or /sys, which must be a plain directory or absent."""
        try:
            place = self._open(name, os.O_PATH | os.O_NOFOLLOW)
        except FileNotFoundError:
            self._create("", name, True)
            place = self._open(name, os.O_PATH | os.O_NOFOLLOW)
        mode = os.fstat(place).st_mode
        if stat.S_ISLNK(mode):
            leads = os.readlink("", dir_fd=place)
            raise Refused(f"the image has /{name} as a symbolic link to {leads}; a step needs a directory there")
        if not stat.S_ISDIR(mode):
            raise Refused(f"the image has /{name} as a file; a step needs a directory there")
        self._attach(mount, place)

    # -- what every step gets -----------------------------------------------------------------------------------

    def _automatic(self) -> None:
        """Give /etc/hosts and, with the machine's network, /etc/resolv.conf, as copies; explicit mounts win."""
        hosts = f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{self._order.hostname}\n"
        wanted = {"/etc/hosts": hosts.encode()}
        if self._order.network == "host" and self._order.resolver:
            wanted["/etc/resolv.conf"] = self._order.resolver.encode("utf-8", "surrogateescape")
        explicit = [mount.target for mount in self._order.mounts]
        for path, content in wanted.items():
            if any(path == target or path.startswith(f"{target}/") for target in explicit):
                continue
            try:
                place = self._place(path, directory=False)
            except OSError as error:
                if error.errno == errno.EROFS:
                    continue
                raise Refused(f"cannot give the step its {path}: {error.strerror}") from error
            self._attach(self._file(content, 0o644, 0, 0), place)

    # -- what the request asks for ------------------------------------------------------------------------------

    def _name(self) -> str:
        self._count += 1
        return str(self._count)

    def _file(self, content: bytes, mode: int, uid: int, gid: int) -> int:
        """Write a file on our tmpfs and give a read-only mount of it."""
        name = self._name()
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=self._scratch)
        try:
            write_all(fd, content)
            os.fchown(fd, uid, gid)
            os.fchmod(fd, mode)
        finally:
            os.close(fd)
        mount = clone(self._scratch, name)
        syscalls.mount_setattr(mount, set=SEALED | READONLY)
        return mount

    def _bind(self, order: MountOrder) -> int:
        if order.layers is not None:
            order.fd = layered(order.layers, self._tiers)
        if order.subpath:  # part of a mount that is not attached yet: attach it out of sight, then clone the part
            name = self._name()
            os.mkdir(name, 0o700, dir_fd=self._scratch)
            syscalls.move_mount(order.fd, self._scratch, name)
            order.fd = self._below(order)
        attributes = SAFE | (READONLY if order.readonly else 0)
        syscalls.mount_setattr(order.fd, set=attributes, recursive=True)
        return order.fd

    def _below(self, order: MountOrder) -> int:
        try:
            inside = syscalls.openat2(order.fd, order.subpath, os.O_PATH, resolve=_INSIDE)
        except OSError as error:
            raise Refused(f"the source of {order.target} ({order.subpath}): {error.strerror}") from error
        try:
            return clone(inside, recursive=True)
        finally:
            os.close(inside)

    def _explicit(self, order: MountOrder) -> None:
        if order.kind == "tmpfs":
            options = {"mode": f"{order.mode:o}", "uid": str(order.uid), "gid": str(order.gid)}
            if order.size:
                options["size"] = str(order.size)
            mount = filesystem("tmpfs", SAFE, **options)
        elif order.kind == "file":
            mount = self._file(from_memory(order.fd), order.mode, order.uid, order.gid)
        else:
            mount = self._bind(order)
        directory = stat.S_ISDIR(os.fstat(mount).st_mode)
        self._attach(mount, self._place(order.target, directory))
