"""The mount points that every step needs, as the lowest layer of its root.

Invariant: what an image has lies above it, and it is in no view but a step's, so it is never part of a snapshot or an
image; without it each step would make what its image lacks in its own layer, and take it away again.
"""

import os
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.runtime.request import MountPoints

_NAME: Final = "skeleton"
_DIRECTORIES: Final = ("", "dev", "proc", "sys", "etc")
_FILES: Final = {"resolving": ("etc/hosts", "etc/resolv.conf"), "alone": ("etc/hosts",)}


def mount_points(store: Path) -> MountPoints:
    """Make the directories in a store where they are not there yet.

    Raises:
        OSError: no room, or the store may not be written.

    """
    (store / _NAME).mkdir(mode=0o700, exist_ok=True)
    for kind, files in _FILES.items():
        root = store / _NAME / kind
        for name in _DIRECTORIES:
            path = root / name
            path.mkdir(exist_ok=True)
            os.chmod(path, 0o755)
        for name in files:
            fd = os.open(root / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            os.fchmod(fd, 0o644)
            os.close(fd)
    return MountPoints(resolving=f"{_NAME}/resolving", alone=f"{_NAME}/alone")
