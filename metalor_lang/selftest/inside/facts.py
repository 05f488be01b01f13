"""What a step has: looked up from within, without trying anything.

Invariant: nothing in the answer changes between two runs on one machine (no inode numbers, no times).
"""

import os
import resource
import socket
import stat

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def _rows(name: str) -> list[list[int]]:
    with open(f"/proc/self/{name}") as file:
        return [[int(word) for word in line.split()] for line in file]


def _kind(mode: int, rdev: int) -> str:
    if stat.S_ISCHR(mode):
        return f"device {os.major(rdev)}:{os.minor(rdev)}"
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "other")


def descriptors() -> dict[str, str]:
    """Every open descriptor and its kind; call it before anything opens one."""
    found = {}
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            about = os.fstat(int(name))
        except OSError:  # that of the listing itself
            continue
        found[name] = _kind(about.st_mode, about.st_rdev)
    return found


def _environment() -> list[list[str]]:
    # Not os.environ: Python may add to it.
    with open("/proc/self/environ", "rb") as file:
        pairs = [pair.split(b"=", 1) for pair in file.read().split(b"\0") if pair]
    return sorted([name.decode("utf-8", "replace"), value.decode("utf-8", "replace")] for name, value in pairs)


def _mounts() -> list[dict[str, str]]:
    """As proc_pid_mountinfo(5), without numbers, sources and options of whole file systems."""
    found = []
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            fields = before.split()
            found.append({"at": fields[4], "type": after.split()[0], "options": fields[5]})
    return sorted(found, key=lambda mount: mount["at"])


def _processes() -> list[list[str]]:
    found = []
    for pid in sorted((name for name in os.listdir("/proc") if name.isdigit()), key=int):
        with open(f"/proc/{pid}/comm") as file:
            found.append([pid, file.read().strip()])
    return found


def _limits() -> dict[str, list[int]]:
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE")
    return {name.removeprefix("RLIMIT_").lower(): list(resource.getrlimit(getattr(resource, name))) for name in names}


def _cgroups() -> list[str]:
    with open("/proc/self/cgroup") as file:
        return sorted({line.rstrip("\n").split(":", 2)[2] for line in file})


def _terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def facts() -> dict[str, object]:
    """Everything."""
    opened = descriptors()
    return {
        "uid": list(os.getresuid()),
        "gid": list(os.getresgid()),
        "groups": os.getgroups(),
        "uid_map": _rows("uid_map"),
        "gid_map": _rows("gid_map"),
        "descriptors": opened,
        "environment": _environment(),
        "namespaces": {
            name: os.readlink(f"/proc/self/ns/{name}")
            for name in NAMESPACES
            if os.path.lexists(f"/proc/self/ns/{name}")
        },
        "mounts": _mounts(),
        "processes": _processes(),
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "limits": _limits(),
        "cgroups": _cgroups(),
        "hostname": socket.gethostname(),
        "directory": os.getcwd(),
        "terminal": _terminal(),
        "devices": sorted(os.listdir("/dev")),
        "pseudo_terminals": sorted(os.listdir("/dev/pts")),
        "shared_memory": sorted(os.listdir("/dev/shm")),
        "root": sorted(os.listdir("/")),
    }
