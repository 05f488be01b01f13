"""The ids that an ordinary user may give away in a user namespace: subid(5), newuidmap(1).

Invariant: only whole ranges that both files name for the user are used; nothing is faked where they are missing.
"""

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from metalor_lang.errors import MachineError
from metalor_lang.hints import Final
from metalor_lang.kernel.process import find_tool, run_tool
from metalor_lang.record import dataclass

COUNT: Final = 65536
"""How many ids an image may use: what Debian's useradd gives, and enough for `nobody` (65534)."""

_FIRST: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SubIds:
    """Where a user's subordinate ids begin on the machine; there are COUNT of each."""

    uid: int
    gid: int
    first_uid: int
    first_gid: int

    def write_maps(self, pid: int) -> None:
        """Let process `pid`, in its new user namespace, have the subordinate ids from 0 on, and us as number COUNT.

        Raises:
            MetalorError: newuidmap or newgidmap is missing or refuses.

        """
        for tool, first, own in (
            ("newuidmap", self.first_uid, self.uid),
            ("newgidmap", self.first_gid, self.gid),
        ):
            run_tool([tool, *map(str, (pid, 0, first, COUNT, COUNT, own, 1))])


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _rows(path: Path) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return found
    for line in lines:
        match line.split(":"):
            case [owner, first, count] if first.isdigit() and count.isdigit():
                found.append((owner, int(first), int(count)))
            case _:
                pass
    return found


def find(etc: Path = Path("/etc")) -> SubIds:
    """The subordinate ids of the user that runs this process.

    Args:
        etc: where `subuid` and `subgid` are.

    Raises:
        MachineError: there are too few, or the package uidmap is missing; the help has the commands to run.

    """
    uid, gid = os.getuid(), os.getgid()
    name = _user_name(uid)
    firsts: list[int] = []
    for file in ("subuid", "subgid"):
        mine = [first for owner, first, count in _rows(etc / file) if owner in (name, str(uid)) and count >= COUNT]
        firsts.extend(mine[:1])
    tools = find_tool("newuidmap") is not None and find_tool("newgidmap") is not None
    if len(firsts) == 2 and tools:
        return SubIds(uid=uid, gid=gid, first_uid=firsts[0], first_gid=firsts[1])
    commands = [] if tools else ["sudo apt-get install uidmap"]
    if len(firsts) < 2:
        free = _free(etc)
        commands.append(f"sudo usermod --add-subuids {free} --add-subgids {free} {name}")
    lacks = [] if len(firsts) == 2 else [f"{COUNT} subordinate ids in {etc}/subuid and {etc}/subgid"]
    lacks += [] if tools else ["the programs newuidmap and newgidmap"]
    raise MachineError(
        f"to build without root, {name} needs {' and '.join(lacks)}",
        help="have these run once, or run metalor with sudo:\n" + "\n".join(commands),
    )


def _free(etc: Path) -> str:
    taken: Sequence[int] = [first + count for file in ("subuid", "subgid") for _, first, count in _rows(etc / file)]
    first = max([_FIRST, *taken])
    return f"{first}-{first + COUNT - 1}"


def refusal() -> str:
    """Say why the kernel may have refused a user namespace to an ordinary user; "" when nothing is known."""
    switches = (
        ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=10000"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    )
    for name, bad, command in switches:
        try:
            if Path("/proc/sys", name).read_text().strip() == bad:
                return f"{name.replace('/', '.')} is {bad}: {command}"
        except OSError:
            continue
    return ""
