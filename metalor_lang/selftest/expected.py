"""What a step must be like: facts beside the attempts of `inside.attempts`, as one table for self-test and tests.

Invariant: a row looks at what was measured and nothing else; it gives "" or what is wrong.
"""

from collections.abc import Callable

from metalor_lang.hints import Any, Final
from metalor_lang.record import dataclass
from metalor_lang.runtime import confine
from metalor_lang.runtime.subids import COUNT as ROOTLESS_COUNT
from metalor_lang.runtime.world import COUNT, SHIFT, Backend
from metalor_lang.selftest.inside.attempts import ATTEMPTS
from metalor_lang.selftest.measure import ENVIRONMENT, Measured

_CAPABILITIES: Final = list(confine.CAPABILITIES)
_OWN: Final = ("cgroup", "ipc", "mnt", "pid", "uts")
_MOUNTS: Final = ("/proc", "/dev", "/sys", "/etc/hosts", "/etc/resolv.conf")
_NODES: Final = ("full", "null", "random", "tty", "urandom", "zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that holds in every step.

    Args:
        group: of its line in a report.
        name: unique.
        about: what holds, as a sentence.
        wrong: looks; gives "" when it holds, else what was found.

    """

    group: str
    name: str
    about: str
    wrong: Callable[[Measured], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a fact or an attempt came out."""

    group: str
    name: str
    ok: bool
    detail: str


def _same(found: object, wanted: object) -> str:
    return "" if found == wanted else f"{found!r}, not {wanted!r}"


def _capabilities(measured: Measured, names: tuple[str, ...], wanted: list[str]) -> str:
    sets = measured.status["capabilities"]
    return "; ".join(f"{name}: {said}" for name in names if (said := _same(sets[name], wanted)))


def _maps(measured: Measured) -> str:
    rows = {name: measured.facts[name] for name in ("uid_map", "gid_map")}
    match measured.backend:
        case Backend.USERNS:
            return _same(list(rows.values()), [[[0, SHIFT, COUNT]]] * 2)
        case Backend.ROOTLESS:
            bad = [name for name, map in rows.items() if not _private(map)]
            return f"{', '.join(bad)}: {rows}" if bad else ""
        case _:
            return _same(list(rows.values()), [[[0, 0, 2**32 - 1]]] * 2)


def _private(rows: list[list[int]]) -> bool:
    """Whether no id of the machine's own users (0 to 65534) is given, but the caller's, to a number no image uses."""
    inside = [row for row in rows if row[0] < ROOTLESS_COUNT]
    return len(inside) == 1 and inside[0][1] > 0 and all(row[2] == 1 for row in rows if row[0] >= ROOTLESS_COUNT)


def _namespaces(measured: Measured) -> str:
    own = [
        *_OWN,
        *(("user",) if measured.backend != Backend.PRIVILEGED else ()),
        *(("net",) if measured.network == "none" else ()),
    ]
    shared = [name for name in own if measured.facts["namespaces"].get(name, "own") != "own"]
    return f"shared with the machine: {', '.join(shared)}" if shared else ""


def _no_new_privileges(measured: Measured) -> str:
    wanted = measured.backend == Backend.PRIVILEGED
    return _same(measured.status["no_new_privileges"], wanted)


def _mounts(measured: Measured) -> str:
    strange = []
    for mount in measured.facts["mounts"]:
        at, readonly = mount["at"], "ro" in mount["options"].split(",")
        if at != "/" and not _below(at, _MOUNTS) and not (readonly and _below(at, measured.shown)):
            strange.append(f"{at} ({mount['options']})")
    return f"what nobody asked for: {', '.join(strange)}" if strange else ""


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _flags(measured: Measured) -> str:
    wrong = []
    for mount in measured.facts["mounts"]:
        at, options = mount["at"], mount["options"].split(",")
        nodes = (at.startswith("/dev/") and at.removeprefix("/dev/") in _NODES) or at in ("/dev", "/dev/pts")
        hidden = at.startswith(("/proc/", "/sys/")) and mount["type"] in ("tmpfs", "devtmpfs") and "ro" not in options
        needed = [*(() if at == "/" else ("nosuid",)), *(() if nodes or hidden else ("nodev",))]
        needed += (
            ["ro"] if _below(at, ("/sys", "/proc/sys", "/proc/bus", "/proc/irq", "/proc/fs")) and not hidden else []
        )
        wrong += [f"{at} lacks {flag}" for flag in needed if flag not in options]
    return ", ".join(wrong)


def _processes(measured: Measured) -> str:
    pids = [int(pid) for pid, _ in measured.facts["processes"]]
    return "" if pids[:1] == [1] and len(pids) == 2 else f"visible: {measured.facts['processes']}"


def _devices(measured: Measured) -> str:
    wanted = {*_NODES, "fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm"}
    return _same(sorted(measured.facts["devices"]), sorted(wanted))


def _descriptors(measured: Measured) -> str:
    found: dict[str, Any] = measured.facts["descriptors"]
    return _same(found, {"0": "device 1:3", "1": "pipe", "2": "pipe"})


def _signals(measured: Measured) -> str:
    return "; ".join(f"{name}: {numbers}" for name, numbers in measured.status["signals"].items() if numbers)


def _network(measured: Measured) -> str:
    if measured.network != "none":
        return ""
    return _same(measured.facts["interfaces"], ["lo"])


FACTS: Final = (
    Fact(group="identity", name="user", about="it is the superuser of its own namespace, in no other group",
         wrong=lambda it: _same([it.facts["uid"], it.facts["gid"], it.facts["groups"]], [[0] * 3, [0] * 3, []])),
    Fact(group="identity", name="id maps", about="none of its ids is one of the machine's users", wrong=_maps),
    Fact(group="identity", name="capabilities", about="it has the twelve that installing packages takes",
         wrong=lambda it: _capabilities(it, ("effective", "permitted", "bounding"), _CAPABILITIES)),
    Fact(group="identity", name="inherited capabilities", about="none is inheritable or ambient",
         wrong=lambda it: _capabilities(it, ("inheritable", "ambient"), [])),
    Fact(group="identity", name="no_new_privs", about="it is set in `privileged`, where a setuid program is truly root",
         wrong=_no_new_privileges),
    Fact(group="identity", name="seccomp", about="a filter is on",
         wrong=lambda it: _same(it.status["seccomp"], "filter")),
    Fact(group="process", name="descriptors", about="only 0, 1 and 2 are open", wrong=_descriptors),
    Fact(group="process", name="environment", about="it is exactly what was given",
         wrong=lambda it: _same(it.facts["environment"], sorted(list(pair) for pair in ENVIRONMENT))),
    Fact(group="process", name="signals", about="all have their defaults, none is blocked", wrong=_signals),
    Fact(group="process", name="umask", about="it is 0022", wrong=lambda it: _same(it.status["umask"], "0022")),
    Fact(group="process", name="core dumps", about="there are none",
         wrong=lambda it: _same(it.facts["limits"]["core"], [0, 0])),
    Fact(group="process", name="directory", about="it is what was asked for",
         wrong=lambda it: _same(it.facts["directory"], "/")),
    Fact(group="process", name="terminal", about="there is none", wrong=lambda it: _same(it.facts["terminal"], False)),
    Fact(group="sight", name="namespaces", about="all but the time (and, when asked for, the network) are its own",
         wrong=_namespaces),
    Fact(group="sight", name="processes", about="only its own and its init are visible", wrong=_processes),
    Fact(group="sight", name="mounts", about="it has the step's own and what was asked for", wrong=_mounts),
    Fact(group="sight", name="mount flags", about="nosuid and nodev but at its root; /sys and /proc/sys read-only",
         wrong=_flags),
    Fact(group="sight", name="devices", about="null, zero, full, random, urandom, tty and its own terminals",
         wrong=_devices),
    Fact(group="sight", name="network", about="`none` is a loopback and nothing else", wrong=_network),
    Fact(group="sight", name="host name", about="it is the step's own",
         wrong=lambda it: _same(it.facts["hostname"], "metalor")),
    Fact(group="sight", name="control groups", about="the machine's are not visible",
         wrong=lambda it: _same(it.facts["cgroups"], ["/"])),
)  # fmt: skip


def judge(measured: Measured) -> tuple[Verdict, ...]:
    """Compare everything measured with the table."""
    said = [
        Verdict(group=fact.group, name=fact.name, ok=not wrong, detail=wrong or fact.about)
        for fact, wrong in ((fact, fact.wrong(measured)) for fact in FACTS)
    ]
    for attempt in ATTEMPTS:
        outcome = measured.attempts.get(attempt.name, "not tried")
        ok = outcome in attempt.right.split()
        detail = outcome if ok else f"{outcome}, not {' or '.join(attempt.right.split())}: it could {attempt.about}"
        said.append(Verdict(group=attempt.group, name=attempt.name, ok=ok, detail=detail))
    return tuple(said)
