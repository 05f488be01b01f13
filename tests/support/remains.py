"""Children of a test, and what may be left when they end: processes, mounts, rules of binfmt_misc."""

import ctypes
import errno
import os
import pickle
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from metalor_lang.kernel import syscalls

T = TypeVar("T")


def start(body: Callable[[], int | None]) -> int:
    """Run `body` in a child process; gives its pid. The status is 1 when it raises."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = body() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def ask_child(body: Callable[[], T]) -> T:
    """Run `body` in a child process and give what it gives; its failure is raised here, as text."""
    read, write = os.pipe()

    def child() -> int:
        os.close(read)
        try:
            answer: tuple[bool, object] = (True, body())
        except BaseException:
            answer = (False, traceback.format_exc())
        with open(write, "wb") as stream:
            pickle.dump(answer, stream)
        return 0

    pid = start(child)
    os.close(write)
    with open(read, "rb") as stream:
        data = stream.read()
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status
    done, value = pickle.loads(data)
    assert done, value
    return value  # type: ignore[no-any-return]


@contextmanager
def adopting() -> Iterator[None]:
    """Be the parent of every orphan below this process, so that whatever is left of a build is our descendant."""
    libc = ctypes.CDLL(None)
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    try:
        yield
    finally:
        libc.prctl(36, 0, 0, 0, 0)


def descendants() -> dict[int, str]:
    """Every living process below this one, with its command."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(name)] = int(fields[1])
        if fields[0] not in "ZX":
            names[int(name)] = words
    found: dict[int, str] = {}
    for pid in names:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and pid != os.getpid():
            found[pid] = names[pid]
    return found


def survivors(seconds: float = 5.0) -> list[str]:
    """What still lives below this process after some patience (the kernel ends a pid namespace bit by bit).

    Within `adopting`, whoever has no child at all has no descendant: that cannot be missed, as a look at /proc could.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return []
        if time.monotonic() > end:
            return [f"{pid}: {words}" for pid, words in descendants().items()] or ["a process that ends just now"]
        time.sleep(0.002)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What a build could leave on the host: the mount table, and rules of binfmt_misc."""

    mounts: str
    rules: tuple[str, ...]

    @classmethod
    def now(cls, scratch: Path) -> "HostState":
        """As it is; `scratch` is an empty directory of ours."""
        return cls(mounts=Path("/proc/self/mountinfo").read_text(), rules=_rules(scratch))

    def changed(self, scratch: Path) -> list[str]:
        """What is there now and was not, or the other way."""
        now = HostState.now(scratch)
        return sorted(set(now.mounts.splitlines()) ^ set(self.mounts.splitlines())) + sorted(
            set(now.rules) ^ set(self.rules)
        )


def _rules(scratch: Path) -> tuple[str, ...]:
    """The names in the host's binfmt_misc, seen through a mount that only a short-lived child has."""
    read, write = os.pipe()

    def look() -> NoReturn:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        try:
            syscalls.mount("binfmt_misc", scratch, "binfmt_misc", 0, None)
        except OSError as error:
            if error.errno != errno.ENODEV:  # this kernel has none, so it has no rules either
                raise
            os._exit(0)
        os.write(write, "\n".join(sorted(os.listdir(scratch))).encode())
        os._exit(0)

    child = start(look)
    os.close(write)
    with open(read) as stream:
        names = stream.read().split("\n")
    assert os.waitpid(child, 0)[1] == 0
    return tuple(name for name in names if name not in ("", "register", "status"))
