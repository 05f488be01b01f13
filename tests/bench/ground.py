"""Where the bench runs: a fresh ext4 in a file on tmpfs, in a mount namespace of its own.

Invariant: nothing of it is in the machine's mount table, and all of it is gone when the process ends.
"""

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from metalor_lang.kernel import syscalls
from tests.bench.timing import median, seconds

GIGABYTES: Final = 14


@contextmanager
def fresh_disk() -> Iterator[Path]:
    """Leave the machine's mount table and mount the disk; gives its directory."""
    with tempfile.TemporaryDirectory(prefix="metalor-bench-", ignore_cleanup_errors=True) as folder:
        try:
            Path(folder).chmod(0o755)  # an ordinary user is measured too
            yield _mounted(Path(folder))
        finally:
            for name in ("disk", "memory"):
                subprocess.run(["umount", "--lazy", f"{folder}/{name}"], check=False)


def _mounted(folder: Path) -> Path:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    memory, disk = folder / "memory", folder / "disk"
    memory.mkdir()
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={GIGABYTES}g", "tmpfs", str(memory)], check=True)
    image = memory / "ext4"
    with image.open("wb") as file:
        file.truncate((GIGABYTES << 30) - (64 << 20))
    # Without lazy initialisation the kernel does not write in the background while we measure.
    options = "lazy_itable_init=0,lazy_journal_init=0"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", options, str(image)], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
    disk.chmod(0o755)
    return disk


def machine(disk: Path) -> Mapping[str, object]:
    """What the numbers were measured on."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "fsync_ms": round(_fsync(disk) * 1000, 3),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _fsync(disk: Path) -> float:
    path = disk / "fsync"

    def once() -> float:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(fd, b"x" * 4096)
            return seconds(lambda: os.fsync(fd))
        finally:
            os.close(fd)

    taken = median(once, 20)
    path.unlink()
    return taken


def _cpu() -> str:
    for row in Path("/proc/cpuinfo").read_text().splitlines():
        if row.startswith("model name"):
            return row.partition(": ")[2]
    return platform.machine()
