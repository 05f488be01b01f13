"""Measure what a step can and cannot do, from inside one: `metalor doctor --security`.

Invariant: two steps in an empty root, of the backend that builds would use; nothing of the machine is shown to them but
its programs, and the answer is the same at every run.
"""

import json
import os
from pathlib import Path

from metalor_lang import __version__
from metalor_lang.errors import MachineError
from metalor_lang.hints import Any, Final
from metalor_lang.record import dataclass
from metalor_lang.runtime.client import Runtime
from metalor_lang.runtime.request import Network, StepRequest, Streams
from metalor_lang.runtime.rootfs import Snapshotter
from metalor_lang.runtime.world import World
from metalor_lang.selftest import borrowed, reading
from metalor_lang.selftest.inside.facts import NAMESPACES

ENVIRONMENT: Final = (("HOME", "/nowhere"), ("METALOR_MEASURED", "é = 1"), ("PATH", "/usr/bin:/bin"))
"""What the measuring step is given; it must find exactly this."""

CAPABILITIES: Final = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip
"""By number: linux/capability.h."""

_SETS: Final = {
    "effective": "CapEff", "permitted": "CapPrm", "inheritable": "CapInh", "bounding": "CapBnd", "ambient": "CapAmb",
}  # fmt: skip
_SIGNALS: Final = {"blocked": "SigBlk", "ignored": "SigIgn", "caught": "SigCgt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was found.

    Args:
        backend: of the step.
        why: why it is not a better one.
        network: of the step.
        shown: what of the machine, and of ours, the step was given on purpose, read-only.
        status: of a program just started: capabilities, filter, signals, umask.
        facts: what `inside.facts` found, with namespaces as `own` or `machine`.
        attempts: outcome by the name of an attempt.

    """

    backend: str
    why: str
    network: str
    shown: tuple[str, ...]
    status: dict[str, Any]
    facts: dict[str, Any]
    attempts: dict[str, str]

    def json(self) -> dict[str, Any]:
        """As `doctor --security` prints it."""
        system = os.uname()
        return {
            "format": 1,
            "metalor": __version__,
            "kernel": system.release,
            "machine": system.machine,
            "backend": self.backend,
            "why": self.why,
            "network": self.network,
            "shown": list(self.shown),
            "status": self.status,
            "facts": self.facts,
            "attempts": self.attempts,
        }


class Outside:
    """The namespaces of this process before it entered any world.

    They are held open: the kernel gives the number of one that is gone to the next.
    """

    def __init__(self) -> None:
        places = {name: f"/proc/self/ns/{name}" for name in NAMESPACES}
        self._fds = {
            name: os.open(place, os.O_RDONLY | os.O_CLOEXEC) for name, place in places.items() if os.path.lexists(place)
        }

    def __contains__(self, link: str) -> bool:
        """Whether a link such as `mnt:[4026531840]` names one of them."""
        kind, _, number = link.partition(":")
        return kind in self._fds and number == f"[{os.fstat(self._fds[kind]).st_ino}]"

    def close(self) -> None:
        """Let go."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()


def capability_names(mask: int) -> list[str]:
    """The names of a set; one that is newer than this table is its number."""
    return [
        CAPABILITIES[number] if number < len(CAPABILITIES) else str(number)
        for number in range(mask.bit_length())
        if mask >> number & 1
    ]


def parse_status(text: str) -> dict[str, Any]:
    """What of proc_pid_status(5) says what a process may do."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    signals = {
        name: [number + 1 for number in range(64) if int(fields[key], 16) >> number & 1]
        for name, key in _SIGNALS.items()
    }
    return {
        "capabilities": {name: capability_names(int(fields[key], 16)) for name, key in _SETS.items()},
        "no_new_privileges": fields["NoNewPrivs"].strip() == "1",
        "seccomp": {"0": "off", "1": "strict", "2": "filter"}[fields["Seccomp"].strip()],
        "signals": signals,
        "umask": fields["Umask"].strip(),
    }


def measure(
    runtime: Runtime,
    snapshotter: Snapshotter,
    world: World,
    *,
    outside: Outside,
    canary: Path,
    network: str = Network.NONE,
) -> Measured:
    """Run the measuring steps; about a second.

    Args:
        runtime: of the world.
        snapshotter: of the store.
        world: what was entered.
        outside: made before the world was entered.
        canary: a file of the machine that no step may reach.
        network: of the steps.

    Raises:
        MachineError: the machine's Python cannot run in a step, or no step runs at all.

    """
    # Not from within Python, which changes how signals are treated (SIGPIPE, SIGXFSZ, SIGINT).
    status = _run(runtime, snapshotter, (borrowed.program("cat"), "/proc/self/status"), network)
    command = (borrowed.python(), *borrowed.PYTHON_ARGUMENTS, str(canary))
    found = json.loads(_run(runtime, snapshotter, command, network))
    facts = found["facts"]
    for name in ("uid_map", "gid_map"):
        # A step tells its map in the ids of the namespace above, which may be one that we entered.
        facts[name] = reading.through(facts[name], reading.id_map(Path("/proc/self", name).read_text()))
    facts["namespaces"] = {name: "machine" if link in outside else "own" for name, link in facts["namespaces"].items()}
    return Measured(
        backend=str(world.backend),
        why=world.why,
        network=str(network),
        shown=tuple(mount.target for mount in borrowed.mounts()),
        status=parse_status(status.decode()),
        facts=facts,
        attempts=found["attempts"],
    )


def _run(runtime: Runtime, snapshotter: Snapshotter, argv: tuple[str, ...], network: str) -> bytes:
    said: list[bytes] = []
    wrong: list[bytes] = []
    shown = borrowed.mounts()
    request = StepRequest(argv=argv, env=ENVIRONMENT, network=network, timeout=60, grace=0, mounts=shown)
    with snapshotter.draft(()) as draft:
        borrowed.furnish(draft.root)
        status = runtime.run(draft.for_step(), request, Streams(output=said.append, errors=wrong.append))
    if not status.ok:
        last = b"".join(wrong).decode("utf-8", "replace").strip().splitlines()[-3:]
        raise MachineError(
            f"{argv[0]} ended with status {status.code} in a step: " + (status.message or " / ".join(last)),
            help="`metalor doctor` says what a step needs",
        )
    return b"".join(said)
