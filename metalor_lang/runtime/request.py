"""What is asked of a runtime and what it answers, as pure data.

Invariant: nothing here touches the machine; every path is one inside the step's root unless its name says `source`.
"""

from collections.abc import Callable
from enum import StrEnum

from metalor_lang.record import dataclass
from metalor_lang.runtime.limits import Limits


class Network(StrEnum):
    """What a step sees of the network: the machine's own, or only its own loopback."""

    HOST = "host"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayeredView:
    """A tree of the store, mounted where it is used: so its ids are those of whoever uses it.

    Args:
        lowers: read-only directories, base first, by their names below the store.
        upper: where changes go; None is for reading.
        work: the overlay's own directory, with an `upper` on `lowers`.
        mount_points: the mount points of every step, as directories for its lowest lower (see `skeleton`); None where
            missing ones are made in the tree, and taken away again.

    """

    lowers: tuple[str, ...]
    upper: str | None = None
    work: str | None = None
    mount_points: "MountPoints | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPoints:
    """Names below the store of two directories: for steps with a resolv.conf and without one."""

    resolving: str
    alone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BindSpec:
    """A directory or file shown at `target`, always nosuid and nodev.

    Args:
        target: absolute path in the step's root; links in it are followed inside that root.
        source: absolute path on this machine, a descriptor (a directory, a file or a detached mount), or a tree of
            the store.
        subpath: path below a `source` that is no path, resolved inside it; "" is the source itself.
        readonly: nothing below can be written.

    """

    target: str
    source: str | int | LayeredView
    subpath: str = ""
    readonly: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TmpfsSpec:
    """An empty directory in memory at `target`; `size` in bytes, 0 for the kernel's default."""

    target: str
    size: int = 0
    mode: int = 0o1777
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """A read-only file in memory at `target` (a secret): its content never touches a disk or a snapshot."""

    target: str
    content: bytes
    mode: int = 0o400
    uid: int = 0
    gid: int = 0


Mount = BindSpec | TmpfsSpec | FileSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """One command and everything it may see.

    Args:
        argv: the command; a first word without `/` is searched in PATH of `env`.
        env: the whole environment, given to the command exactly so.
        cwd: absolute path of an existing directory in the root.
        uid, gid, groups: numeric identity of the command; `groups` are the supplementary ones.
        network: see Network.
        timeout: seconds until the command is ended with status 124, or None.
        grace: seconds between asking processes to end and killing them.
        hostname: of the step's own UTS namespace.
        mounts: explicit mounts; each wins over an automatic one at the same place.
        limits: see Limits.
        pipefail: `argv` is `SHELL … -c TEXT`; `-o pipefail` is added where that shell has it.
        guest: architecture of the root's programs as OCI names it; "" for this machine's.

    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    network: str = Network.HOST
    timeout: float | None = None
    grace: float = 5.0
    hostname: str = "metalor"
    mounts: tuple[Mount, ...] = ()
    pipefail: bool = False
    limits: Limits = Limits()
    guest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What a step's standard streams lead to.

    Args:
        output: gets standard output and error as they come, in the thread that runs the step.
        errors: gets standard error apart, when given.
        stdin: a descriptor for standard input, else it is empty.
        terminal: the user's terminal: the step gets one of its own, joined to it; `output` gets nothing then.

    """

    output: Callable[[bytes], None]
    errors: Callable[[bytes], None] | None = None
    stdin: int | None = None
    terminal: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatus:
    """How a command ended.

    Args:
        code: its own status; 128+signal; 124 time limit; 125 we could not set it up; 126 not executable; 127 not found.
        signal: the signal that ended it, or None.
        timed_out: the time limit ended it.
        cancelled: a Cancel ended it.
        message: the reason for 124, 125, 126 and 127 as one sentence, else "".

    """

    code: int
    signal: int | None = None
    timed_out: bool = False
    cancelled: bool = False
    message: str = ""

    @property
    def ok(self) -> bool:
        """The command ended by itself with status 0."""
        return self.code == 0 and not self.cancelled
