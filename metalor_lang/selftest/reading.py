"""What the kernel says about this machine in text: mount tables, limits, switches.

Invariant: pure functions of texts, or of a folder that stands for /proc/sys; nothing is changed.
"""

import re
from pathlib import Path

from metalor_lang.hints import Final

KINDS: Final = ("user", "mnt", "pid", "ipc", "uts", "net", "cgroup")
"""Kinds of namespaces that steps are made of, by their names in /proc/sys/user."""


def unescaped(text: str) -> str:
    """A field of a mount table as it was (proc_pid_mountinfo(5))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def filesystem_of(path: Path, mountinfo: str) -> str:
    """Give the type of the file system that holds `path`, by the text of /proc/self/mountinfo."""
    best, kind = "", "unknown"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        point = unescaped(fields.split()[4])
        inside = str(path) == point or str(path).startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, rest.split()[0]
    return kind


def kernel_version(release: str) -> tuple[int, int]:
    """The two first numbers of uname(2)'s release; (0, 0) when there are none."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def sysctl(name: str, root: Path = Path("/proc/sys")) -> str:
    """A setting by its path below /proc/sys; "" where this kernel has none."""
    try:
        return (root / name).read_text().strip()
    except OSError:
        return ""


def forbidden_kinds(root: Path = Path("/proc/sys")) -> tuple[str, ...]:
    """The kinds of namespaces of which this machine allows none, by number (namespaces(7))."""
    return tuple(kind for kind in KINDS if sysctl(f"user/max_{kind}_namespaces", root) == "0")


def idmapped(path: Path, mountinfo: str) -> bool:
    """Whether something is mounted at exactly this place with other ids than it has on the disk."""
    fields = [line.split() for line in mountinfo.splitlines()]
    return any(unescaped(one[4]) == str(path) and "idmapped" in one[5].split(",") for one in fields)


def id_map(text: str) -> list[list[int]]:
    """The rows of a uid_map or gid_map (user_namespaces(7)): first inside, first outside, how many."""
    return [[int(word) for word in line.split()] for line in text.splitlines()]


def through(rows: list[list[int]], outer: list[list[int]]) -> list[list[int]]:
    """A map of a namespace in a namespace, told in the ids outside of both.

    Args:
        rows: of the inner one; its outside is the inside of `outer`.
        outer: of the outer one.

    """
    found = []
    for inside, middle, count in rows:
        for begin, outside, most in outer:
            first, end = max(middle, begin), min(middle + count, begin + most)
            if first < end:
                found.append([inside + first - middle, outside + first - begin, end - first])
    return sorted(found)
