"""Steps of other architectures, built and run by the command itself: as root and as an ordinary user."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from metalor_lang.checker.platforms import host_platform
from metalor_lang.oci.layout import Layout
from metalor_lang.runtime.world import SHIFT
from tests.integration.test_emulation import host_rules
from tests.support import emulators
from tests.support.bases import base
from tests.support.ordinary import FIRST, run_as_user
from tests.support.workshop import METALOR, Workshop

pytestmark = pytest.mark.integration

HERE = str(host_platform())
MACHINE = {"linux/amd64": "x86_64", "linux/arm64": "aarch64", "linux/riscv64": "riscv64"}
LIST = ",".join(MACHINE)
FOREIGN = [platform for platform in MACHINE if platform != HERE]

RECIPE = """\
FROM BASE AS app
SH '''
    uname -m > /machine
    sh -c 'sh -c "uname -m"' | cat >> /machine
    find /bin -name busybox -exec sh -c 'echo $0 >> /machine' {} ';'
    '''
USER 1000
RUN ["sh", "-c", "id -u > /tmp/user; umask > /tmp/mask"]
TEST SH test "$(cat /tmp/user)" = 1000
CMD ["sh", "-c", "cat /machine; exit 7"]
"""


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path, "busybox-multi")
    workshop.path_variable = emulators.path()
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def processes():
    """Emulated programs with the ids that steps have; others on this machine are not ours to judge."""
    found = subprocess.run(["ps", "-eo", "uid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=1) for line in found.splitlines()[1:]]
    return [words for uid, words in rows if words.startswith("qemu-") and int(uid) >= min(SHIFT, FIRST)]


def test_steps_run_for_every_platform_and_leave_nothing(shop):
    before = host_rules()
    shop.recipe(RECIPE)
    shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:out:1")
    for platform, machine in MACHINE.items():
        text = f"{machine}\n{machine}\n/bin/busybox\n"
        assert shop.run("run", "app", "--platform", platform, status=7).stdout == text
        tree = shop.path / machine
        shop.run("export", "app", f"rootfs:{tree}", "--platform", platform)
        assert (tree / "machine").read_text() == text
        assert not [path for path in tree.rglob("*") if "qemu" in path.name or "metalor" in path.name]
    assert host_rules() == before
    assert processes() == []


def test_an_ordinary_user_gets_the_same_index(shop):
    shop.recipe(RECIPE.replace("BASE", "oci:bases:12"))
    home = shop.path / "home"
    home.mkdir()
    shutil.copytree(base("busybox-multi"), home / "bases")
    shutil.copytree(emulators.folder(), home / "bin")
    shutil.copy(shop.path / "app.metalor", home)
    shutil.copytree(home / "bases", shop.path / "bases")
    mine = shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:out:1").stdout
    env = {"PATH": f"{home}/bin:{os.environ['PATH']}", "METALOR_STORE": f"{home}/store"}
    words = [*METALOR, "build", "app.metalor", "--platform", LIST, "-o", "oci:out:1"]
    done = run_as_user(words, home, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == mine


@pytest.mark.parametrize("platform", FOREIGN)
def test_a_failing_command_is_told_as_always(shop, platform):
    shop.recipe("FROM BASE\nSH exit 3\n")
    done = shop.run("build", "app.metalor", "--platform", platform, status=1)
    assert "exit status 3" in done.stderr and "E0601" in done.stderr
    shop.recipe('FROM BASE\nRUN ["nothing"]\n')
    done = shop.run("build", "app.metalor", "--platform", platform, status=1)
    assert "the image has no command nothing" in done.stderr


def test_a_step_runs_programs_of_its_own_platform_only(shop):
    shop.recipe(f"""\
FROM --platform={FOREIGN[0]} BASE AS other
SH true
FROM BASE AS app
COPY --from=other /bin/busybox /other
RUN ["/other", "true"]
""")
    done = shop.run("build", "app.metalor", status=1)
    assert "/other is no program for this machine" in done.stderr


def test_privileged_makes_no_rule_for_the_machine(shop):
    """Its foreign steps have a user namespace whose ids are the machine's."""
    shop.recipe(RECIPE)
    usual = shop.run("build", "app.metalor", "--platform", FOREIGN[0], "-o", "oci:out:1").stdout
    before = host_rules()
    words = ("build", "app.metalor", "--platform", FOREIGN[0], "--backend", "privileged", "-o", "oci:out:2")
    assert shop.run(*words, store="plain").stdout == usual
    assert host_rules() == before and processes() == []


def test_run_names_the_emulator_that_is_missing(shop):
    shop.path_variable = os.environ["PATH"]
    done = shop.run("run", shop.base, "--platform", "linux/riscv64", "--", "/bin/true", status=3)
    assert (
        "there is no qemu-riscv64-static in PATH" in done.stderr and "apt-get install qemu-user-static" in done.stderr
    )


def test_a_killed_build_leaves_no_rule_and_no_process(shop):
    before = host_rules()
    shop.recipe("FROM BASE\nSH sleep 1000 | cat\n")
    for delay in (0.6, 0.9, 1.2, 1.5):
        child = shop.start("build", "app.metalor", "--platform", ",".join(FOREIGN))
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=20)
        deadline = time.monotonic() + 10
        while processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert processes() == []
        assert host_rules() == before
    shop.recipe(RECIPE)
    shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:out:1")


def test_a_real_debian_for_another_architecture(shop):
    shop.base = f"oci:{base('debian-arm64')}:12"
    shop.recipe("""\
FROM BASE AS app
SH '''
    dpkg --print-architecture > /architecture
    perl -e 'print join(",", map { $_ * $_ } 1..5), "\\n"' >> /architecture
    adduser --disabled-password --gecos "" mara >&2
    su mara -c 'id -un' >> /architecture
    '''
""")
    shop.run("build", "app.metalor", "--platform", "linux/arm64", "-o", f"rootfs:{shop.path}/tree")
    assert (shop.path / "tree" / "architecture").read_text() == "arm64\n1,4,9,16,25\nmara\n"
    assert Layout.open(base("debian-arm64")).select("12").config.platform.architecture == "arm64"
