"""An attacker exchanges directories with links while roots are prepared and commands run: nothing is made outside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from metalor_lang import (
    BindMount,
    ContainerRunCommand,
    PathRefused,
    build_unshare_reexec_command,
    prepare_oci_rootfs,
    prepare_runtime_emulator,
)
from metalor_lang.isolated.sentinel import FOLDER
from tests.support import bases, emulators
from tests.support.isolated import Caller, snapshot

pytestmark = pytest.mark.integration
_ATTACK = """\
import sys
from metalor_lang.kernel.syscalls import AT_FDCWD, RENAME_EXCHANGE, renameat2
print("ready", flush=True)
while True:
    try:
        renameat2(AT_FDCWD, sys.argv[1], AT_FDCWD, sys.argv[2], RENAME_EXCHANGE)
    except FileNotFoundError:
        pass
"""


@contextmanager
def swapping(place: Path, link: Path) -> Iterator[None]:
    """Another process that exchanges the two as quickly as it can."""
    argv = [sys.executable, "-c", _ATTACK, str(place), str(link)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.send_signal(signal.SIGKILL)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    made = tmp_path / "outside"
    (made / "r").mkdir(parents=True)
    (made / "canary").write_text("untouched\n")
    return made


@pytest.mark.parametrize("what", ["root", "sentinel", "helpers", "target"])
def test_no_preparation_leaves_its_place(
    tmp_path: Path, outside: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "prefix"
    root = prefix / "a" / "r"
    root.mkdir(parents=True)
    (prefix / FOLDER).mkdir(mode=0o700)
    (root / ".metalor-run").mkdir()
    (root / "data").mkdir()
    monkeypatch.setenv("PATH", emulators.path())
    command = ContainerRunCommand(root, "/", [BindMount("/etc", "/data", True)], [], None, "sh")
    place = {
        "root": prefix / "a", "sentinel": prefix / FOLDER, "helpers": root / ".metalor-run", "target": root / "data"
    }[what]  # fmt: skip
    link = tmp_path / "link"
    link.symlink_to(outside)
    before = snapshot(outside)
    refused = done = 0
    until = time.monotonic() + 6
    with swapping(place, link):
        while refused + done < 1500 and time.monotonic() < until:
            try:
                if what == "helpers":
                    prepare_runtime_emulator(root, "x86_64", "riscv64")
                else:
                    build_unshare_reexec_command("/tool", "run", prefix, command)
                done += 1
            except PathRefused:
                refused += 1
    assert snapshot(outside) == before
    assert refused > 20, f"{done} done, {refused} refused: the attack never met a look-up"


def test_no_command_mounts_or_makes_anything_outside(tmp_path: Path, outside: Path) -> None:
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    root = prepare_oci_rootfs(bases.reference("busybox"), prefix, prefix / "p")
    caller = Caller(prefix, root, tmp_path / "caller.py")
    shared = tmp_path / "shared"
    shared.mkdir()
    (root / "data").mkdir()
    link = tmp_path / "link"
    link.symlink_to(outside)
    made = caller.made(
        caller.command("sh", "-c", "echo x >/data/new/deep/f", mounts=[BindMount(shared, "/data/new/deep", False)])
    )
    before = snapshot(outside)
    mounts = Path("/proc/self/mountinfo").read_text()
    refused = done = 0
    with swapping(root / "data", link):
        for _ in range(40):
            ended = caller.start(made)
            if ended.returncode == 0:
                done += 1
            else:
                refused += 1
                assert "Traceback" not in ended.stderr, ended.stderr
    assert snapshot(outside) == before
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert refused + done == 40
    assert refused > 3
    assert os.listdir(shared) == (["f"] if done else [])
