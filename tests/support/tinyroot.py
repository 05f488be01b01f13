"""A tiny busybox root and a way to run steps in it, for the integration tests of the runtime."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.runtime.cancel import Cancel
from metalor_lang.runtime.client import NamespaceRuntime
from metalor_lang.runtime.request import StepRequest, StepStatus, Streams

BUSYBOX = Path("/bin/busybox")


def make_root(path: Path, *, skeleton: bool = False) -> Path:
    """Fill `path` with busybox; with `skeleton` also the mount points a usual image has."""
    (path / "bin").mkdir(parents=True)
    path.chmod(0o755)
    shutil.copy2(BUSYBOX, path / "bin" / "busybox")
    names = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        if name != "busybox":
            (path / "bin" / name).symlink_to("busybox")
    (path / "tmp").mkdir()
    (path / "tmp").chmod(0o1777)
    if skeleton:
        for name in ("proc", "dev", "sys", "etc"):
            (path / name).mkdir()
        (path / "etc" / "hosts").write_text("the image's\n")
        (path / "etc" / "resolv.conf").write_text("the image's\n")
    return path


def compile_static(source: str, target: Path) -> Path:
    """Compile C text into a static program."""
    subprocess.run(["gcc", "-static", "-O1", "-w", "-x", "c", "-", "-o", target], input=source.encode(), check=True)
    return target


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def zygote(runtime: NamespaceRuntime) -> int:
    """The helper that serves: init of its own pid namespace, child of the process that we started."""
    deadline = time.monotonic() + 10
    while not (found := children(runtime.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found[0]


class Steps:
    """Runs commands in one root and gives status and output."""

    def __init__(self, runtime: NamespaceRuntime, root: Path) -> None:
        self.runtime = runtime
        self.root = root

    def run(self, *argv: str, cancel: Cancel | None = None, **fields: object) -> tuple[StepStatus, str]:
        out: list[bytes] = []
        fields.setdefault("env", (("PATH", "/bin"),))
        request = StepRequest(argv=argv, **fields)  # type: ignore[arg-type]
        with opened(self.root) as fd:
            status = self.runtime.run(fd, request, Streams(output=out.append), cancel)
        return status, b"".join(out).decode("utf-8", "replace")

    def sh(self, text: str, **fields: object) -> tuple[StepStatus, str]:
        return self.run("/bin/sh", "-eu", "-c", text, **fields)  # type: ignore[arg-type]
