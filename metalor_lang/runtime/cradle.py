"""The helper's own world: a root with next to nothing in it, a user namespace, a pid namespace of which it is init.

Invariant: nothing of the machine's tree is left but what every step is shown of it (/proc, /sys, device nodes, the
store); when the helper dies, the kernel ends everything below it. Lean: imported by the helper.
"""

import os
import stat

from metalor_lang.kernel import syscalls, userns
from metalor_lang.runtime.furniture import READONLY, SEALED, clone, filesystem, part

NODES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
_NO_EXEC = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC


def settle(store: int, shift: int) -> None:
    """Leave the machine's mounts for a tree of our own.

    Args:
        store: descriptor of the store's directory as it lies on the disk, or -1.
        shift: what the superuser of steps is on this machine; 0 when this process's own ids are theirs.

    """
    if store >= 0:
        os.fchdir(store)  # the working directory comes along, a descriptor stays in the namespace that it was opened in
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    root = filesystem("tmpfs", syscalls.MOUNT_ATTR_NOSUID, mode="0755", size="1m")
    for name in ("proc", "sys", "dev", "store"):
        os.mkdir(name, 0o755, dir_fd=root)
    # An ordinary user may mount a proc or a sysfs of his own only where a whole one can be seen (mount_too_revealing).
    syscalls.move_mount(part("/proc"), root, "proc")
    try:
        system = part("/sys")
    except FileNotFoundError:
        pass
    else:
        syscalls.mount_setattr(system, set=SEALED | READONLY, recursive=True)
        syscalls.move_mount(system, root, "sys")
    for node in NODES:
        _device(root, *node, owner=shift)
    if store >= 0:
        syscalls.move_mount(clone(syscalls.AT_FDCWD, "."), root, "store")
    syscalls.move_mount(root, syscalls.AT_FDCWD, "/proc")
    os.fchdir(root)
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", syscalls.MNT_DETACH)
    os.chdir("/")
    os.close(root)


def _device(root: int, name: str, major: int, minor: int, *, owner: int) -> None:
    place = f"dev/{name}"
    try:
        os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=root)
        os.chmod(place, 0o666, dir_fd=root)
        os.chown(place, owner, owner, dir_fd=root)
    except PermissionError:  # no superuser of this machine: the machine's own node
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=root))
        syscalls.move_mount(clone(syscalls.AT_FDCWD, f"/dev/{name}"), root, place)


def map_ids(shift: int, count: int) -> None:
    """Enter a user namespace whose ids are `shift` and on: the superuser of steps is nobody outside.

    Without a shift the ids stay what they are: `count` of them, and the ordinary user who comes after them.
    """
    # A row must lie within one row of the map around it (user_namespaces(7)).
    rows = ((0, shift, count),) if shift else ((0, 0, count), (count, count, 1))
    userns.enter(syscalls.CLONE_NEWNS, userns.MapWriter(rows))


def become_init() -> None:
    """Come back as PID 1 of a new pid namespace with its own /proc; this process waits for it and then ends."""
    syscalls.unshare(syscalls.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        os.closerange(3, 1 << 16)  # the end of our child's life must reach the builder as the end of its socket
        os.waitpid(pid, 0)
        os._exit(0)
    syscalls.move_mount(filesystem("proc", _NO_EXEC), syscalls.AT_FDCWD, "/proc")
