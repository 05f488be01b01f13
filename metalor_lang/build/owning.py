"""Outputs belong to the person who asked for them, also where the build is somebody else.

Invariant: only what the build made is given away; a link is given, never what it leads to.
"""

import contextlib
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


def replace_text(path: Path, text: str, owner: tuple[int, int] | None) -> None:
    """Put a text in the place of a file, whole or not at all; a link stays a link, and what was there keeps its mode.

    Args:
        path: the file, which need not exist.
        text: what is to be in it.
        owner: whom a new file belongs to, as for `owned`.

    Raises:
        OSError: it cannot be written; the old file is there as it was.

    """
    path = path.resolve()
    try:
        old = path.stat()
    except FileNotFoundError:
        old = None
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # of a process that was killed, and had our number
    try:
        with owned(draft, owner), draft.open("x", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            if old is not None:
                with contextlib.suppress(PermissionError):  # only the superuser can give a file back
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), old.st_mode & 0o7777 if old is not None else 0o666 & ~_umask())
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
