"""The places in a root where something gets mounted: looked at all together before the first mount.

Invariant: nothing is made or mounted here; a symbolic link on the way to any of these places refuses the whole command.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack

from metalor_lang.hints import Final
from metalor_lang.isolated.errors import PathRefused
from metalor_lang.isolated.model import RUN_HELPER_DIR, BindMount, ContainerRunCommand
from metalor_lang.isolated.paths import absolute, covers
from metalor_lang.isolated.places import inspect
from metalor_lang.kernel import syscalls
from metalor_lang.record import dataclass

AUTOMATIC_FILES: Final = ("/etc/resolv.conf", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/etc/hosts")
AUTOMATIC_DIRECTORIES: Final = ("/proc", "/dev", "/sys")
_AUTOMATIC: Final = "container auto-mount target"
_EXPLICIT: Final = "container mount destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An opened bind source: descriptor (O_PATH), normalised destination, and whether it is a directory."""

    fd: int
    destination: str
    directory: bool
    read_only: bool


def open_sources(mounts: Sequence[BindMount], stack: ExitStack) -> tuple[Source, ...]:
    """Open every bind source; `stack` closes the descriptors.

    Raises:
        PathRefused: a source cannot be opened.

    """
    opened = []
    for mount in mounts:
        path = absolute(mount.source, "bind mount source")
        try:
            # A caller names the source and may do so by a link, but never by one of /proc to an open descriptor.
            flags = syscalls.RESOLVE_NO_MAGICLINKS
            fd = syscalls.openat2(syscalls.AT_FDCWD, path, os.O_PATH, resolve=flags)
        except OSError as error:
            raise PathRefused(
                f"bind mount source {path} cannot be opened: {error.strerror}", help="make it before the command runs"
            ) from None
        stack.callback(os.close, fd)
        destination = absolute(mount.destination, _EXPLICIT)
        directory = stat.S_ISDIR(os.fstat(fd).st_mode)
        opened.append(Source(fd=fd, destination=destination, directory=directory, read_only=mount.read_only))
    return tuple(opened)


def refuse_links(root_fd: int, shown: str, command: ContainerRunCommand, sources: Sequence[Source] = ()) -> None:
    """Look at every place that gets something mounted, and at the helpers.

    Args:
        root_fd: the root.
        shown: its path for errors.
        command: a valid command.
        sources: the opened sources; without them places below an explicit mount are not looked at.

    Raises:
        PathRefused: the first place that is reached by a link, or is of the wrong kind.

    """
    explicit = [absolute(mount.destination, _EXPLICIT) for mount in command.mounts]
    by_destination = {source.destination: source for source in sources}
    for destination in explicit:
        source = by_destination.get(destination)
        kind = None if source is None else "directory" if source.directory else "file"
        _look(root_fd, shown, destination, _EXPLICIT, kind, explicit, by_destination)
    for kind, places in (("file", AUTOMATIC_FILES), ("directory", AUTOMATIC_DIRECTORIES)):
        for place in places:
            if not any(covers(destination, place) for destination in explicit):
                _look(root_fd, shown, place, _AUTOMATIC, kind, explicit, by_destination)
    if command.emulator is not None:
        emulator = absolute(command.emulator, "container emulator")
        _look(root_fd, shown, RUN_HELPER_DIR, "runtime helper path", "directory", explicit, by_destination)
        _look(root_fd, shown, emulator, "runtime helper path", "file", explicit, by_destination)


def _look(
    root_fd: int, shown: str, place: str, what: str, kind: str | None, explicit: Sequence[str],
    by_destination: dict[str, Source],
) -> None:  # fmt: skip
    above = max((other for other in explicit if other != place and covers(other, place)), key=len, default=None)
    base, rest = root_fd, place
    if above is not None:
        if above not in by_destination or not by_destination[above].directory:
            return
        base, rest, shown = by_destination[above].fd, place.removeprefix(above), shown + above
    found = inspect(base, rest.lstrip("/"), what, shown)
    if found is None:
        return
    mode = os.fstat(found).st_mode
    os.close(found)
    if kind is not None and stat.S_ISDIR(mode) != (kind == "directory"):
        there = "a directory" if stat.S_ISDIR(mode) else "a file"
        raise PathRefused(f"{what} {place}: {shown}{rest} is {there}, and a {kind} is to be mounted there")
