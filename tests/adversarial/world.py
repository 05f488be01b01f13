"""A private world for extractors that may do harm: its own root in memory, the machine's files read-only, a canary.

Invariant: after `enter` nothing of the host can be written: every mount but our own tmpfs is read-only, and the
capability to change that is gone, for programs started later too. The world ends with its processes.
"""

import os
import stat
import sys
from pathlib import Path
from typing import Final

from metalor_lang.kernel import syscalls
from metalor_lang.kernel.paths import Root, remove_tree, walk
from tests.adversarial.corpus.model import CANARY

DEST: Final = "/w/jail/dest"
SECRET: Final = b"the secret of this host, 7f3a91\n"
_READ_ONLY: Final = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID
# CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, SETGID, SETUID, MKNOD, SETFCAP: what unpacking needs.
_KEEP: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 27, 31})


def enter(place: str, more: tuple[str, ...] = ()) -> None:
    """Leave the host for a new root.

    Args:
        place: an empty directory of the host to build it on; nothing of it is seen from outside.
        more: further directories of the host to show read-only.

    """
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    context = syscalls.fsopen("tmpfs")
    for key, value in (("size", "1500m"), ("mode", "0755"), ("nr_inodes", "3m")):
        syscalls.fsconfig_set_string(context, key, value)
    syscalls.fsconfig_create(context)
    root = syscalls.fsmount(context, syscalls.MOUNT_ATTR_NODEV | syscalls.MOUNT_ATTR_NOSUID)
    os.close(context)
    shown = {"/usr", "/proc", "/dev/null", sys.prefix, sys.base_prefix, sys.exec_prefix, *more}
    copies = [(path, syscalls.open_tree(syscalls.AT_FDCWD, path, syscalls.OPEN_TREE_CLONE)) for path in sorted(shown)]
    names = {name: os.readlink("/" + name) for name in os.listdir("/") if os.path.islink("/" + name)}
    syscalls.move_mount(root, syscalls.AT_FDCWD, place)
    os.chdir(place)
    for name, target in names.items():
        os.symlink(target, name)
    for name in ("bin", "lib", "lib64", "sbin"):
        if name not in names and os.path.isdir("/" + name):
            copies.append(("/" + name, syscalls.open_tree(syscalls.AT_FDCWD, "/" + name, syscalls.OPEN_TREE_CLONE)))
    for path, copy in copies:
        syscalls.mount_setattr(copy, set=_READ_ONLY)
        spot = Path(place + path)
        if stat.S_ISDIR(os.fstat(copy).st_mode):
            spot.mkdir(parents=True, exist_ok=True)
        else:
            spot.parent.mkdir(parents=True, exist_ok=True)
            spot.touch()
        syscalls.move_mount(copy, syscalls.AT_FDCWD, str(spot))
        os.close(copy)
    os.close(root)
    os.chdir(place)
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", syscalls.MNT_DETACH)
    os.chdir("/")
    syscalls.drop_bounding_except(_KEEP)
    mask = sum(1 << number for number in _KEEP)
    syscalls.capset(mask, mask, 0)
    os.umask(0o022)
    for path in (DEST, "/w/layouts", "/tmp"):
        os.makedirs(path, exist_ok=True)
    plant()


def plant() -> None:
    """Make the canary anew: what a host has outside of the destination."""
    remove(CANARY)
    for path in ("/etc", "/var", "/w/jail/dest-other"):
        remove(path)
    for path, mode in ((CANARY, 0o755), (f"{CANARY}/dir", 0o750), ("/etc", 0o755), ("/etc/cron.d", 0o755),
                       ("/var", 0o755), ("/var/spool", 0o700), ("/w/jail/dest-other", 0o755)):  # fmt: skip
        os.mkdir(path)
        os.chmod(path, mode)
    for path, mode, content in (
        (f"{CANARY}/file", 0o644, b"untouched\n"), (f"{CANARY}/secret", 0o600, SECRET),
        (f"{CANARY}/tool", 0o4755, b"x"),
        (f"{CANARY}/dir/keep", 0o640, b"kept\n"), ("/etc/passwd", 0o644, b"root:x:0:0::/root:/bin/sh\n"),
        ("/etc/group", 0o644, b"root:x:0:\n"), ("/etc/shadow", 0o600, SECRET), ("/etc/cron.d/job", 0o644, b"# none\n"),
        ("/var/spool/root", 0o600, b"# no jobs\n"), ("/w/jail/dest-other/file", 0o644, b"mine\n"),
    ):  # fmt: skip
        Path(path).write_bytes(content)
        os.chown(path, 7, 7)
        os.chmod(path, mode)
    os.setxattr(f"{CANARY}/file", "user.canary", b"sings") if _has_xattrs() else None
    os.symlink("file", f"{CANARY}/link")
    os.link(f"{CANARY}/file", f"{CANARY}/twin")


def watch() -> dict[str, tuple[object, ...]]:
    """Everything in the world outside of the destination: modes, owners, links, times, contents, attributes."""
    device = os.stat("/").st_dev
    seen: dict[str, tuple[object, ...]] = {}

    def visit(path: str) -> None:
        for entry in os.scandir(path):
            if entry.path in (DEST, "/w/layouts", "/tmp"):
                continue
            info = entry.stat(follow_symlinks=False)
            if info.st_dev != device:
                continue
            content: object = None
            if stat.S_ISREG(info.st_mode):
                content = Path(entry.path).read_bytes()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(entry.path)
            attributes = tuple(sorted(os.listxattr(entry.path, follow_symlinks=False)))
            if entry.path == os.path.dirname(DEST):
                # The destination itself may go: umoci removes it when it refuses.
                seen[entry.path] = (info.st_ino, info.st_mode, info.st_uid, info.st_gid)
                visit(entry.path)
                continue
            seen[entry.path] = (
                info.st_ino, info.st_mode, info.st_uid, info.st_gid, info.st_nlink, info.st_size, info.st_rdev,
                info.st_mtime_ns, info.st_ctime_ns, content, attributes,
            )  # fmt: skip
            if entry.is_dir(follow_symlinks=False):
                visit(entry.path)

    visit("/")
    info = os.stat("/")
    seen["/"] = (info.st_mode, info.st_uid, info.st_nlink, info.st_mtime_ns, info.st_ctime_ns)
    return seen


def survey() -> tuple[bool, int]:
    """Whether a file in the destination holds the host's secret, and the sum of the sizes of all files."""
    leaked, total = False, 0
    if not os.path.isdir(DEST):
        return leaked, total
    with Root.at(DEST) as root:
        for entry in walk(root.fd):
            if not stat.S_ISREG(entry.stat.st_mode):
                continue
            total += entry.stat.st_size
            if entry.stat.st_size == len(SECRET):
                fd = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=entry.dirfd)
                leaked |= os.read(fd, len(SECRET)) == SECRET
                os.close(fd)
    return leaked, total


def _has_xattrs() -> bool:
    try:
        os.setxattr(CANARY, "user.trial", b"")
    except OSError:
        return False
    os.removexattr(CANARY, "user.trial")
    return True


def remove(path: str) -> None:
    """Remove a tree of the world, if it is there."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        remove_tree(folder, os.path.basename(path))
    except FileNotFoundError:
        pass
    finally:
        os.close(folder)


def fresh_destination() -> None:
    """Empty the destination."""
    remove(DEST)
    os.mkdir(DEST, 0o755)
