"""System calls that Python has no function for; the only module that uses ctypes.

Invariant: every function raises OSError(errno, text, what) on failure and imports nothing but os, ctypes, errno and
struct, so the lean helper process can load it without site-packages.
"""

# ruff: noqa: D402 - the first line of a wrapper names its manual page, e.g. openat2(2)

import ctypes
import errno
import os
import struct
import time

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_NOFOLLOW = 0x100
AT_RECURSIVE = 0x8000

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19

MNT_DETACH = 2

FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_SET_FD = 5
FSCONFIG_CMD_CREATE = 6

OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08
MOUNT_ATTR_IDMAP = 0x00100000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLOSE_RANGE_CLOEXEC = 4

PROC_SUPER_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572

# Numbers from 424 on are the same on every architecture; the older ones are not.
_COMMON = {
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
}
_GENERIC = {
    "rt_sigaction": 134,
    "pivot_root": 41,
    "capset": 91,
    "unshare": 97,
    "setns": 268,
    "syncfs": 267,
    "renameat2": 276,
    "seccomp": 277,
}
_X86_64 = {
    "rt_sigaction": 13,
    "pivot_root": 155,
    "capset": 126,
    "unshare": 272,
    "setns": 308,
    "syncfs": 306,
    "renameat2": 316,
    "seccomp": 317,
}
_BY_MACHINE = {"x86_64": _X86_64, "aarch64": _GENERIC, "riscv64": _GENERIC}

MACHINE = os.uname().machine
NUMBERS = _COMMON | _BY_MACHINE.get(MACHINE, {})

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]

PathLike = str | bytes | os.PathLike[str]


def _encode(path: PathLike) -> bytes:
    raw = os.fsencode(path)
    if b"\0" in raw:  # ctypes would cut the path there
        raise OSError(errno.EINVAL, "a NUL byte in a path", os.fsdecode(raw))
    return raw


def _fail(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)


def _call(name: str, what: str, *arguments: object) -> int:
    """Make the raw call `name`; integers go as long, buffers by reference, None as a null pointer."""
    number = NUMBERS.get(name)
    if number is None:
        raise OSError(errno.ENOSYS, f"{name} has no known number on {MACHINE}", what)
    words: list[object] = []
    for argument in arguments:
        if isinstance(argument, int):
            words.append(ctypes.c_long(argument))
        elif isinstance(argument, bytes):
            words.append(ctypes.c_char_p(argument))
        elif argument is None:
            words.append(ctypes.c_void_p(None))
        else:
            words.append(argument)
    result = _syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise _fail(what)
    return int(result)


def openat2(dirfd: int, path: PathLike, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2): open `path` from `dirfd` under the RESOLVE_* rules and return a close-on-exec descriptor.

    EAGAIN (a rename somewhere made the kernel unsure about `..`) is tried again for up to five seconds.

    Raises:
        OSError: as open; EXDEV or ELOOP where a RESOLVE_* rule forbids the path.

    """
    flags |= os.O_CLOEXEC
    if not flags & (os.O_CREAT | getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY):
        mode = 0
    how = ctypes.create_string_buffer(struct.pack("QQQ", flags, mode, resolve), 24)
    raw = _encode(path)
    deadline = 0.0
    while True:
        try:
            return _call("openat2", os.fsdecode(raw), dirfd, raw, how, 24)
        except OSError as error:
            if error.errno == errno.EINTR:
                continue
            if error.errno != errno.EAGAIN or flags & os.O_NONBLOCK:
                raise
            now = time.monotonic()
            deadline = deadline or now + 5
            if now > deadline:
                raise
            time.sleep(0)


def renameat2(olddir: int, old: PathLike, newdir: int, new: PathLike, flags: int = 0) -> None:
    """renameat2(2) with RENAME_NOREPLACE or RENAME_EXCHANGE."""
    _call("renameat2", os.fsdecode(new), olddir, _encode(old), newdir, _encode(new), flags)


def syncfs(fd: int) -> None:
    """syncfs(2): write back the whole filesystem that holds `fd`."""
    _call("syncfs", "syncfs", fd)


def start_writeback(fd: int, start: int, length: int) -> None:
    """sync_file_range(2): begin to write a part of a file to the disk; nothing is waited for, no failure told."""
    _libc.sync_file_range(fd, ctypes.c_int64(start), ctypes.c_int64(length), 2)  # SYNC_FILE_RANGE_WRITE


def unshare(flags: int) -> None:
    """unshare(2) with CLONE_NEW* flags."""
    _call("unshare", f"unshare({flags:#x})", flags)


def setns(fd: int, flags: int = 0) -> None:
    """setns(2): enter the namespace behind `fd`."""
    _call("setns", "setns", fd, flags)


def mount(
    source: PathLike | None, target: PathLike, fstype: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """mount(2)."""
    if _libc.mount(
        None if source is None else _encode(source),
        _encode(target),
        None if fstype is None else fstype.encode(),
        flags,
        None if data is None else os.fsencode(data),
    ):
        raise _fail(f"mount {fstype or source!r} on {os.fsdecode(_encode(target))}")


def umount2(target: PathLike, flags: int = 0) -> None:
    """umount2(2)."""
    if _libc.umount2(_encode(target), flags):
        raise _fail(os.fsdecode(_encode(target)))


def pivot_root(new_root: PathLike, put_old: PathLike) -> None:
    """pivot_root(2); ("." , ".") stacks the old root over the new one, to be detached next."""
    _call("pivot_root", os.fsdecode(_encode(new_root)), _encode(new_root), _encode(put_old))


def fsopen(fstype: str) -> int:
    """fsopen(2): a close-on-exec filesystem context."""
    return _call("fsopen", fstype, fstype.encode(), FSOPEN_CLOEXEC)


def _context_messages(fd: int) -> str:
    """What the kernel logged on a filesystem context (fsopen(2): read returns one message at a time)."""
    messages: list[str] = []
    try:
        while len(messages) < 8:
            messages.append(os.read(fd, 1024).decode("utf-8", "replace")[2:].strip())
    except OSError:
        pass
    return "; ".join(messages)


def _fsconfig(fd: int, command: int, key: str | None, value: bytes | None, aux: int) -> None:
    try:
        _call("fsconfig", key or "create", fd, command, None if key is None else key.encode(), value, aux)
    except OSError as error:
        said = _context_messages(fd)
        if not said:
            raise
        raise OSError(error.errno, f"{error.strerror} ({said})", key or "create") from None


def fsconfig_set_flag(fd: int, key: str) -> None:
    """fsconfig(2) FSCONFIG_SET_FLAG."""
    _fsconfig(fd, FSCONFIG_SET_FLAG, key, None, 0)


def fsconfig_set_string(fd: int, key: str, value: str | bytes) -> None:
    """fsconfig(2) FSCONFIG_SET_STRING; the kernel takes at most 256 bytes."""
    _fsconfig(fd, FSCONFIG_SET_STRING, key, os.fsencode(value), 0)


def fsconfig_set_fd(fd: int, key: str, value: int) -> None:
    """fsconfig(2) FSCONFIG_SET_FD (overlay layers: Linux 6.13 and later)."""
    _fsconfig(fd, FSCONFIG_SET_FD, key, None, value)


def fsconfig_create(fd: int) -> None:
    """fsconfig(2) FSCONFIG_CMD_CREATE."""
    _fsconfig(fd, FSCONFIG_CMD_CREATE, None, None, 0)


def fsmount(fd: int, attributes: int = 0) -> int:
    """fsmount(2): a detached mount with MOUNT_ATTR_* attributes."""
    return _call("fsmount", "fsmount", fd, FSMOUNT_CLOEXEC, attributes)


def open_tree(dirfd: int, path: PathLike = "", flags: int = 0) -> int:
    """open_tree(2); with OPEN_TREE_CLONE a detached copy of a mount; an empty path means `dirfd` itself."""
    raw = _encode(path)
    if not raw:
        flags |= AT_EMPTY_PATH
    return _call("open_tree", os.fsdecode(raw) or f"fd {dirfd}", dirfd, raw, flags | OPEN_TREE_CLOEXEC)


def move_mount(from_fd: int, to_fd: int, to_path: PathLike = "", from_path: PathLike = "") -> None:
    """move_mount(2): attach; empty paths mean the descriptors themselves, links at the target are not followed."""
    source, target = _encode(from_path), _encode(to_path)
    flags = (0 if source else MOVE_MOUNT_F_EMPTY_PATH) | (0 if target else MOVE_MOUNT_T_EMPTY_PATH)
    _call("move_mount", os.fsdecode(target) or f"fd {to_fd}", from_fd, source, to_fd, target, flags)


def mount_setattr(
    fd: int,
    path: PathLike = "",
    *,
    set: int = 0,
    clear: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
    recursive: bool = False,
) -> None:
    """mount_setattr(2) with MOUNT_ATTR_* sets; an empty path means `fd` itself."""
    raw = _encode(path)
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", set, clear, propagation, userns_fd), 32)
    flags = (0 if raw else AT_EMPTY_PATH) | (AT_RECURSIVE if recursive else 0)
    _call("mount_setattr", os.fsdecode(raw) or f"fd {fd}", fd, raw, flags, attributes, 32)


def filesystem_type(fd: int) -> int:
    """Give the f_type magic of fstatfs(2): what kind of filesystem holds `fd`."""
    buffer = ctypes.create_string_buffer(256)
    if _libc.fstatfs(ctypes.c_int(fd), buffer):
        raise _fail("fstatfs")
    return int.from_bytes(buffer.raw[:8], "little") & 0xFFFFFFFF


def _prctl(what: str, option: int, *arguments: int) -> int:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    result = _libc.prctl(option, *padded)
    if result < 0:
        raise _fail(what)
    return int(result)


def set_parent_death_signal(number: int) -> None:
    """Ask for signal `number` when the parent dies; the kernel forgets it at a change of ids (prctl(2))."""
    _prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, number)


def set_no_new_privileges() -> None:
    """Make setuid programs and file capabilities gain nothing from here on."""
    _prctl("PR_SET_NO_NEW_PRIVS", PR_SET_NO_NEW_PRIVS, 1)


def set_dumpable(value: bool) -> None:
    """Let (or not) others trace this process or read its memory and /proc files."""
    _prctl("PR_SET_DUMPABLE", PR_SET_DUMPABLE, int(value))


def drop_bounding_except(keep: frozenset[int]) -> None:
    """Drop every capability the kernel knows from the bounding set, except the numbers in `keep`."""
    for number in range(64):
        try:
            _prctl("PR_CAPBSET_READ", PR_CAPBSET_READ, number)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return
            raise
        if number not in keep:
            _prctl(f"PR_CAPBSET_DROP {number}", PR_CAPBSET_DROP, number)


def clear_ambient() -> None:
    """Empty the ambient capability set."""
    _prctl("PR_CAP_AMBIENT", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) of this thread; each argument is a mask of capability bits."""
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0), 8)
    low, high = 0xFFFFFFFF, 32
    data = struct.pack(
        "IIIIII",
        effective & low, permitted & low, inheritable & low,
        effective >> high, permitted >> high, inheritable >> high,
    )  # fmt: skip
    _call("capset", "capset", header, ctypes.create_string_buffer(data, 24))


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """close_range(2): close every descriptor from `first` to `last`, or with CLOSE_RANGE_CLOEXEC only at exec."""
    _call("close_range", f"{first}..{last}", first, last, flags)


def install_seccomp(program: bytes) -> None:
    """Install a classic BPF filter (seccomp(2) SECCOMP_SET_MODE_FILTER); `program` is packed sock_filter records."""
    filters = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(filters)), 16
    )  # struct sock_fprog on a 64 bit machine
    _call("seccomp", "seccomp", 1, 0, header)


def set_disposition(number: int, *, ignored: bool = False) -> None:
    """rt_sigaction(2) past the C library, which hides the signals 32 and 33 that it uses itself (nptl(7)).

    An ignored one survives an exec, so a step would inherit what whoever started us had ignored.
    """
    # struct sigaction of the kernel: handler (SIG_DFL is 0, SIG_IGN is 1), flags, restorer, mask; 32 bytes at most.
    action = ctypes.create_string_buffer(struct.pack("QQQQ", int(ignored), 0, 0, 0), 32)
    _call("rt_sigaction", f"signal {number}", number, action, None, 8)
