"""User namespaces: make one to map mounts by, or enter one; the only place that writes id maps.

Invariant: a map is written by a process outside of the new namespace, which opened its target before the target lost
its own rights; nothing is changed for any other process. Lean: imported by the helper process.
"""

import os

from metalor_lang.kernel import syscalls

TYPE_CHECKING = False  # type checkers know the name; the helper would pay for what these imports bring along
if TYPE_CHECKING:
    from collections.abc import Callable

ROOTLESS_UID = "_CONTAINERS_ROOTLESS_UID"
"""The variable by which tools for containers know, in a user namespace, whose it is."""

# A line of a map (user_namespaces(7)): first id inside, first id outside, how many.
Row = tuple[int, int, int]


def map_text(rows: "tuple[Row, ...]") -> bytes:
    """Give the text of a map file."""
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in rows).encode("ascii")


def _write(process: int, name: str, data: bytes) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=process)
    try:
        os.write(fd, data)  # one write or none: a map can be set once
    finally:
        os.close(fd)


def _write_maps(process: int, rows: "tuple[Row, ...]") -> None:
    for name in ("uid_map", "gid_map"):
        _write(process, name, map_text(rows))


def _number() -> int:
    """Give our number in the /proc that we see, which may be another one than our pid namespace's (proc_pid(5))."""
    return int(os.readlink("/proc/self"))


def _open_process(pid: int) -> int:
    return os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def make(rows: "tuple[Row, ...]") -> int:
    """Make a user namespace with nobody in it, and give its descriptor (to map a mount by: mount_setattr(2)).

    Best before threads exist: a child lives for a moment.

    Raises:
        OSError: the machine does not allow user namespaces, or not this map.

    """
    from metalor_lang.kernel.clone import Sleeper  # not for the helper

    with Sleeper(syscalls.CLONE_NEWUSER) as child:
        process = _open_process(_shown_number(child.pid))
        try:
            _write_maps(process, rows)
            return os.open("ns/user", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
        finally:
            os.close(process)


def _shown_number(pid: int) -> int:
    """The number of a child of ours in the /proc that we see; a pidfd says it there, whoever's /proc it is."""
    if _number() == os.getpid():
        return pid
    fd = os.pidfd_open(pid)
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
    finally:
        os.close(fd)


def enter(flags: int, write_maps: "Callable[[int], None]") -> None:
    """Move this process into a new user namespace (and `flags` of others), with maps, as its superuser.

    Args:
        flags: more CLONE_NEW* to leave at the same time.
        write_maps: called in a child that stays outside, with our pid; it writes both maps.

    Raises:
        OSError: the machine does not allow it; nothing has changed then unless the maps were refused.

    """
    wait, go_on = os.pipe2(os.O_CLOEXEC)
    done, say_done = os.pipe2(os.O_CLOEXEC)
    ourselves = _number()
    outside = os.fork()
    if not outside:
        status = 1
        try:
            os.close(go_on)
            os.close(done)
            if os.read(wait, 1):
                try:
                    write_maps(ourselves)
                    status = 0
                except Exception as error:
                    os.write(say_done, str(error).encode("utf-8", "replace")[:4000] or b"?")
        finally:
            os._exit(status)
    os.close(wait)
    os.close(say_done)
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | flags)
        os.write(go_on, b"1")
        said = os.read(done, 4096)
    finally:
        os.close(go_on)
        os.close(done)
        _, status = os.waitpid(outside, 0)
    if status or said:
        raise OSError(1, said.decode("utf-8", "replace") or "the id maps were refused", "uid_map")
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


class MapWriter:
    """Writes the maps of a process that waits in its new user namespace; `rows` by our own rights."""

    __slots__ = ("_rows",)

    def __init__(self, rows: "tuple[Row, ...]") -> None:
        self._rows = rows

    def __call__(self, pid: int) -> None:
        """Write both maps of `pid`."""
        process = _open_process(pid)
        try:
            _write_maps(process, self._rows)
        finally:
            os.close(process)
