"""The tables of what a step is and can do: whole, told in the documents, and able to say no."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from metalor_lang.runtime import confine
from metalor_lang.runtime.world import COUNT, SHIFT, Backend
from metalor_lang.selftest.expected import FACTS, judge
from metalor_lang.selftest.inside.attempts import ATTEMPTS
from metalor_lang.selftest.measure import CAPABILITIES, ENVIRONMENT, Measured, capability_names, parse_status
from tests.support.documents import ROOT

STATUS = """Name:\tcat
Umask:\t0022
NoNewPrivs:\t0
Seccomp:\t2
SigBlk:\t0000000000000000
SigIgn:\t0000000001001000
SigCgt:\t0000000000000002
CapInh:\t0000000000000000
CapPrm:\t000001ffffffffff
CapEff:\t00000000a00405fb
CapBnd:\t0000000000200000
CapAmb:\t8000000000000000
"""

RIGHT = Measured(
    backend="userns",
    why="",
    network="none",
    shown=("/usr",),
    status={
        "capabilities": {
            **{key: list(confine.CAPABILITIES) for key in ("effective", "permitted", "bounding")},
            "inheritable": [],
            "ambient": [],
        },
        "no_new_privileges": False,
        "seccomp": "filter",
        "signals": {"blocked": [], "ignored": [], "caught": []},
        "umask": "0022",
    },
    facts={
        "uid": [0, 0, 0],
        "gid": [0, 0, 0],
        "groups": [],
        "uid_map": [[0, SHIFT, COUNT]],
        "gid_map": [[0, SHIFT, COUNT]],
        "descriptors": {"0": "device 1:3", "1": "pipe", "2": "pipe"},
        "environment": [list(pair) for pair in ENVIRONMENT],
        "namespaces": {"mnt": "own", "pid": "own", "net": "own", "user": "own", "time": "machine"},
        "mounts": [
            {"at": "/", "type": "ext4", "options": "rw,nodev,relatime"},
            {"at": "/usr", "type": "ext4", "options": "ro,nosuid,nodev"},
            {"at": "/proc/sys", "type": "proc", "options": "ro,nosuid,nodev,noexec"},
        ],
        "processes": [["1", "python3"], ["2", "python3"]],
        "interfaces": ["lo"],
        "limits": {"core": [0, 0]},
        "cgroups": ["/"],
        "hostname": "metalor",
        "directory": "/",
        "terminal": False,
        "devices": [
            "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero",
        ],
        "root": [],
    },
    attempts={attempt.name: attempt.right.split()[0] for attempt in ATTEMPTS},
)  # fmt: skip

# fact -> (where in the measurement, a value that must not pass)
WRONG: dict[str, tuple[tuple[str, ...], Any]] = {
    "user": (("facts", "groups"), [0]),
    "id maps": (("facts", "uid_map"), [[0, 0, 4294967295]]),
    "capabilities": (("status", "capabilities", "bounding"), [*confine.CAPABILITIES, "CAP_SYS_ADMIN"]),
    "inherited capabilities": (("status", "capabilities", "ambient"), ["CAP_CHOWN"]),
    "no_new_privs": (("status", "no_new_privileges"), True),
    "seccomp": (("status", "seccomp"), "off"),
    "descriptors": (("facts", "descriptors", "9"), "file"),
    "environment": (("facts", "environment"), [["HOME", "/root"]]),
    "signals": (("status", "signals", "ignored"), [13]),
    "umask": (("status", "umask"), "0000"),
    "core dumps": (("facts", "limits", "core"), [0, -1]),
    "directory": (("facts", "directory"), "/root"),
    "terminal": (("facts", "terminal"), True),
    "namespaces": (("facts", "namespaces", "pid"), "machine"),
    "processes": (("facts", "processes"), [["1", "systemd"], ["2", "kthreadd"], ["3", "python3"]]),
    "mounts": (("facts", "mounts"), [{"at": "/home", "type": "ext4", "options": "rw,nosuid,nodev"}]),
    "mount flags": (("facts", "mounts"), [{"at": "/proc/sys", "type": "proc", "options": "rw,nosuid,nodev"}]),
    "devices": (("facts", "devices"), ["kmsg", "null"]),
    "network": (("facts", "interfaces"), ["eth0", "lo"]),
    "host name": (("facts", "hostname"), "server"),
    "control groups": (("facts", "cgroups"), ["/user.slice"]),
}


def changed(where: tuple[str, ...], value: Any) -> Measured:
    part = where[0]
    content = copy.deepcopy(getattr(RIGHT, part))
    place = content
    for key in where[1:-1]:
        place = place[key]
    place[where[-1]] = value
    return replace(RIGHT, **{part: content})


def failures(measured: Measured) -> list[str]:
    return [verdict.name for verdict in judge(measured) if not verdict.ok]


def test_what_is_right_passes() -> None:
    assert failures(RIGHT) == []


@pytest.mark.parametrize("name", [fact.name for fact in FACTS])
def test_every_fact_can_fail(name: str) -> None:
    assert failures(changed(*WRONG[name])) == [name]


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
def test_every_attempt_can_fail(attempt: Any) -> None:
    said = {verdict.name: verdict for verdict in judge(changed(("attempts", attempt.name), "allowed"))}
    assert not said[attempt.name].ok and attempt.about in said[attempt.name].detail
    assert "allowed" not in attempt.right.split()


def test_what_was_not_tried_fails() -> None:
    attempts = dict(RIGHT.attempts)
    del attempts["mount"]
    assert failures(replace(RIGHT, attempts=attempts)) == ["mount"]


@pytest.mark.parametrize(
    ("backend", "rows", "ok"),
    [
        (Backend.ROOTLESS, [[0, 100000, 65536], [65536, 1000, 1]], True),
        (Backend.ROOTLESS, [[0, 1000, 1], [1, 100000, 65536]], False),
        (Backend.ROOTLESS, [[0, 0, 65536]], False),
        (Backend.PRIVILEGED, [[0, 0, 4294967295]], True),
        (Backend.PRIVILEGED, [[0, SHIFT, COUNT]], False),
    ],
)
def test_the_maps_of_each_backend(backend: Backend, rows: list[list[int]], ok: bool) -> None:
    facts = {**RIGHT.facts, "uid_map": rows, "gid_map": rows}
    assert ("id maps" not in failures(replace(RIGHT, backend=str(backend), facts=facts))) is ok


def test_names_stand_once() -> None:
    names = [row.name for row in (*FACTS, *ATTEMPTS)]
    assert len(names) == len(set(names))
    assert len(ATTEMPTS) >= 40
    assert set(WRONG) == {fact.name for fact in FACTS}


def test_capabilities_have_the_kernels_numbers() -> None:
    assert all(CAPABILITIES[number] == name for name, number in confine.CAPABILITIES.items())
    assert capability_names(1 << 21 | 1 << 63) == ["CAP_SYS_ADMIN", "63"]


def test_the_status_of_a_process_is_read() -> None:
    found = parse_status(STATUS)
    assert found["capabilities"]["effective"] == list(confine.CAPABILITIES)
    assert found["capabilities"]["permitted"] == list(CAPABILITIES)
    assert found["capabilities"]["bounding"] == ["CAP_SYS_ADMIN"]
    assert (found["seccomp"], found["no_new_privileges"], found["umask"]) == ("filter", False, "0022")
    assert found["signals"] == {"blocked": [], "ignored": [13, 25], "caught": [2]}


def test_the_document_tells_every_row() -> None:
    text = (ROOT / "docs/explanation/isolation.md").read_text()
    for fact in FACTS:
        assert f"| {fact.name} | {fact.about} |" in text, fact.name
    for attempt in ATTEMPTS:
        assert f"| {attempt.name} | {attempt.about} | {attempt.right.replace(' ', ', ')} |" in text, attempt.name
