"""File systems of a test's own, in a mount namespace of its own: a disk whose power can be cut, and small ones.

The disk is ext4 in a file on tmpfs, over a loop device. A cut is the ioctl FS_IOC_SHUTDOWN: from that moment on nothing
more reaches the device, and what had not reached it is gone at the next mount.
"""

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from metalor_lang.kernel import syscalls
from metalor_lang.runtime.world import Backend
from tests.support import ordinary
from tests.support.remains import adopting, ask_child

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

    def child() -> T:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount(None, "/", None, syscalls.MS_REC | _SHARED)
        return body()

    return ask_child(child)


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


def in_memory(body: Callable[[Path], T], *, backend: Backend = Backend.USERNS) -> T:
    """Run `body` with a directory on a tmpfs, in a mount table of its own, and adopt what it leaves.

    With the backend `rootless`, the ordinary user of `tests.support.ordinary` is there as well.
    """

    def work() -> T:
        memory = Path("/mnt")  # whatever is there stays what it is outside
        syscalls.mount("tmpfs", memory, "tmpfs", 0, "size=1g,mode=755")
        if backend is Backend.ROOTLESS:
            ordinary.make_account(memory, {memory})
        with adopting():
            return body(memory)

    return in_own_mounts(work)


def on_memory_disk(body: Callable[[Path], T], *, backend: Backend = Backend.USERNS) -> T:
    """As `in_memory`, on an ext4 in it: the file system of a disk, and no waiting for one that others use as well."""
    return in_memory(lambda memory: body(Disk(memory, megabytes=700).path), backend=backend)


def small_tmpfs(path: Path, options: str) -> None:
    """A tmpfs of limited size; of use only in a mount namespace of one's own."""
    path.mkdir()
    syscalls.mount("tmpfs", path, "tmpfs", 0, options)
