"""Read or copy many small files of one directory, in loops as tight as the interpreter allows.

Invariant: files are opened by one plain name in an open directory, no link followed; what is returned says of each file
what it was *after* it was read, so that the caller sees every change since it was listed.

Run as a program, it is a worker: it does the jobs that come in by one pipe and answers by another, until the first one
ends. Lean: it starts without site-packages.
"""

import marshal
import os
import struct
import sys
from _operator import attrgetter  # `operator`, and `array`, import `collections`: 3 of the 11 ms of a worker's start
from errno import ESTALE

TYPE_CHECKING = False  # `typing` takes longer than all else that a worker imports
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash as Hash

MOST = 1 << 20  # bytes of a file that is read in one piece
FIELDS = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
STATUS = attrgetter(*FIELDS)
ROW = len(FIELDS) * 8  # bytes of one status, packed
_ALL = (1 << 64) - 1

HashJob = tuple[tuple[str], list[str], list[int]]
CopyJob = tuple[tuple[str, str], list[str], list[int], list[int], tuple[int, int], int, bool]
Answer = tuple[bytes, bytes]
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def _sha256() -> "Callable[[bytes], Hash]":
    """The hash of `hashlib`, which is imported (6 ms) where there is something to hash."""
    from hashlib import sha256

    return sha256


def pack(numbers: "list[int]") -> bytes:
    """Eight bytes for each number, signed; of inodes and devices that fill all 64 bits, the bits."""
    try:
        data: bytes = struct.pack(f"={len(numbers)}q", *numbers)
    except struct.error:
        data = struct.pack(f"={len(numbers)}Q", *[number & _ALL for number in numbers])
    return data


def hash_files(folder: int, names: "list[str]", sizes: "list[int]") -> "tuple[bytes, bytes]":
    """Hash files of at most MOST bytes: their statuses (`pack` of STATUS) and SHA-256, one after another.

    Raises:
        OSError: the first that a call gives; nothing is said of the other files then.

    """
    sha256 = _sha256()
    open_, read, status_of, close = os.open, os.read, os.fstat, os.close
    numbers: list[int] = []
    shas = []
    for name, size in zip(names, sizes):
        fd = open_(name, _READ, dir_fd=folder)
        try:
            data = read(fd, size + 1)
            numbers += STATUS(status_of(fd))
        finally:
            close(fd)
        if len(data) != size:
            numbers[-3] = -1  # cut short or grown: no status says so
        shas.append(sha256(data).digest())
    return pack(numbers), b"".join(shas)


def copy_files(
    source: int,
    target: int,
    names: "list[str]",
    sizes: "list[int]",
    modes: "list[int]",
    owner: "tuple[int, int]",
    time: int,
    hashed: bool,
) -> "tuple[bytes, bytes]":
    """Copy files of at most MOST bytes under their own names, which are not there yet.

    Args:
        source: the open directory to read from.
        target: the open directory to write to.
        names: of the files.
        sizes: that they are to have.
        modes: that their copies get.
        owner: (user, group) of the copies.
        time: of the copies, in nanoseconds since 1970.
        hashed: whether their digests are wanted.

    Returns:
        of each source the status after it was read, and where wanted the digest of what was copied, as `hash_files`.

    Raises:
        OSError: the first that a call gives; ESTALE for a source that has another size.

    """
    sha256 = _sha256()
    open_, read, write, status_of, close = os.open, os.read, os.write, os.fstat, os.close
    chown, chmod, utime = os.fchown, os.fchmod, os.utime
    times = (time, time)
    # Modes that a new file of this directory gets as it is asked for, with the owner: umask, set-group-ID and access
    # lists have no say in them, which the first file of each tells.
    sure: set[int] = set()
    numbers: list[int] = []
    shas = []
    for name, size, mode in zip(names, sizes, modes):
        reading = open_(name, _READ, dir_fd=source)
        try:
            data = read(reading, size + 1)
            numbers += STATUS(status_of(reading))
        finally:
            close(reading)
        if len(data) != size:
            raise OSError(ESTALE, "it was cut short or has grown", name)
        if hashed:
            shas.append(sha256(data).digest())
        writing = open_(name, _CREATE, mode & 0o777, dir_fd=target)
        try:
            done = write(writing, data)
            while done < size:
                done += write(writing, data[done:])
            if mode not in sure:
                new = status_of(writing)
                if (new.st_mode & 0o7777, new.st_uid, new.st_gid) == (mode, *owner):
                    sure.add(mode)
                else:
                    chown(writing, *owner)
                    chmod(writing, mode)
            utime(writing, ns=times)
        finally:
            close(writing)
    return pack(numbers), b"".join(shas)


def open_folder(root: int, path: str) -> int:
    """Open a directory beneath an open one, no link on the way followed; the path has no `..`."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(".", flags, dir_fd=root)
    for name in path.split("/"):
        if name in ("", "."):
            continue
        try:
            if name == "..":
                raise ValueError("a path that climbs")
            inner = os.open(name, flags, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


def do(job: "HashJob | CopyJob", roots: "tuple[int, ...]") -> "Answer":
    """Do a job, whose paths (one for each of `roots`, open directories) are followed by what its function takes.

    Returns:
        what the function gives.

    Raises:
        OSError: as the functions.

    """
    folders: list[int] = []
    try:
        for root, path in zip(roots, job[0]):
            folders.append(open_folder(root, path))
        if len(job) == 3:
            return hash_files(folders[0], job[1], job[2])
        return copy_files(folders[0], folders[1], *job[1:])
    finally:
        for fd in folders:
            os.close(fd)


def send(pipe: int, value: object) -> None:
    """Write a value to a pipe."""
    data = marshal.dumps(value)  # type: ignore[arg-type]
    data = len(data).to_bytes(8, "little") + data
    while data:
        data = data[os.write(pipe, data) :]


def receive(pipe: int) -> object:
    """Read a value from a pipe.

    Raises:
        EOFError: the other end is closed.

    """
    size = int.from_bytes(_exactly(pipe, 8), "little")
    return marshal.loads(_exactly(pipe, size))


def _exactly(pipe: int, count: int) -> bytes:
    pieces = []
    while count:
        piece = os.read(pipe, count)
        if not piece:
            raise EOFError
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _serve(jobs: int, answers: int, roots: "tuple[int, ...]") -> None:
    while True:
        try:
            job = receive(jobs)
        except EOFError:
            return
        answer: object
        try:
            answer = do(job, roots)  # type: ignore[arg-type]
        except OSError as error:
            answer = (error.errno, error.strerror)
        try:
            send(answers, answer)
        except BrokenPipeError:
            return  # nobody waits for it any more


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]), tuple(map(int, sys.argv[3:])))
    os._exit(0)  # taking the interpreter apart takes longer than a job
