"""File systems of a test's own, in a mount namespace of its own: a disk whose power can be cut, and small ones.

The disk is ext4 in a file on tmpfs, over a loop device. A cut is the ioctl FS_IOC_SHUTDOWN: from that moment on nothing
more reaches the device, and what had not reached it is gone at the next mount.
"""

import fcntl
import os
import pickle
import struct
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from metalor_lang.kernel import syscalls
from tests.support.crashes import adopting, start

FS_IOC_SHUTDOWN: Final = 0x8004587D
LOGFLUSH: Final = 1
"""The journal is written out first: names appear, their data need not."""
NOLOGFLUSH: Final = 2
"""Nothing is written out."""

_SHARED: Final = 1 << 20  # MS_SHARED of mount(2)

T = TypeVar("T")


def in_own_mounts(body: Callable[[], T]) -> T:
    """Run `body` in a child with its own mount table and give what it gives; its failure is raised here, as text.

    Mounts of that table spread as on a usual machine: a program that forgets to part from it is seen to have mounted.
    """
    read, write = os.pipe()

    def child() -> int:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount(None, "/", None, syscalls.MS_REC | _SHARED)
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
    assert os.waitpid(pid, 0)[1] == 0
    done, value = pickle.loads(data)
    assert done, value
    return value  # type: ignore[no-any-return]


class Disk:
    """An ext4 of so many MiB in a file, mounted at a directory; of use only in a mount namespace of one's own."""

    def __init__(self, folder: Path, megabytes: int = 128) -> None:
        self.path = folder / "disk"
        self._image = folder / "ext4"
        self.path.mkdir()
        with self._image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True, capture_output=True)
        self.mount()

    def mount(self) -> None:
        """Mount it; what the journal holds is replayed."""
        subprocess.run(["mount", "-o", "loop", self._image, self.path], check=True, capture_output=True)

    def unmount(self) -> None:
        """Unmount it, once the kernel has let go of what ended programs held."""
        for _ in range(500):
            try:
                syscalls.umount2(self.path, 0)
                return
            except OSError as error:
                if error.errno != 16:  # EBUSY
                    raise
                time.sleep(0.01)
        raise AssertionError("somebody holds the disk")

    def cut(self, how: int) -> None:
        """Cut the power; the disk must be unmounted and mounted to be used again."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(fd)


def on_memory_disk(folder: Path, body: Callable[[Path], T]) -> T:
    """Run `body` with a directory on an ext4 in memory, in a mount table of its own, and adopt what it leaves.

    The file system is a disk's, but nothing waits for a disk that others use as well.
    """

    def work() -> T:
        (folder / "memory").mkdir()
        syscalls.mount("tmpfs", folder / "memory", "tmpfs", 0, "size=1g")
        disk = Disk(folder / "memory", megabytes=700)
        with adopting():
            return body(disk.path)

    return in_own_mounts(work)


def small_tmpfs(path: Path, options: str) -> None:
    """A tmpfs of limited size; of use only in a mount namespace of one's own."""
    path.mkdir()
    syscalls.mount("tmpfs", path, "tmpfs", 0, options)
