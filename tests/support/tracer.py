"""Stop a program and all it starts at every system call that changes something, and choose what becomes of the call.

strace can inject errors and signals too, but counts calls apart for each thread: the third `mkdir` of a worker cannot
be reached when the main thread makes three. Here the calls of the whole process tree have one count, so "each of them
once" can be enumerated. A seccomp filter stops only the calls that are named; the others run at full speed.
"""

import ctypes
import errno
import os
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final, NoReturn

NUMBERS: Final = {
    "write": 1, "pwrite64": 18, "writev": 20, "sendmsg": 46, "sendto": 44, "socket": 41, "socketpair": 53, "clone": 56,
    "fork": 57, "vfork": 58, "execve": 59, "flock": 73, "fsync": 74, "fdatasync": 75, "ftruncate": 77, "rename": 82,
    "mkdir": 83, "rmdir": 84, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92,
    "fchown": 93, "lchown": 94, "capset": 126, "mknod": 133, "pivot_root": 155, "prctl": 157, "mount": 165,
    "umount2": 166, "sethostname": 170, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "fallocate": 285,
    "openat": 257, "open": 2, "mkdirat": 258, "mknodat": 259, "fchownat": 260, "unlinkat": 263, "renameat": 264,
    "linkat": 265, "symlinkat": 266, "fchmodat": 268, "unshare": 272, "utimensat": 280, "pipe2": 293, "pwritev": 296,
    "syncfs": 306, "setns": 308, "renameat2": 316, "seccomp": 317, "memfd_create": 319, "copy_file_range": 326,
    "sendfile": 40, "dup": 32, "epoll_create1": 291, "eventfd2": 290, "inotify_init1": 294, "fcntl": 72,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_open": 434, "clone3": 435, "openat2": 437, "mount_setattr": 442, "fchmodat2": 452,
}  # fmt: skip
"""Of x86-64, the only machine this runs on."""

_NAMES: Final = {number: name for name, number in NUMBERS.items()}
_DESCRIPTOR_FIRST: Final = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "syncfs", "ftruncate", "fchmod", "fchown"}
    | {"fallocate", "fsetxattr", "flock", "sendfile"}
)
_PATH_AT: Final = {
    "open": 0, "openat": 1, "openat2": 1, "mkdir": 0, "mkdirat": 1, "rmdir": 0, "unlink": 0, "unlinkat": 1, "chmod": 0,
    "fchmodat": 1, "chown": 0, "lchown": 0, "fchownat": 1, "utimensat": 1, "mknod": 0, "mknodat": 1, "symlink": 1,
    "symlinkat": 2, "link": 1, "linkat": 3, "rename": 1, "renameat": 3, "renameat2": 3, "setxattr": 0, "lsetxattr": 0,
    "execve": 0, "mount": 1, "umount2": 0, "open_tree": 1, "move_mount": 3,
}  # fmt: skip
_DIRECTORY_AT: Final = {
    "openat": 0, "openat2": 0, "mkdirat": 0, "unlinkat": 0, "fchmodat": 0, "fchownat": 0, "utimensat": 0, "mknodat": 0,
    "symlinkat": 1, "linkat": 2, "renameat": 2, "renameat2": 2, "open_tree": 0, "copy_file_range": 2, "move_mount": 2,
}  # fmt: skip

_SEIZE, _CONT, _GETREGS, _SETREGS, _LISTEN = 0x4206, 7, 12, 13, 0x4208
_OPTIONS = 2 | 4 | 8 | 128 | 0x100000  # fork, vfork, clone, seccomp; and the tracer's death kills (ptrace(2))
_EVENT_SECCOMP, _EVENT_STOP = 7, 128
_WALL = 0x40000000
_REGISTERS = 27
_RAX, _ORIG_RAX = 10, 15
_ARGUMENTS = (14, 13, 12, 7, 9, 8)  # rdi rsi rdx r10 r8 r9 in struct user_regs_struct
_PR_SET_SECCOMP, _FILTER = 22, 2
_TRACE, _ALLOW, _X86_64 = 0x7FF00000, 0x7FFF0000, 0xC000003E

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _Late(BaseException):
    """The time is over; no OSError, because those are caught in places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A system call that is about to be made.

    Args:
        pid: the thread that makes it.
        name: of the call.
        arguments: the six raw ones.
        registers: all, as ptrace gave them.

    """

    pid: int
    name: str
    arguments: tuple[int, ...]
    registers: bytes

    @property
    def path(self) -> str:
        """The file it is about, as far as /proc tells; "" where there is none."""
        if self.name in _DESCRIPTOR_FIRST:
            return _link(f"/proc/{self.pid}/fd/{self.arguments[0] & 0xFFFFFFFF}")
        if self.name == "copy_file_range":
            return _link(f"/proc/{self.pid}/fd/{self.arguments[2]}")
        if self.name not in _PATH_AT:
            return ""
        text = self.text(self.arguments[_PATH_AT[self.name]])
        if self.name in _DIRECTORY_AT and not text.startswith("/"):
            number = ctypes.c_int(self.arguments[_DIRECTORY_AT[self.name]]).value
            folder = _link(f"/proc/{self.pid}/fd/{number}" if number >= 0 else f"/proc/{self.pid}/cwd")
            return os.path.join(folder, text) if text else folder
        return text

    def text(self, address: int) -> str:
        """The string at an address of the caller."""
        return self.memory(address, 4096).split(b"\0", 1)[0].decode("utf-8", "replace")

    def memory(self, address: int, size: int) -> bytes:
        """Bytes of the caller, fewer where its memory ends."""
        try:
            with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as file:
                # One page at a time: what follows a string need not be mapped.
                first = min(size, 4096 - address % 4096)
                file.seek(address)
                data = file.read(first)
                return data + file.read(size - first) if size > first and b"\0" not in data else data
        except (OSError, OverflowError, ValueError):
            return b""

    @property
    def writes(self) -> bool:
        """False for an open that only reads; True for every other call."""
        if self.name in ("openat", "open"):
            flags = self.arguments[2 if self.name == "openat" else 1]
        elif self.name == "openat2":
            flags = struct.unpack("Q", self.memory(self.arguments[2], 8).ljust(8, b"\0"))[0]
        else:
            return True
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))

    @property
    def program(self) -> str:
        """The file that the caller runs."""
        return _link(f"/proc/{self.pid}/exe")

    def __str__(self) -> str:
        return f"{self.name}({self.path})" if self.path else self.name


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


Decide = Callable[[Call], int | None]
"""Given each call: an errno to fail it with, or None to let it be made; may kill first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a traced program ended: its wait status as an exit code (negative: a signal), and who was left."""

    code: int
    left: tuple[str, ...]


def trace(body: Callable[[], int], calls: Collection[str], decide: Callable[[int], Decide], *, limit: float) -> Ended:
    """Run `body` in a child process of its own session, and wait until nothing of what it started lives.

    Args:
        body: gives the exit status.
        calls: names of NUMBERS at which to stop.
        decide: given the child's pid, what to do at each stop.
        limit: seconds for the program itself; what it leaves has five more.

    Raises:
        TimeoutError: the program did not end.

    """
    gate_read, gate_write = os.pipe()
    root = os.fork()
    if not root:
        os.close(gate_write)
        _in_child(body, calls, gate_read)
    os.close(gate_read)
    _ptrace(_SEIZE, root, 0, _OPTIONS)
    os.write(gate_write, b"x")
    os.close(gate_write)
    return _follow(root, decide(root), limit)


def _in_child(body: Callable[[], int], calls: Collection[str], gate: int) -> NoReturn:
    status = 99
    try:
        os.setsid()
        os.read(gate, 1)
        os.close(gate)
        _install(calls)
        status = body()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(status)


def _install(calls: Collection[str]) -> None:
    numbers = sorted(NUMBERS[name] for name in calls)
    assert len(numbers) < 250 and os.uname().machine == "x86_64"
    code = [(0x20, 0, 0, 4), (0x15, 0, len(numbers) + 1, _X86_64), (0x20, 0, 0, 0)]
    code += [(0x15, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    code += [(0x06, 0, 0, _ALLOW), (0x06, 0, 0, _TRACE)]
    packed = b"".join(struct.pack("HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(packed)
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    if _libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot install the filter: run as root")


def _ptrace(request: int, pid: int, address: int, data: int) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        if number == errno.ESRCH:  # it was killed while it stood
            raise ProcessLookupError(pid)
        raise OSError(number, f"ptrace {request:#x}: {os.strerror(number)}")


def _follow(root: int, decide: Decide, limit: float) -> Ended:
    code: int | None = None
    known = {root}
    try:
        with _alarm(limit) as restart:
            while True:
                try:
                    pid, status = os.waitpid(-1, _WALL)
                except ChildProcessError:
                    assert code is not None
                    return Ended(code=code, left=())
                if os.WIFSTOPPED(status):
                    known.add(pid)
                    _go_on(pid, status, decide)
                    continue
                known.discard(pid)
                if pid == root:
                    code = os.waitstatus_to_exitcode(status)
                    restart(5)
    except _Late:
        left = tuple(f"{pid} {_link(f'/proc/{pid}/exe')} {_state(pid)}" for pid in sorted(known))
        for pid in known:
            _kill(pid)
        _reap_all()
        if code is None:
            raise TimeoutError(f"not ended after {limit} s: {left}") from None
        return Ended(code=code, left=left)


def _go_on(pid: int, status: int, decide: Decide) -> None:
    event, number = status >> 16, os.WSTOPSIG(status)
    try:
        if event == _EVENT_SECCOMP:
            _at_call(pid, decide)
        elif event == _EVENT_STOP and number != signal.SIGTRAP:
            _ptrace(_LISTEN, pid, 0, 0)  # a stopped group stays stopped
            return
        _ptrace(_CONT, pid, 0, 0 if event else number)
    except ProcessLookupError:
        pass


def _at_call(pid: int, decide: Decide) -> None:
    registers = ctypes.create_string_buffer(_REGISTERS * 8)
    _ptrace(_GETREGS, pid, 0, ctypes.addressof(registers))
    values = list(struct.unpack(f"{_REGISTERS}Q", registers.raw))
    arguments = tuple(values[index] for index in _ARGUMENTS)
    call = Call(pid=pid, name=_NAMES[values[_ORIG_RAX]], arguments=arguments, registers=registers.raw)
    failure = decide(call)
    if failure is not None:
        # seccomp(2): number -1 skips the call, and the return register is what the caller sees.
        values[_ORIG_RAX] = 2**64 - 1
        values[_RAX] = 2**64 - failure
        changed = ctypes.create_string_buffer(struct.pack(f"{_REGISTERS}Q", *values))
        _ptrace(_SETREGS, pid, 0, ctypes.addressof(changed))


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _reap_all() -> None:
    try:
        with _alarm(10):
            while True:
                os.waitpid(-1, _WALL)
    except (ChildProcessError, _Late):
        pass


@contextmanager
def _alarm(seconds: float) -> Iterator[Callable[[float], object]]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield lambda more: signal.setitimer(signal.ITIMER_REAL, more)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
