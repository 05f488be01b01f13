"""Programs of another architecture through the real re-exec, with Debian's emulators."""

import os
import subprocess
from pathlib import Path

import pytest

from metalor_lang import BindMount, prepare_oci_rootfs, prepare_runtime_emulator
from metalor_lang.isolated.architectures import architecture
from tests.support import bases, emulators
from tests.support.isolated import Caller

pytestmark = pytest.mark.integration
HOST = architecture(os.uname().machine)
GUESTS = [name for name in ("arm64", "riscv64") if name != HOST.oci]
RULES = Path("/proc/sys/fs/binfmt_misc")


def prepared(guest: str, folder: Path, patch: pytest.MonkeyPatch) -> tuple[Caller, str]:
    patch.setenv("PATH", emulators.path())
    prefix = folder / "prefix"
    prefix.mkdir()
    root = prepare_oci_rootfs(bases.reference(f"busybox-{guest}"), prefix, prefix / "p", requested_arch=guest)
    emulator = prepare_runtime_emulator(root, os.uname().machine, guest)
    assert emulator is not None
    return Caller(prefix, root, folder / "caller.py"), emulator


@pytest.mark.parametrize("guest", GUESTS)
def test_a_foreign_root_runs_with_the_staged_emulator(
    guest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, emulator = prepared(guest, tmp_path, monkeypatch)
    before = sorted(os.listdir(RULES)) if RULES.exists() else []
    out = tmp_path / "out"
    out.mkdir()
    mounts = [BindMount(out, "/out", False)]
    # Every program that the shell starts is a foreign one too, not the first alone.
    text = "uname -m; echo a | cat | /bin/busybox sed s/a/b/; id -u; echo x >/out/f; ls /.metalor-run; exit 5"
    done = caller.sh(text, emulator=emulator, mounts=mounts)
    name = os.path.basename(emulator)
    assert (done.returncode, done.stdout.splitlines()) == (5, [architecture(guest).machine, "b", "0", name]), (
        done.stderr
    )
    assert (out / "f").stat().st_uid == os.getuid()
    status = dict(
        line.split(":\t", 1) for line in caller.run("cat", "/proc/self/status", emulator=emulator).stdout.splitlines()
    )
    assert (status["NoNewPrivs"], status["Seccomp"], status["CapEff"]) == ("1", "2", "00000000a00405fb")
    assert (sorted(os.listdir(RULES)) if RULES.exists() else []) == before, "nothing of it is on the host"
    assert caller.run("true").returncode == 126, "without the emulator nothing of it runs"


def test_foreign_status_signals_and_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caller, emulator = prepared(GUESTS[0], tmp_path, monkeypatch)
    assert caller.sh("kill -9 $$", emulator=emulator).returncode == 137
    assert caller.run("absent", emulator=emulator).returncode == 127
    done = caller.sh("echo x >/dev/null; head -c 3 /dev/zero | wc -c; cat /etc/resolv.conf | wc -c", emulator=emulator)
    resolver = Path("/etc/resolv.conf")
    size = resolver.stat().st_size if resolver.exists() else 0
    assert done.stdout.split() == ["3", str(size)] or size == 0


def test_an_emulator_that_is_not_staged_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caller, emulator = prepared(GUESTS[0], tmp_path, monkeypatch)
    staged = caller.root / emulator.lstrip("/")
    staged.unlink()
    done = caller.run("true", emulator=emulator)
    assert done.stderr.strip() == f"PathRefused: runtime helper path {emulator} does not exist"
    made = caller.made(caller.command("true", emulator=emulator))
    staged.symlink_to("/bin/true")
    assert caller.start(made).stderr.startswith("PathRefused: runtime helper path traverses a symbolic link")
    staged.unlink()
    staged.write_text("not executable\n")
    assert "cannot be registered: Permission denied" in caller.start(made).stderr


def test_the_host_s_mounts_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caller, emulator = prepared(GUESTS[0], tmp_path, monkeypatch)
    mounts = Path("/proc/self/mountinfo").read_text()
    assert caller.run("true", emulator=emulator).returncode == 0
    assert Path("/proc/self/mountinfo").read_text() == mounts
    found = subprocess.run(["pgrep", "-f", str(caller.prefix)], capture_output=True, text=True, check=False).stdout
    assert found == ""
