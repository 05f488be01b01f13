"""Mount points that had to be made in an image, and how they go away again.

Invariant: only what we created and nobody used is removed, and a directory that only we changed gets its times back.
Lean: imported by the helper.
"""

import errno
import os


class Stub:
    """A mount point that we created: where, and what identifies it."""

    __slots__ = ("directory", "inode", "name", "parent")

    def __init__(self, parent: int, name: str, directory: bool) -> None:
        self.parent = parent
        self.name = name
        self.directory = directory
        self.inode = self.found()

    def found(self) -> "tuple[int, int, int] | None":
        """Give device, inode and (of a file) size of what has the name now."""
        try:
            made = os.stat(self.name, dir_fd=self.parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return made.st_dev, made.st_ino, 0 if self.directory else made.st_size

    def remove(self) -> None:
        """Take it away, if it is still ours and nobody used it."""
        if self.found() != self.inode:
            return
        try:
            if self.directory:
                os.rmdir(self.name, dir_fd=self.parent)
            else:
                os.unlink(self.name, dir_fd=self.parent)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise


class Parent:
    """A directory of the image in which we created something: its times before, and its time after the last one."""

    __slots__ = ("after", "before", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.before = os.fstat(fd)
        self.after = 0

    def untouched(self) -> bool:
        """Nothing but us has changed its entries."""
        return os.fstat(self.fd).st_mtime_ns == self.after

    def restore(self) -> None:
        """Give it the times it had."""
        os.utime(self.fd, ns=(self.before.st_atime_ns, self.before.st_mtime_ns))
