"""What every step gets, whatever it runs: its own /dev, /proc and /sys, mounted before the step is known.

Invariant: made by the step's own init in the step's own namespaces, so no two steps share any of it; nothing depends
on an order. Lean: imported by the helper.
"""

import errno
import os
import stat

from metalor_lang.kernel import syscalls

SAFE = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
SEALED = SAFE | syscalls.MOUNT_ATTR_NOEXEC
READONLY = syscalls.MOUNT_ATTR_RDONLY
_PLAIN = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC

_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = (
    ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"),
)  # fmt: skip
# What tells about or changes the machine rather than the step; absent ones are passed over.
_PROC_HIDDEN = (
    "acpi", "interrupts", "kcore", "keys", "kpagecount", "kpageflags", "latency_stats", "sched_debug", "scsi",
    "sysrq-trigger", "timer_list", "timer_stats", "vmallocinfo",
)  # fmt: skip
_PROC_READONLY = ("bus", "fs", "irq", "sys")
# A fresh sysfs has nothing mounted on it, so debugfs, tracefs, bpf and securityfs need no cover.
_SYS_HIDDEN = ("firmware", "devices/virtual/powercap")


def filesystem(fstype: str, attributes: int, **options: str) -> int:
    """Make a new filesystem as a detached mount and give its descriptor."""
    context = syscalls.fsopen(fstype)
    try:
        for key, value in options.items():
            syscalls.fsconfig_set_string(context, key, value)
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, attributes)
    finally:
        os.close(context)


def clone(fd: int, path: str = "", *, recursive: bool = False) -> int:
    """Give a detached copy of the mount at `fd`/`path`."""
    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_SYMLINK_NOFOLLOW
    return syscalls.open_tree(fd, path, flags | (syscalls.AT_RECURSIVE if recursive else 0))


def part(path: str) -> int:
    """Give a detached copy of what is mounted at `path`."""
    try:
        return clone(syscalls.AT_FDCWD, path)
    except OSError as error:
        # In a user namespace the mounts below may be locked to it (mount_namespaces(7)), and must come along.
        if error.errno != errno.EINVAL:
            raise
        return clone(syscalls.AT_FDCWD, path, recursive=True)


class Furniture:
    """The mounts, attached out of sight until the step's root is there; made in the mount namespace of the step.

    Attributes:
        scratch: a tmpfs of ours over our /proc, on which everything is put together; gone with the old root.
        pieces: (name in the root, descriptor of the mount) in the order in which they are put in place.

    """

    __slots__ = ("_nothing", "pieces", "scratch")

    def __init__(self) -> None:
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        self.scratch = filesystem("tmpfs", SAFE, mode="0700")
        syscalls.move_mount(self.scratch, syscalls.AT_FDCWD, "/proc")
        for name in ("root", "nothing", "dev", "proc", "sys"):
            os.mkdir(name, 0o700, dir_fd=self.scratch)
        self._nothing = filesystem("tmpfs", SEALED | READONLY, mode="0555")
        syscalls.move_mount(self._nothing, self.scratch, "nothing")
        device = self._dev()
        self.pieces = (("dev", device), ("proc", self._proc(device)), ("sys", self._sys()))

    def _dev(self) -> int:
        """Mount a /dev with the minimal nodes, its own pseudo-terminals and shared memory."""
        device = filesystem("tmpfs", _PLAIN, mode="0755", size="64k")
        syscalls.move_mount(device, self.scratch, "dev")
        for name in _NODES:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=device))
            # Bound, not made: in a user namespace nobody may make a device node.
            node = clone(syscalls.AT_FDCWD, f"/dev/{name}")
            syscalls.mount_setattr(node, set=_PLAIN)
            syscalls.move_mount(node, device, name)
            os.close(node)
        for name, leads in _LINKS:
            os.symlink(leads, name, dir_fd=device)
        for name in ("pts", "shm"):
            os.mkdir(name, 0o755, dir_fd=device)
        pts = filesystem("devpts", _PLAIN, ptmxmode="0666", mode="0620", gid="5")
        syscalls.move_mount(pts, device, "pts")
        shared = filesystem("tmpfs", SEALED, mode="1777")
        syscalls.move_mount(shared, device, "shm")
        os.close(pts)
        os.close(shared)
        return device

    def _proc(self, device: int) -> int:
        proc = filesystem("proc", SEALED)
        syscalls.move_mount(proc, self.scratch, "proc")
        for name in _PROC_READONLY:
            try:
                copy = clone(proc, name)
            except FileNotFoundError:
                continue
            syscalls.mount_setattr(copy, set=SEALED | READONLY)
            syscalls.move_mount(copy, proc, name)
            os.close(copy)
        for name in _PROC_HIDDEN:
            self._hide(proc, name, device)
        return proc

    def _sys(self) -> int:
        try:
            system = filesystem("sysfs", SEALED | READONLY)
        except PermissionError:  # with the machine's network, only the machine's superuser may have a sysfs of his own
            system = part("/sys")
            syscalls.mount_setattr(system, set=SEALED | READONLY, recursive=True)
        syscalls.move_mount(system, self.scratch, "sys")
        for name in _SYS_HIDDEN:
            self._hide(system, name, -1)
        return system

    def _hide(self, base: int, name: str, device: int) -> None:
        """Cover a file by the null device, a directory by an empty one; what is absent needs no cover."""
        try:
            found = os.stat(name, dir_fd=base, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        cover = clone(self._nothing) if stat.S_ISDIR(found.st_mode) else clone(device, "null")
        syscalls.move_mount(cover, base, name)
        os.close(cover)
