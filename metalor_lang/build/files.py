"""FILE and WORKDIR: one file written, one directory made.

Invariant: what is made belongs to the recipe's owner, with the epoch as its time; what is there already is untouched
(WORKDIR) or replaced whole (FILE).
"""

import io
import os
import stat

from metalor_lang.build.permissions import parse_mode
from metalor_lang.build.placing import CopyError, absolute, find_directory, is_directory_spelling, leads_to_directory
from metalor_lang.build.resolving import Resolved
from metalor_lang.build.sources import EXACT
from metalor_lang.build.users import resolve, resolve_owner
from metalor_lang.errors import MachineError, machine_help
from metalor_lang.hints import BinaryIO, Final
from metalor_lang.kernel.paths import Root, open_beneath, set_mode
from metalor_lang.plan.graph import MakeWorkdir, WriteFile

_CHUNK: Final = 1 << 20


def write_file(
    view: Root, action: WriteFile, *, epoch: int, word: str = "FILE", source: BinaryIO | None = None
) -> None:
    """Do a FILE, or what another statement writes like one; missing parent directories are made with its owner and
    mode 755.

    Args:
        view: the tree to write into.
        action: the FILE.
        epoch: time of everything made, in seconds since 1970.
        word: of the statement, for messages.
        source: where the content comes from, instead of the action's.

    Raises:
        CopyError: the destination is a directory, or goes through a file.
        UserError: an owner that the image does not have.
        MachineError: writing failed.

    """
    if is_directory_spelling(action.destination):
        raise CopyError(f"`{action.destination}` is a directory, and {word} writes a file", help="name the file")
    mode = parse_mode(action.chmod)(0o644, False) if action.chmod is not None else 0o644
    if action.chown is not None:
        owner = resolve_owner(view, action.chown)
    else:
        identity = resolve(view, action.user)
        owner = identity.uid, identity.gid
    head, _, name = absolute(action.destination, action.workdir).rpartition("/")
    at = find_directory(view, head, action.destination)
    place = f"{at.full}/{name}" if at.full else name
    try:
        _make(view, at, owner, epoch)
        fd = open_beneath(view.fd, at.full, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
        try:
            if what := _directory(view, fd, name, place):
                raise CopyError(
                    f"`/{place}` is {what} in the image, and {word} writes a file",
                    help=f"name a file in it, as `{action.destination}/name`",
                )
            content = io.BytesIO(action.content) if source is None else source
            _write(fd, name, content, owner, mode, epoch)
            if at.missing:
                os.utime(fd, (epoch, epoch))
        finally:
            os.close(fd)
    except OSError as error:
        raise MachineError(
            f"`/{place}` cannot be written: {error.strerror or error}", help=machine_help(error.errno)
        ) from error


def make_workdir(view: Root, action: MakeWorkdir, *, epoch: int) -> tuple[str, ...]:
    """Do a WORKDIR: each missing directory is made, belonging to USER, with mode 755.

    Args:
        view: the tree to write into.
        action: the WORKDIR; its path may go through links inside the tree.
        epoch: time of what is made, in seconds since 1970.

    Returns:
        the canonical absolute paths made, outermost first; none where the directory was there.

    Raises:
        CopyError: something on the way is a file.
        UserError: a user that the image does not have.
        MachineError: writing failed.

    """
    at = find_directory(view, action.path, action.path)
    if not at.missing:
        return ()
    identity = resolve(view, action.user)
    try:
        return _make(view, at, (identity.uid, identity.gid), epoch)
    except OSError as error:
        raise MachineError(
            f"`/{at.full}` cannot be made: {error.strerror or error}", help=machine_help(error.errno)
        ) from error


def _make(view: Root, at: Resolved, owner: tuple[int, int], epoch: int) -> tuple[str, ...]:
    made: list[str] = []
    place = at.path
    fd = open_beneath(view.fd, place, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
    try:
        for name in at.missing:
            os.mkdir(name, 0o700, dir_fd=fd)
            os.chown(name, *owner, dir_fd=fd, follow_symlinks=False)
            set_mode(fd, name, 0o755)
            if made:
                os.utime(fd, (epoch, epoch))
            place = f"{place}/{name}" if place else name
            made.append(f"/{place}")
            inner = open_beneath(fd, name, os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT)
            os.close(fd)
            fd = inner
        if made:
            os.utime(fd, (epoch, epoch))
    finally:
        os.close(fd)
    return tuple(made)


def _directory(view: Root, fd: int, name: str, place: str) -> str:
    """What a name stands for, if that is a directory or a link to one; else ""."""
    try:
        mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return ""
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a link to a directory" if stat.S_ISLNK(mode) and leads_to_directory(view, place) else ""


def _write(fd: int, name: str, content: BinaryIO, owner: tuple[int, int], mode: int, epoch: int) -> None:
    try:
        os.unlink(name, dir_fd=fd)
    except FileNotFoundError:
        pass
    out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=fd)
    with open(out, "wb", buffering=0) as stream:
        while piece := content.read(_CHUNK):
            data = memoryview(piece)
            while data:
                data = data[stream.write(data) :]
        os.fchown(out, *owner)
        os.fchmod(out, mode)
        os.utime(out, (epoch, epoch))
