"""A child that shares our memory: namespaces of its own, and no trace afterwards."""

import os
import signal
import time
from pathlib import Path

import pytest

from metalor_lang.kernel import userns
from metalor_lang.kernel.clone import Sleeper
from metalor_lang.kernel.syscalls import CLONE_NEWUSER, CLONE_NEWUTS
from tests.support import remains

pytestmark = [pytest.mark.integration, pytest.mark.skipif(os.geteuid() != 0, reason="maps of many ids need root")]


def test_the_child_is_elsewhere_and_gone_afterwards() -> None:
    here = os.stat("/proc/self/ns/uts").st_ino
    with Sleeper(CLONE_NEWUSER | CLONE_NEWUTS) as child:
        assert os.stat(f"/proc/{child.pid}/ns/uts").st_ino != here
        status = Path(f"/proc/{child.pid}/status").read_text()
        assert f"PPid:\t{os.getpid()}\n" in status
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_what_is_not_allowed_is_an_error_with_its_number() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        Sleeper(0x200 | CLONE_NEWUSER)  # CLONE_FS: not together, clone(2)


def test_many_namespaces_leave_no_children_and_no_descriptors() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(200):
        os.close(userns.make(((0, 1 << 31, 1000),)))
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_who_is_killed_leaves_no_child() -> None:
    with remains.adopting():
        parent = os.fork()
        if not parent:
            Sleeper(CLONE_NEWUSER)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(parent, 0)
        assert remains.survivors(2.0) == []


def test_a_child_that_slept_to_its_end_serves_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    write = userns._write_maps

    def late(process: int, rows: tuple[userns.Row, ...]) -> None:
        time.sleep(1.2)  # as when somebody stops us
        write(process, rows)

    monkeypatch.setattr(userns, "_write_maps", late)
    os.close(userns.make(((0, 1 << 31, 1000),)))


def test_the_map_is_the_one_that_was_asked_for() -> None:
    fd = userns.make(((0, 1 << 31, 7),))
    child = os.fork()
    if not child:
        from metalor_lang.kernel import syscalls

        syscalls.setns(fd, CLONE_NEWUSER)
        os._exit(Path("/proc/self/uid_map").read_text().split() != ["0", str(1 << 31), "7"])
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
