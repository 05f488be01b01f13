"""Worlds for tests of the runtime alone: no store, and nothing of this process is changed."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from metalor_lang.runtime.client import NamespaceRuntime, start_runtime
from metalor_lang.runtime.world import SHIFT, Backend, HostMap, World

ROOTLESS_VARIABLE = "METALOR_TEST_ROOTLESS"
BACKENDS = (Backend.ROOTLESS,) if os.environ.get(ROOTLESS_VARIABLE) else (Backend.USERNS, Backend.PRIVILEGED)
"""What root can be; tests/integration/test_rootless.py runs the same tests as an ordinary user."""


def make_device(place: str | Path, major: int, minor: int) -> bool:
    """Make a character device; an ordinary user may make none in any namespace, and gets False."""
    try:
        os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    except PermissionError:
        assert Backend.ROOTLESS in BACKENDS
        return False
    return True


@contextmanager
def runtime_of(backend: Backend, store: Path | None = None) -> Iterator[NamespaceRuntime]:
    """A runtime; what is in `store` (one for the tests, not shifted yet) is shifted where the backend wants it so."""
    disk = os.open(store, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if store is not None else -1
    world = World(backend=backend, disk=disk)
    if backend is Backend.USERNS:
        world = replace(world, shift=SHIFT, host_map=HostMap())
        if store is not None:
            _shift(store)
    with start_runtime(world) as runtime:
        yield runtime
    if world.disk >= 0:
        os.close(world.disk)
    if world.host_map is not None:
        world.host_map.close()


def _shift(path: Path) -> None:
    for _, names, files, fd in os.fwalk(path, follow_symlinks=False):
        for name in (".", *names, *files):
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if found.st_uid < SHIFT:
                os.chown(name, found.st_uid + SHIFT, found.st_gid + SHIFT, dir_fd=fd, follow_symlinks=False)
