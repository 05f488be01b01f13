"""The mark that a root was prepared: written by the outer side, compared by the inner one.

Invariant: it lies beside the roots, in `PREFIX/.metalor-roots`, never inside a root, where the command could write it;
it names the root by device and inode, and the namespaces that the outer side lived in.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping

from metalor_lang.digest import Json, canonical_json
from metalor_lang.hints import Final
from metalor_lang.isolated.errors import NotIsolated, PathRefused
from metalor_lang.isolated.places import Prefix, inspect, make_directory, require_absent_or
from metalor_lang.kernel import syscalls

FOLDER: Final = ".metalor-roots"
NAMESPACES: Final = ("mnt", "pid", "uts", "ipc")
"""What the re-exec makes anew."""

_FORMAT: Final = 1
_WHAT: Final = "runtime root sentinel"
_LARGEST: Final = 1 << 16


def own_namespaces() -> Mapping[str, int]:
    """The inodes of this process's namespaces by name (namespaces(7))."""
    return {name: os.stat(f"/proc/self/ns/{name}").st_ino for name in NAMESPACES}


def _file(root: str) -> str:
    return f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.json"


def _json(prefix: Prefix, root: str, root_fd: int, namespaces: Mapping[str, int]) -> dict[str, Json]:
    status = os.fstat(root_fd)
    return {
        "format": _FORMAT,
        "prefix": prefix.path,
        "root": root,
        "device": status.st_dev,
        "inode": status.st_ino,
        "outer": dict(namespaces),
    }


def refuse_planted(prefix: Prefix, root: str) -> None:
    """Check the place of the sentinel, without making anything.

    Raises:
        PathRefused: a link, a directory or something else is in its place; or the root lies among the sentinels.

    """
    if root.split("/")[0] == FOLDER:
        raise PathRefused(f"container root {prefix.path}/{root}: {FOLDER} is kept for sentinels", help="choose another")
    if require_absent_or("directory", prefix.fd, FOLDER, _WHAT, prefix.path):
        require_absent_or("file", prefix.fd, f"{FOLDER}/{_file(root)}", _WHAT, prefix.path)


def write(prefix: Prefix, root: str, root_fd: int) -> None:
    """Write the sentinel of a root (relative to the prefix); it appears whole.

    Raises:
        PathRefused: as `refuse_planted`, or it cannot be written.

    """
    refuse_planted(prefix, root)
    data = canonical_json(_json(prefix, root, root_fd, own_namespaces()))
    folder = make_directory(prefix.fd, FOLDER, _WHAT, prefix.path, mode=0o700)
    temporary = f".{os.urandom(8).hex()}"
    try:
        fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            with open(fd, "wb") as file:
                file.write(data)
            os.rename(temporary, _file(root), src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
    except OSError as error:
        raise PathRefused(f"{_WHAT} of {prefix.path}/{root} cannot be written: {error.strerror}") from None
    finally:
        os.close(folder)


def check(prefix: Prefix, root: str, root_fd: int) -> Mapping[str, int]:
    """Compare the sentinel with the root that was opened.

    Returns:
        the namespaces of the outer side.

    Raises:
        PathRefused: as `refuse_planted`.
        NotIsolated: there is none, or it speaks of another root or prefix.

    """
    refuse_planted(prefix, root)
    shown = f"{prefix.path}/{root}"
    found = inspect(prefix.fd, f"{FOLDER}/{_file(root)}", _WHAT, prefix.path)
    if found is None:
        raise NotIsolated(
            f"refusing to run a container command in {shown}: the root has no sentinel",
            help="build_unshare_reexec_command() writes it; run the command that it gives",
        )
    os.close(found)
    try:
        stored = json.loads(_read(prefix, f"{FOLDER}/{_file(root)}"))
        outer = {name: int(stored["outer"][name]) for name in NAMESPACES}
    except (OSError, ValueError, KeyError, TypeError):
        stored, outer = None, {}
    if stored != _json(prefix, root, root_fd, outer):
        raise NotIsolated(
            f"refusing to run a container command in {shown}: its sentinel does not match the declared prefix and root",
            help="build_unshare_reexec_command() writes a new one; do not move or replace a root after it",
        )
    return outer


def _read(prefix: Prefix, path: str) -> bytes:
    strict = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
    fd = syscalls.openat2(prefix.fd, path, os.O_RDONLY | os.O_NONBLOCK, resolve=strict)
    with open(fd, "rb") as file:
        return file.read(_LARGEST)
