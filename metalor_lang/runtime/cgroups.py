"""Limits on the memory and the processes of a whole step, by a control group of its own where the machine has them.

Invariant: a group lives as long as its step; one that a killed builder left is removed by the next build. Both versions
of the interface are known: cgroups(7), Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from metalor_lang.errors import MachineError
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field
from metalor_lang.runtime.limits import Limits

_ROOT: Final = Path("/sys/fs/cgroup")
_NAME: Final = re.compile(r"metalor-(\d+)-(\d+)-[0-9a-f]+\Z")
_LAST_MOMENTS: Final = 2.0
"""Seconds for the processes of a step that was killed to be gone from its group."""

_MEMORY: Final = "memory"
_PIDS: Final = "pids"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controllers:
    """Where groups can be made: a parent directory for each controller that was found, and the version of each."""

    parents: Mapping[str, Path]
    versions: Mapping[str, int]

    def lacks(self, limits: Limits) -> tuple[str, ...]:
        """The controllers that these limits would need and the machine does not offer."""
        wanted = ((_MEMORY, limits.memory), (_PIDS, limits.processes))
        return tuple(name for name, value in wanted if value is not None and name not in self.parents)


def find(root: Path = _ROOT, own: Path = Path("/proc/self/cgroup")) -> Controllers:
    """Look for the memory and the pids controller.

    Args:
        root: where control groups are mounted.
        own: the groups of this process (cgroups(7)).

    """
    parents: dict[str, Path] = {}
    versions: dict[str, int] = {}
    for line in _lines(own):
        number, names, path = line.split(":", 2)
        if number != "0":
            for name in set(names.split(",")) & {_MEMORY, _PIDS}:
                folder = root / name / path.lstrip("/")
                if os.access(folder, os.W_OK):
                    parents[name], versions[name] = folder, 1
            continue
        # Version 2 lets only a group without processes share out a controller: its root always may.
        folder = root if (root / "cgroup.controllers").exists() else root / "unified"
        for name in set(" ".join(_lines(folder / "cgroup.subtree_control")).split()) & {_MEMORY, _PIDS}:
            if name not in parents and os.access(folder, os.W_OK):
                parents[name], versions[name] = folder, 2
    return Controllers(parents=parents, versions=versions)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


@dataclass(slots=True)
class Group:
    """The control groups of one step.

    Attributes:
        places: their directories.
        procs: descriptors of the files by which a process that writes 0 moves itself in.

    """

    limits: Limits
    versions: Mapping[str, int]
    places: dict[str, Path] = field(default_factory=dict)
    procs: list[int] = field(default_factory=list)

    def reason(self) -> str:
        """What of the limits ended the step, as a sentence; "" when none did."""
        place = self.places.get(_MEMORY)
        if place is None or self.limits.memory is None:
            return ""
        name = "memory.events" if self.versions[_MEMORY] == 2 else "memory.oom_control"
        killed = [line.split()[1] for line in _lines(place / name) if line.startswith("oom_kill ")]
        megabytes = self.limits.memory // 10**6
        return f"the memory limit of {megabytes} MB was reached" if killed not in ([], ["0"]) else ""


@contextlib.contextmanager
def group(limits: Limits, controllers: Controllers) -> Iterator[Group]:
    """Make the groups of a step, and remove them when its processes are gone.

    Raises:
        MachineError: a group cannot be made although its parent can be written.

    """
    made = Group(limits, controllers.versions)
    try:
        _make(made, limits, controllers)
        yield made
    finally:
        for fd in made.procs:
            os.close(fd)
        for place in dict.fromkeys(made.places.values()):
            _remove(place)


def _make(made: Group, limits: Limits, controllers: Controllers) -> None:
    name = f"metalor-{os.getpid()}-{_started(os.getpid())}-{os.urandom(4).hex()}"
    wanted = ((_MEMORY, limits.memory), (_PIDS, limits.processes))
    for controller, value in wanted:
        if value is None or controller not in controllers.parents:
            continue
        place = controllers.parents[controller] / name
        try:
            if place not in made.places.values():
                _sweep(place.parent)
                place.mkdir()
                made.places[controller] = place
                made.procs.append(os.open(place / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
            made.places[controller] = place
            for file, text in _settings(controller, controllers.versions[controller], value):
                with contextlib.suppress(FileNotFoundError):  # no swap accounting: nothing to limit
                    (place / file).write_text(text)
        except OSError as error:
            raise MachineError(
                f"the {controller} limit cannot be set: {error.strerror}: {error.filename}",
                help="leave the limit out, or see `metalor doctor`",
            ) from error


def _settings(controller: str, version: int, value: int) -> Sequence[tuple[str, str]]:
    if controller == _PIDS:
        return (("pids.max", str(value)),)
    if version == 2:
        return (("memory.max", str(value)), ("memory.swap.max", "0"))
    return (("memory.limit_in_bytes", str(value)), ("memory.memsw.limit_in_bytes", str(value)))


def _remove(place: Path) -> None:
    until = time.monotonic() + _LAST_MOMENTS
    while True:
        try:
            place.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > until:
                return  # somebody is still in it; the next build sweeps it away
            time.sleep(0.005)
        else:
            return


def _sweep(parent: Path) -> None:
    """Remove the empty groups of builders that are dead."""
    for entry in os.listdir(parent):
        match = _NAME.match(entry)
        if match and _started(int(match[1])) != match[2]:
            with contextlib.suppress(OSError):
                (parent / entry).rmdir()


def _started(pid: int) -> str:
    """When a process was started, in the kernel's ticks (proc_pid_stat(5)); "" when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
