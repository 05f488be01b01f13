"""How each thing is tried: the doing behind the table of `attempts`.

Invariant: what is not refused still does no harm: it asks for nothing real (no data, a name that does not exist, a
value that is in force already) or touches only the step's own.
"""

import ctypes
import errno
import os
import signal
import socket
import stat
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from metalor_lang.selftest.inside.calls import call

ALLOWED = "allowed"
HELD = "held"  # the call is not refused, and does not reach what it is after
ESCAPED = "escaped"
COVERED = "covered"  # the file is the null device, the directory is empty

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000


class Given(NamedTuple):
    """What the outside tells: a file of the machine that no step may see."""

    canary: str


Act = Callable[[Given], object]


# --- the root ---------------------------------------------------------------------------------------------------------


def escape(given: Given) -> str:
    """The classical way out: a descriptor kept across a chroot, then `..` as often as one likes."""
    before = os.stat("/")
    os.makedirs("/tmp/jail", exist_ok=True)
    outside = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/jail")
    os.fchdir(outside)
    for _ in range(100):
        os.chdir("..")
    os.chroot(".")
    return HELD if os.path.samestat(before, os.stat("/")) and not os.path.exists(given.canary) else ESCAPED


def canary(given: Given) -> str:
    """Look for the machine's file along the ways that lead up."""
    found = [prefix for prefix in ("", "/..", "/proc/self/root/..", "/proc/self/cwd/../..") if _there(prefix, given)]
    return ESCAPED if found else HELD


def _there(prefix: str, given: Given) -> bool:
    return os.path.exists(prefix + given.canary)


# --- files of /proc, /sys and /dev ------------------------------------------------------------------------------------


def _opening(path: str, flags: int) -> Act:
    def act(given: Given) -> object:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        found = os.fstat(fd)
        return COVERED if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3) else None

    return act


def writing(path: str) -> Act:
    """Open a file to write, and write nothing."""
    return _opening(path, os.O_WRONLY)


def reading(path: str) -> Act:
    """Open a file to read, and read nothing."""
    return _opening(path, os.O_RDONLY)


def listing(path: str) -> Act:
    """List a directory."""
    return lambda given: None if os.listdir(path) else COVERED


def first(paths: tuple[str, ...]) -> Act:
    """Try the files that are there; one that opens decides."""

    def act(given: Given) -> object:
        for path in [path for path in paths if os.path.exists(path)][:-1]:
            try:
                return writing(path)(given)
            except OSError:
                continue
        there = [path for path in paths if os.path.exists(path)]
        return writing(there[-1] if there else paths[0])(given)

    return act


def node(kind: int, major: int, minor: int) -> Act:
    """Make a device node."""
    return lambda given: os.mknod("/tmp/node", kind | 0o600, os.makedev(major, minor))


# --- calls ------------------------------------------------------------------------------------------------------------


def clone(given: Given) -> object:
    """Fork into a user namespace."""
    pid = call("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return None


def getfd(given: Given) -> object:
    """Copy a descriptor of the init."""
    return call("pidfd_getfd", call("pidfd_open", 1, 0), 0, 0)


def handle(given: Given) -> object:
    """Open inode 2 of the file system of the root, by its handle."""
    # struct file_handle { u32 bytes; int type; char handle[] }: inode 2 of ext4, the machine's root
    return call("open_by_handle_at", os.open("/", os.O_RDONLY), struct.pack("Iiii", 8, 1, 2, 0), os.O_RDONLY)


def readv(given: Given) -> object:
    """Read eight bytes of the init."""
    target = ctypes.create_string_buffer(8)
    # struct iovec { void *base; size_t length }
    ours = struct.pack("PN", ctypes.addressof(target), 8)
    return call("process_vm_readv", 1, ours, 1, struct.pack("PN", ctypes.addressof(target), 8), 1, 0)


def terminal(given: Given) -> object:
    """Type into the terminal one sits on, for the shell that reads it next."""
    import fcntl
    import pty
    import termios

    os.setsid()
    _, ours = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSCTTY, 0)
    fcntl.ioctl(ours, termios.TIOCSTI, b"x")
    return None


def descriptors_of_init(given: Given) -> str:
    """The numbers alone tell nothing; what they stand for would."""
    refused = 0
    for number in os.listdir("/proc/1/fd"):
        try:
            os.close(os.open(f"/proc/1/fd/{number}", os.O_PATH))
        except OSError as error:
            refused = error.errno or 0
            continue
        return ALLOWED
    return errno.errorcode.get(refused, COVERED)


def kill_init(given: Given) -> str:
    """Kill the step's init."""
    os.kill(1, signal.SIGKILL)
    time.sleep(0.05)  # had it been killed, the kernel had killed us with it
    return HELD


def setns(given: Given) -> object:
    """Enter a namespace: its own."""
    return call("setns", os.open("/proc/self/ns/mnt", os.O_RDONLY), CLONE_NEWNS)


def shape_loopback(given: Given) -> object:
    """Set the flags of `lo` to what they are."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        said = fcntl.ioctl(sock, 0x8913, struct.pack("16sH22x", b"lo", 0))  # SIOCGIFFLAGS
        fcntl.ioctl(sock, 0x8914, said)  # SIOCSIFFLAGS
    return None


def link(path: str) -> Act:
    """Read where a link of /proc leads."""

    def act(given: Given) -> object:
        os.readlink(path)
        return None

    return act


def connecting(family: int, kind: int, protocol: int = 0) -> Act:
    """Make a socket."""
    return lambda given: socket.socket(family, kind, protocol).close()


def raise_limit(given: Given) -> object:
    """Allow itself one more descriptor."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard + 1))
    except ValueError:  # what Python makes of EPERM
        return errno.errorcode[errno.EPERM]
    return None


def spare_me(given: Given) -> object:
    """Ask to be spared."""
    fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    return os.write(fd, b"-1000") and None


def hurry(given: Given) -> object:
    """Ask for real time."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return None


def trusted(given: Given) -> object:
    """Write an attribute of the `trusted` space."""
    os.setxattr("/tmp", "trusted.overlay.opaque", b"y")
    return None


def group(given: Given) -> object:
    """Make a control group, and remove it."""
    os.mkdir("/sys/fs/cgroup/metalor-attempt")
    os.rmdir("/sys/fs/cgroup/metalor-attempt")
    return None


def mounting(*arguments: int | bytes | None) -> Act:
    """Mount something at /tmp, and take it away again."""

    def act(given: Given) -> object:
        call("mount", *arguments)
        call("umount2", b"/tmp", 2)
        return None

    return act


def calling(name: str, *arguments: int | bytes | None) -> Act:
    """Make one system call."""

    def act(given: Given) -> object:
        call(name, *arguments)
        return None

    return act
