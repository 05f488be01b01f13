"""Leases: what a living process works on, so that gc and recovery leave it alone.

Invariant: a lease file is visible only while it is flocked by its owner; it counts as dead only when the flock is free
and no process with its pid, start time and boot id lives, so neither a reused pid nor a reboot is taken for an owner.
"""

import errno
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from metalor_lang.guards import Lock
from metalor_lang.hints import Self
from metalor_lang.record import dataclass
from metalor_lang.store.errors import guarded
from metalor_lang.store.files import locked, open_private


def boot_id() -> str:
    """The kernel's id of this boot, "" where /proc does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (field 22 of proc_pid_stat(5)); None when it does not live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseInfo:
    """A lease as its file says it.

    Args:
        token: its name, which starts the name of everything its owner has in `tmp/`.
        pins: ids of snapshots and digests of blobs that must stay.

    """

    token: str
    pid: int
    boot: str
    started: int
    pins: frozenset[str]


class Lease:
    """A lease held by this process until `release()` (or the process's end).

    Args:
        root: the store's directory.

    """

    def __init__(self, root: Path) -> None:
        self.token = os.urandom(8).hex()
        self._root = root
        self._path = root / "leases" / self.token
        self._pinned: set[str] = set()
        self._lock = Lock()
        draft = root / "leases" / f".{self.token}"
        # Between its creation and its flock it looks dead: whoever removes dead ones must not look then.
        with guarded(root), locked(root / "leases", fcntl.LOCK_SH):
            self._fd = open_private(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX)
                pid = os.getpid()
                try:
                    os.write(self._fd, f"{pid} {boot_id() or '-'} {start_time(pid) or 0}\n".encode())
                except OSError as error:
                    # On a full disk the flock alone must do, else gc could not make room.
                    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                        raise
                os.rename(draft, self._path)
            except BaseException:
                draft.unlink(missing_ok=True)
                os.close(self._fd)
                raise

    def pin(self, names: Iterable[str]) -> None:
        """Protect snapshots (ids) and blobs (digests) from gc while this lease lives."""
        with self._lock:
            fresh = [name for name in dict.fromkeys(names) if name not in self._pinned]
            if fresh and self._fd >= 0:
                with guarded(self._root):
                    os.write(self._fd, "".join(f"{name}\n" for name in fresh).encode())
                self._pinned.update(fresh)

    def release(self) -> None:
        """Give the lease up; a second call does nothing."""
        with self._lock:
            if self._fd >= 0:
                self._path.unlink(missing_ok=True)
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def read_lease(path: Path) -> LeaseInfo:
    """What a lease file says; a cut one gives a lease of nobody."""
    lines = path.read_text(errors="replace").split("\n")
    words = lines[0].split()
    pid, boot, started = 0, "", 0
    if len(words) == 3 and words[0].isdigit() and words[2].isdigit():
        pid, boot, started = int(words[0]), words[1], int(words[2])
    return LeaseInfo(token=path.name, pid=pid, boot=boot, started=started, pins=frozenset(filter(None, lines[1:])))


def is_live(path: Path, info: LeaseInfo) -> bool:
    """Whether the owner of a lease may still work."""
    if info.pid and info.boot == (boot_id() or "-") and start_time(info.pid) == info.started:
        return True
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def live_leases(root: Path, *, remove_dead: bool = False) -> tuple[LeaseInfo, ...]:
    """Every lease with an owner; dead ones are deleted on request."""
    found = []
    with locked(root / "leases", fcntl.LOCK_EX if remove_dead else fcntl.LOCK_SH):
        for name in sorted(os.listdir(root / "leases")):
            path = root / "leases" / name
            try:
                info = read_lease(path)
                if is_live(path, info):
                    found.append(info)
                elif remove_dead:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
    return tuple(found)
