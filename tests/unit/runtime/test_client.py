import os
import signal
import socket
import subprocess
import sys

import pytest

from metalor_lang.errors import MachineError
from metalor_lang.kernel import syscalls
from metalor_lang.runtime import client, confine, protocol
from metalor_lang.runtime.cancel import Cancel


def test_cancel_tells_steps_that_run_and_steps_that_come_later() -> None:
    cancel = Cancel()
    early, early_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    late, late_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gone, gone_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with early, early_end, late, late_end, gone, gone_end:
        cancel.join(early)
        cancel.join(gone)
        cancel.leave(gone)
        assert not cancel.fired
        cancel.fire(signal.SIGTERM)
        assert cancel.fired
        cancel.join(late)
        for end in (early_end, late_end):
            assert protocol.receive(end)[0] == b"cancel15"
        gone_end.setblocking(False)
        with pytest.raises(BlockingIOError):
            protocol.receive(gone_end)


def test_cancel_survives_a_step_that_is_over() -> None:
    cancel = Cancel()
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left:
        right.close()
        cancel.join(left)
        cancel.fire()
        assert cancel.fired


def test_without_root_the_machine_is_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineError, match="needs root") as caught:
        client.start_runtime()
    assert "sudo" in caught.value.help


def test_an_unknown_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(syscalls, "MACHINE", "s390x")
    with pytest.raises(MachineError, match="s390x") as caught:
        client.start_runtime()
    assert "x86_64" in caught.value.help


def test_pipefail_goes_before_the_first_c() -> None:
    assert confine.with_pipefail(["/bin/sh", "-eu", "-c", "echo -c"]) == [
        "/bin/sh", "-eu", "-o", "pipefail", "-c", "echo -c",
    ]  # fmt: skip


def test_the_kept_capabilities_reach_neither_devices_nor_the_machine() -> None:
    mknod, sys_admin, sys_module, sys_rawio, sys_ptrace, net_admin, sys_boot, sys_time = 27, 21, 16, 17, 19, 12, 22, 25
    assert not confine.KEPT & {mknod, sys_admin, sys_module, sys_rawio, sys_ptrace, net_admin, sys_boot, sys_time}
    assert bin(confine.MASK).count("1") == len(confine.KEPT) == 12


def test_the_helper_loads_without_site_packages_and_without_heavy_modules() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from metalor_lang.runtime import inner;"
        "heavy = {'dataclasses', 'subprocess', 'inspect', 'pathlib', 'logging', 'asyncio', 'lark'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = str(client._ZYGOTE.parent.parent.parent)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, root], capture_output=True, text=True, check=True, env={}
    )
    assert done.stdout.strip() == "[]"
