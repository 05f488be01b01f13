"""Put files into a layout so that a crash or another writer does no harm.

Invariant: a file appears whole or not at all; what killed writers left is told from what living ones write by a lock.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.oci.errors import BadOutput
from metalor_lang.pattern import pattern
from metalor_lang.store.files import locked, sync_directory

TEMPORARY: Final = ".metalor-"
"""What the names of unfinished files start with."""

# The grammar of the annotation in the image specification.
_COMPONENT = r"[A-Za-z0-9]+(?:(?:--|[-._:@+])[A-Za-z0-9]+)*"
_TAG = pattern(rf"{_COMPONENT}(?:/{_COMPONENT})*")


def check_tag(tag: str) -> None:
    """Raise BadOutput unless `tag` may stand in the annotation of an index entry."""
    if len(tag) > 256 or not _TAG.fullmatch(tag):
        raise BadOutput(
            f"{tag!r} is no tag of an OCI layout", help="use letters, digits and . _ - : / @ +, as in app:1.0"
        )


def clear(folder: Path) -> None:
    """Remove what killed writers left; living ones hold the directory's lock, and then nothing is removed."""
    with contextlib.suppress(OSError), locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for left in folder.glob(TEMPORARY + "*"):
            left.unlink()


def temporary(folder: Path) -> tuple[int, str]:
    """Make an unfinished file of a name that nobody has; gives its descriptor, for writing, and its path."""
    name = f"{folder}/{TEMPORARY}{os.urandom(12).hex()}"
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), name


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole: temporary file, fsync, rename, fsync of the directory."""
    fd, name = temporary(path.parent)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
        place(Path(name), path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def place(draft: Path, path: Path) -> None:
    """Rename what is whole and on the disk, so that its new name outlives a power cut too."""
    os.rename(draft, path)
    sync_directory(path.absolute().parent)


@contextlib.contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """Hold a directory of this name, empty and locked; it is gone afterwards. Who comes second waits."""
    while True:
        # Not `Path.mkdir(exist_ok=True)`: it looks again whether it is a directory, and by then it may be gone.
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another writer has just finished with it
        fcntl.flock(fd, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(fd), os.stat(folder)):
                break
        os.close(fd)
    import shutil

    try:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(fd)


def sweep(parent: Path, prefix: str) -> None:
    """Remove the directories of `own_folder` that killed processes left; those that are in use stay."""
    import shutil

    for folder in parent.glob(prefix + "*"):
        with contextlib.suppress(OSError), locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)
