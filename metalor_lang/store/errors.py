"""What goes wrong with a store, said so that the user knows the place and the next step.

Invariant: an OSError about the store's own files leaves the package only as a MachineError that names the store.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.errors import MachineError, MetalorError, machine_error

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class StoreError(MachineError):
    """The store cannot be used on this machine as it is."""


class StoreFull(StoreError):
    """The store's file system (or the user's quota) has no room left."""


class StoreUnwritable(StoreError):
    """The store may not be written by this user, or lies on a read-only file system."""


class WrongVersion(StoreError):
    """The directory is a store of another format, or no store at all."""


class DamagedBlob(MetalorError):
    """A blob's content is not what its digest says."""


class DigestMismatch(MetalorError):
    """Written bytes have another digest than the caller expected; nothing was kept."""


class MissingObject(MetalorError):
    """A blob or snapshot is not in the store."""


@contextmanager
def guarded(root: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden file system into the error that says so.

    Args:
        root: the store's directory.

    Raises:
        StoreFull: ENOSPC or EDQUOT.
        StoreUnwritable: EACCES, EPERM or EROFS.
        StoreError: EIO, EMFILE and whatever else only the machine can cause.

    """
    try:
        yield
    except OSError as error:
        translated = translate(root, error)
        if translated is None:
            raise
        raise translated from error


def translate(root: Path, error: OSError) -> StoreError | None:
    """Give the store's own error for an OSError, or None where it means something else."""
    if error.errno in _FULL:
        room = ""
        try:
            status = os.statvfs(root)
            room = f" ({status.f_bavail * status.f_frsize // 2**20} MiB and {status.f_favail} inodes free)"
        except OSError:
            pass
        return StoreFull(
            f"no space left for the store {root}{room}: {error.strerror}",
            help="make room: metalor cache gc   or use another disk: export METALOR_STORE=/big/disk/metalor",
        )
    if error.errno in _REFUSED:
        return StoreUnwritable(
            f"the store {root} cannot be written: {error.strerror}" + (f": {error.filename}" if error.filename else ""),
            help="choose a directory of your own: export METALOR_STORE=$HOME/metalor-store",
        )
    other = machine_error(error, f"the store {root} cannot be used")
    return StoreError(other.message, help=other.help) if other is not None else None
