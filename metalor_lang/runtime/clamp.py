"""Clamp the times of what a step changed, and keep Python's compiled files valid under them.

Invariant: afterwards no changed entry is newer than the epoch, and a `.pyc` that matched its source still does, so the
next step sees the same times that the image will have.
"""

import os
import stat
import struct
from collections.abc import Callable, Collection

from metalor_lang.hints import Final
from metalor_lang.kernel.trees import Entry, walk

_BILLION: Final = 1_000_000_000
_HEADER: Final = struct.Struct("<4sIII")
"""magic, flags, source's mtime, source's size (PEP 552); flags 0 means that the mtime counts."""

Unchanged = Callable[[str, os.stat_result], bool]


def _all_changed(path: str, status: os.stat_result) -> bool:
    return False


def clamp(fs: int, epoch: int, *, unchanged: Unchanged = _all_changed, right: Collection[str] = frozenset()) -> int:
    """Set every time newer than the epoch to the epoch, without following links.

    Args:
        fs: descriptor of the directory with the changes; its own time is clamped too.
        epoch: seconds since 1970.
        unchanged: says of a path and status that the step did not change it; such an entry is left alone.
        right: paths of directories whose times, and those of all beneath them, are as they are to be.

    Returns:
        how many entries were changed.

    """
    limit = epoch * _BILLION
    changed = 0
    sources = 0
    enter = (lambda entry: entry.path not in right) if right else None
    for entry in walk(fs, enter=enter):
        status = entry.stat
        if status.st_mtime_ns <= limit or unchanged(entry.path, status):
            continue
        if _is_source(entry):
            # Their times are still needed to know which compiled file belongs to which source.
            sources += 1
            continue
        if _is_compiled(entry):
            _keep_valid(entry, epoch, unchanged)
        changed += _set(entry.name, entry.dirfd, status, limit)
    if sources:
        for entry in walk(fs, enter=enter):
            if _is_source(entry) and entry.stat.st_mtime_ns > limit and not unchanged(entry.path, entry.stat):
                changed += _set(entry.name, entry.dirfd, entry.stat, limit)
    own = os.fstat(fs)
    if own.st_mtime_ns > limit and not unchanged("", own):
        changed += _set(".", fs, own, limit)
    return changed


def _set(name: str, dirfd: int, status: os.stat_result, limit: int) -> int:
    os.utime(name, ns=(min(status.st_atime_ns, limit), limit), dir_fd=dirfd, follow_symlinks=False)
    return 1


def _is_source(entry: Entry) -> bool:
    return entry.name.endswith(".py") and stat.S_ISREG(entry.stat.st_mode)


def _is_compiled(entry: Entry) -> bool:
    return (
        entry.name.endswith(".pyc")
        and ".cpython-" in entry.name
        and stat.S_ISREG(entry.stat.st_mode)
        and entry.path.split("/")[-2:-1] == ["__pycache__"]
    )


def _keep_valid(entry: Entry, epoch: int, unchanged: Unchanged) -> None:
    source = entry.name.rpartition(".cpython-")[0] + ".py"
    try:
        status = os.stat(f"../{source}", dir_fd=entry.dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return  # it lies below and keeps its time: what was recorded of it stays right
    path = "/".join([*entry.path.split("/")[:-2], source])
    if not stat.S_ISREG(status.st_mode) or status.st_mtime_ns <= epoch * _BILLION or unchanged(path, status):
        return
    fd = os.open(entry.name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=entry.dirfd)
    try:
        header = os.pread(fd, _HEADER.size, 0)
        if len(header) < _HEADER.size:
            return
        _, flags, recorded, _ = _HEADER.unpack(header)
        if flags == 0 and recorded == status.st_mtime_ns // _BILLION & 0xFFFFFFFF:
            os.pwrite(fd, struct.pack("<I", epoch & 0xFFFFFFFF), 8)
    finally:
        os.close(fd)
