"""Programs of another architecture in a user namespace of their own: nested, piped, confined; nothing on the host."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metalor_lang.kernel import seccomp, syscalls, userns
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.unpack import unpack
from metalor_lang.runtime import emulation
from tests.support import bases, emulators
from tests.support.emulated import SHIFT, emulated, enter
from tests.support.tinyroot import compile_static

pytestmark = pytest.mark.integration
HOST = os.uname().machine
GUESTS = [name for name in ("arm64", "riscv64") if emulation.needed(HOST, name)]
ORDINARY = 4242


@pytest.fixture(scope="module")
def emulator() -> Iterator[Callable[[str], str]]:
    """Emulators where an ordinary user reaches them."""
    with tempfile.TemporaryDirectory(prefix="metalor-qemu-") as folder:
        os.chmod(folder, 0o755)
        for name in emulators.NAMES:
            shutil.copy(emulators.folder() / name, folder)
        yield lambda guest: emulation.find(HOST, guest, folder)


@pytest.fixture
def root(tmp_path: Path) -> Callable[[str, int], Path]:
    """A tree of the guest's busybox whose owners are `first` and up."""

    def make(guest: str, first: int) -> Path:
        layout = Layout.open(bases.base(f"busybox-{guest}"))
        target = tmp_path / f"{guest}-{first}"
        target.mkdir()
        fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            chosen = layout.select(bases.TAG)
            (target / "dev").mkdir()
            (target / "dev" / "null").touch()  # what a shell gives a job in the background
            unpack(layout, chosen.manifest, chosen.config.diff_ids, fd)
        finally:
            os.close(fd)
        for folder, names, files in os.walk(target):
            for name in (".", *names, *files):
                path = os.path.join(folder, name)
                found = os.lstat(path)
                os.chown(path, first + found.st_uid % 1000, first + found.st_gid % 1000, follow_symlinks=False)
                if not os.path.islink(path):
                    os.chmod(path, found.st_mode & 0o7777)
        return target

    return make


class Ran:
    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        self.lines = text.splitlines()


def run(emulator: str, root: Path, guest: str, *argv: str, user: int = 0, inside: int = 0, filter: bool = False) -> Ran:
    """Run a command of the guest in its root; `inside` is who runs it there."""

    def then() -> None:
        enter()
        if inside:
            os.setgroups([])
            os.setresgid(inside, inside, inside)
            os.setresuid(inside, inside, inside)
        syscalls.close_range(3, flags=syscalls.CLOSE_RANGE_CLOEXEC)
        if filter:
            syscalls.install_seccomp(seccomp.program())
        os.execve(argv[0], list(argv), {"PATH": "/bin"})

    with tempfile.TemporaryFile() as output:
        status = emulated(guest, emulator, then, root=root, user=user, output=output.fileno())
        output.seek(0)
        return Ran(status, output.read().decode())


def host_rules() -> list[str]:
    """The machine's own rules, read in a mount namespace of our own where the machine has not mounted them."""
    script = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && ls /proc/sys/fs/binfmt_misc"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=True)
    return sorted(done.stdout.split())


MACHINE = {"arm64": "aarch64", "riscv64": "riscv64"}
NESTED = """
uname -m
echo one two | tr a-z A-Z | sed 's/ /-/'
sh -c 'exec sh -c "uname -m"'
echo 'echo "script $0 $1"' >/tmp/text; sed -i '1i #!/bin/sh' /tmp/text; chmod +x /tmp/text; /tmp/text word
for each in 1 2 3; do (exit $each) || echo "status $?"; done
find /bin -name busybox -exec sh -c 'echo found $0' {} ';'
"""


@pytest.mark.parametrize("user", [0, ORDINARY], ids=["root", "ordinary-user"])
@pytest.mark.parametrize("guest", GUESTS)
def test_nested_programs_run_and_the_machine_has_no_rule(
    guest: str, user: int, emulator: Callable[[str], str], root: Callable[[str, int], Path]
) -> None:
    before = host_rules()
    first = user or SHIFT
    if user:
        tree = root(guest, SHIFT)
        for folder, names, files in os.walk(tree):  # only one id is mapped
            for name in (".", *names, *files):
                os.chown(os.path.join(folder, name), first, first, follow_symlinks=False)
    else:
        tree = root(guest, first)
    ran = run(emulator(guest), tree, guest, "/bin/sh", "-euc", NESTED, user=user, filter=True)
    machine = MACHINE[guest]
    assert ran.lines == [
        machine,
        "ONE-TWO",
        machine,
        "script /tmp/text word",
        "status 1",
        "status 2",
        "status 3",
        "found /bin/busybox",
    ]
    assert ran.status == 0
    assert host_rules() == before
    left = [path for path in tree.rglob("*") if "qemu" in path.name]
    assert left == []


@pytest.mark.parametrize("guest", GUESTS)
def test_exit_statuses_and_signals_are_the_commands_own(
    guest: str, emulator: Callable[[str], str], root: Callable[[str, int], Path]
) -> None:
    tree = root(guest, SHIFT)
    assert run(emulator(guest), tree, guest, "/bin/sh", "-c", "exit 7").status == 7
    script = 'sh -c "kill -TERM \\$\\$"; echo $?'
    assert run(emulator(guest), tree, guest, "/bin/sh", "-c", script).lines[-1] == "143"


@pytest.mark.parametrize("guest", GUESTS)
def test_what_a_program_sees_of_itself(
    guest: str, emulator: Callable[[str], str], root: Callable[[str, int], Path]
) -> None:
    tree = root(guest, SHIFT)
    script = (
        "readlink /proc/self/exe; readlink /proc/1/exe; cat /proc/1/cmdline | tr '\\0' ' '; ls /proc/sys/fs/binfmt_misc"
    )
    ran = run(emulator(guest), tree, guest, "/bin/sh", "-c", script)
    name = emulation.names(guest)[0]
    # The guest is told its own program; its init is seen as what the kernel runs, without a path of the host.
    assert ran.lines[:2] == ["/bin/sh", "/"]
    assert ran.lines[2].startswith(f"{name} /bin/sh /bin/sh -c")
    assert "register" not in ran.text


@pytest.mark.parametrize("guest", GUESTS)
def test_the_emulator_cannot_be_written_from_inside(
    guest: str, emulator: Callable[[str], str], root: Callable[[str, int], Path]
) -> None:
    """CVE-2019-5736: the program that the kernel runs belongs to the host."""
    path = Path(emulator(guest))
    before = path.read_bytes()
    owner = path.stat()
    os.chown(path, SHIFT, SHIFT)  # the worst case: root in the namespace is its owner
    try:
        script = (
            "sleep 5 & exec 3</proc/$!/exe; kill $!; wait; echo bad >/proc/self/fd/3; echo $?; chmod 0 /proc/self/fd/3"
        )
        ran = run(emulator(guest), root(guest, SHIFT), guest, "/bin/sh", "-c", script)
        assert "Read-only file system" in ran.text
        assert path.read_bytes() == before
        assert path.stat().st_mode & 0o777 == 0o755
    finally:
        os.chown(path, owner.st_uid, owner.st_gid)


IDS = """
#include <stdio.h>
#include <unistd.h>
int main(int count, char **words) { printf("%s %d %d\\n", words[0], getuid(), geteuid()); return 0; }
"""


def test_setuid_programs_unreadable_programs_and_argv0(
    tmp_path: Path, emulator: Callable[[str], str], root: Callable[[str, int], Path]
) -> None:
    tree = root("riscv64", SHIFT)
    source = tmp_path / "ids.c"
    source.write_text(IDS)
    program = tree / "bin" / "ids"
    subprocess.run(["riscv64-linux-gnu-gcc", "-static", "-O2", "-o", program, source], check=True)
    os.chown(program, SHIFT, SHIFT)
    os.chmod(program, 0o4711)
    ran = run(emulator("riscv64"), tree, "riscv64", "/bin/sh", "-c", "exec -a '-name' /bin/ids", inside=1000)
    assert ran.lines == ["-name 1000 0"]


def test_programs_of_the_host_still_run_and_of_others_do_not(
    tmp_path: Path, emulator: Callable[[str], str], root: Callable[[str, int], Path]
) -> None:
    tree = root("arm64", SHIFT)
    compile_static("int main(void) { return 5; }", tree / "bin" / "native")
    shutil.copy(root("riscv64", SHIFT) / "bin" / "busybox", tree / "bin" / "third")
    assert run(emulator("arm64"), tree, "arm64", "/bin/sh", "-c", "/bin/native; exit $?").status == 5
    assert "Exec format error: '/bin/third'" in run(emulator("arm64"), tree, "arm64", "/bin/third", "true").text


def test_a_missing_loader_is_said_under_a_name_that_a_reader_knows(
    tmp_path: Path, emulator: Callable[[str], str], root: Callable[[str, int], Path]
) -> None:
    tree = root("riscv64", SHIFT)
    source = tmp_path / "ids.c"
    source.write_text(IDS)
    subprocess.run(["riscv64-linux-gnu-gcc", "-o", tree / "bin" / "dynamic", source], check=True)
    ran = run(emulator("riscv64"), tree, "riscv64", "/bin/dynamic")
    assert ran.text.startswith("qemu-riscv64-static: Could not open '/lib/ld-linux-riscv64-lp64d.so.1'")
    assert ran.status != 0


def test_the_rule_ends_with_its_descriptor(emulator: Callable[[str], str], root: Callable[[str, int], Path]) -> None:
    def then() -> None:
        enter()
        os.execve("/bin/true", ["/bin/true"], {})

    tree = root("arm64", SHIFT)
    assert emulated("arm64", emulator("arm64"), then, root=tree) == 0
    with tempfile.TemporaryFile() as output:
        assert emulated("arm64", emulator("arm64"), then, root=tree, keep=False, output=output.fileno()) == 72
        output.seek(0)
        assert b"Exec format error: '/bin/true'" in output.read()


def test_a_rule_outside_a_new_user_namespace_is_refused(emulator: Callable[[str], str]) -> None:
    before = host_rules()
    file = os.open(emulator("arm64"), os.O_RDONLY)
    for outside in ((0, 0), emulation.user_namespace()):
        with pytest.raises(emulation.NoEmulator, match="the whole machine's"):
            emulation.register("arm64", file, outside)
        with pytest.raises(emulation.NoEmulator, match="no user namespace of its own"):
            emulation.empty(outside)
    os.close(file)
    assert host_rules() == before


def said(guest: str, emulator: str, then: Callable[[], None]) -> tuple[int, str]:
    with tempfile.TemporaryFile() as output:
        status = emulated(guest, emulator, then, output=output.fileno())
        output.seek(0)
        return status, output.read().decode()


def test_a_second_rule_in_one_namespace_is_refused(emulator: Callable[[str], str]) -> None:
    def then() -> None:
        try:
            emulation.register("riscv64", emulation.take(emulator("riscv64")), (0, 0))
        except emulation.NoEmulator as error:
            os.write(1, error.message.encode())
            os._exit(0)

    expected = "programs for riscv64 cannot run here: this user namespace has rules already: metalor-arm64"
    assert said("arm64", emulator("arm64"), then) == (0, expected)


@pytest.mark.parametrize("isolated", [False, True])
def test_rules_around_a_namespace_count_unless_it_has_an_instance(
    isolated: bool, emulator: Callable[[str], str], root: Callable[[str, int], Path]
) -> None:
    """Why steps of the machine's own architecture need an empty instance."""

    def then() -> None:
        enter()
        outside = emulation.user_namespace()
        syscalls.set_dumpable(True)  # else the files of its /proc directory belong to nobody who is mapped here
        userns.enter(syscalls.CLONE_NEWNS, userns.MapWriter(((0, 0, 1000),)))
        if isolated:
            os.close(emulation.empty(outside))  # the kernel keeps it, without rules, as long as the namespace
        try:
            os.execve("/bin/true", ["/bin/true"], {})
        except OSError as error:
            os.write(1, (error.strerror or "").encode())
            os._exit(3)

    with tempfile.TemporaryFile() as output:
        tree = root("arm64", SHIFT)
        status = emulated("arm64", emulator("arm64"), then, root=tree, output=output.fileno())
        output.seek(0)
        text = output.read().decode()
    assert (status, text) == ((3, "Exec format error") if isolated else (0, "")), text


def test_an_emulator_that_cannot_be_executed_is_refused(emulator: Callable[[str], str]) -> None:
    file = Path(emulator("arm64")).with_name("closed")
    file.write_bytes(b"no program")
    file.chmod(0o600)
    status, text = said("arm64", str(file), lambda: os._exit(0))
    assert status == 71
    assert text.startswith("programs for arm64 cannot run here: the emulator cannot be registered: Permission denied")


def test_a_folder_is_no_emulator(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="it is no regular file"):
        emulation.take(str(tmp_path))
