"""Outputs belong to the person who asked for them, also where the build is somebody else.

Invariant: only what the build made is given away; a link is given, never what it leads to.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def owned(place: Path, owner: tuple[int, int] | None, *, whole: bool = False) -> Iterator[None]:
    """Give what comes to be at a place in this context to `owner`.

    Args:
        place: a file or directory, with what is below it and the parents that had to be made.
        owner: (uid, gid) as this process sees them; None when the build is that user.
        whole: give everything below, whoever it belongs to (a root file system): what `tar x` would do for a user who
            is not the superuser. Set-id bits go with the owner.

    """
    if owner is None:
        yield
        return
    place = place.absolute()
    made = [folder for folder in place.parents if not folder.exists()]
    yield
    for folder in made:
        _give(folder, owner)
    if place.is_dir() and not place.is_symlink():
        _give_below(place, owner, whole)
    _give(place, owner)


def _give_below(place: Path, owner: tuple[int, int], whole: bool) -> None:
    for folder, directories, names, fd in os.fwalk(place, follow_symlinks=False):
        del folder
        for name in (*directories, *names):
            if whole or os.stat(name, dir_fd=fd, follow_symlinks=False).st_uid == 0:
                os.chown(name, *owner, dir_fd=fd, follow_symlinks=False)


def _give(path: Path, owner: tuple[int, int]) -> None:
    if os.path.lexists(path) and os.lstat(path).st_uid == 0:
        os.chown(path, *owner, follow_symlinks=False)
