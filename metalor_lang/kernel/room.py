"""Whether a disk is full."""

import os
from pathlib import Path

from metalor_lang.hints import Final

_SCARCE_BYTES: Final = 1 << 20
_SCARCE_FILES: Final = 16


def short_of_room(path: Path) -> bool:
    """Whether the disk of a path is full, or so nearly that what needed room a moment ago may not have found it."""
    found = os.statvfs(path)
    # btrfs counts no inodes: 0 of 0 are free there.
    return found.f_bavail * found.f_frsize < _SCARCE_BYTES or 0 <= found.f_favail < _SCARCE_FILES < found.f_files
