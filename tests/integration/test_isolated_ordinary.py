"""An ordinary user makes a root and runs commands in it, without root."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import bases, emulators
from tests.support.isolated import CALLER
from tests.support.ordinary import UID, run_as_user

pytestmark = pytest.mark.integration
PROGRAM = """\
import os, subprocess, sys
from pathlib import Path
import metalor_lang as metalor

home = Path(os.environ["HOME"])
try:
    root = metalor.prepare_oci_rootfs(sys.argv[1], home, home / "p", home / "cache")
    emulator = metalor.prepare_runtime_emulator(root, os.uname().machine, sys.argv[3]) if sys.argv[3:] else None
    mounts = [metalor.BindMount(home / "shared", "/shared", False)]
    env = [("PATH", "/bin")]
    command = metalor.ContainerRunCommand(root, "/", mounts, env, emulator, "sh", ["-c", sys.argv[2]])
    made = metalor.build_unshare_reexec_command((sys.executable, home / "caller.py"), "internal-run", home, command)
    print(*made.argv[: made.argv.index("--") + 1], flush=True)
    sys.exit(subprocess.run(made.argv, env=made.environment()).returncode)
except metalor.MetalorError as error:
    print(error.message, error.help, sep="\\n")
    sys.exit(error.exit)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "shared").mkdir(parents=True)
    (made / "caller.py").write_text(CALLER)
    (made / "program.py").write_text(PROGRAM)
    return made


def test_an_ordinary_user_makes_a_root_and_runs_in_it(home: Path) -> None:
    text = (
        "id -u; touch /made /shared/made; chown 5:6 /made; stat -c %u:%g /made;"
        "grep -c NoNewPrivs:.1 /proc/self/status; mount -t tmpfs x /tmp 2>/dev/null || echo refused; exit 6"
    )
    done = run_as_user([sys.executable, home / "program.py", bases.reference("busybox"), text], home)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (
        6,
        ["unshare --map-root-user --map-auto --fork --pid --mount --uts --ipc --", "0", "5:6", "1", "refused"],
        "",
    )
    assert (home / "shared" / "made").stat().st_uid == UID
    assert (home / "p" / "oci" / "bundle" / "rootfs" / "bin" / "busybox").stat().st_uid == UID
    again = run_as_user([sys.executable, home / "program.py", bases.reference("busybox"), "test ! -e /made"], home)
    assert again.returncode == 0, again.stdout + again.stderr


def test_without_subordinate_ids_the_commands_to_run_are_said(home: Path) -> None:
    argv = [sys.executable, home / "program.py", bases.reference("busybox"), "true"]
    done = run_as_user(argv, home, subids="")
    assert done.returncode == 3
    assert "needs 65536 subordinate ids" in done.stdout
    assert "sudo usermod --add-subuids" in done.stdout
    assert not (home / ".metalor-roots").exists()


def test_an_ordinary_user_runs_programs_of_another_architecture(home: Path) -> None:
    text = "uname -m; echo a | sed s/a/b/; touch /shared/made; exit 7"
    argv = [sys.executable, home / "program.py", bases.reference("busybox-riscv64"), text, "riscv64"]
    tools = home / "tools"
    tools.mkdir()
    shutil.copy(emulators.folder() / "qemu-riscv64-static", tools)
    done = run_as_user(argv, home, env={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout.splitlines()[1:], done.stderr) == (7, ["riscv64", "b"], "")
    assert (home / "shared" / "made").stat().st_uid == UID
