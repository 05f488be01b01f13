"""What a step cannot do to the machine, and what it cannot leave in the view."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalor_lang.errors import MachineError
from metalor_lang.kernel.paths import Root
from metalor_lang.runtime import furniture, layering
from metalor_lang.runtime.client import NamespaceRuntime
from metalor_lang.runtime.overlay import mount_view
from metalor_lang.runtime.request import BindSpec, FileSpec, LayeredView, StepRequest, StepStatus, Streams, TmpfsSpec
from metalor_lang.runtime.world import Backend
from tests.support.tinyroot import Steps, compile_static, make_root, opened
from tests.support.worlds import BACKENDS, make_device, runtime_of

pytestmark = pytest.mark.integration

# The classical escape: a directory descriptor kept across a chroot, then `..` as often as one likes.
ESCAPE = r"""
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int count, char **words) {
    char text[64] = {0};
    mkdir("/tmp/jail", 0755);
    int fd = open("/", O_RDONLY);
    if (chroot("/tmp/jail")) { perror("chroot"); return 3; }
    fchdir(fd);
    for (int i = 0; i < 100; i++) chdir("..");
    chroot(".");
    int host = open(words[1], O_RDONLY);
    if (host < 0) { puts("held"); return 0; }
    read(host, text, 60);
    printf("escaped: %s\n", text);
    return 1;
}
"""

# Every call by its raw number; prints the name of each that is not refused.
CALLS = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#define REFUSED(name, ...) do { errno = 0; long r = syscall(__VA_ARGS__); \
    if (r != -1 || (errno != EPERM && errno != ENOSYS)) printf("%s %ld %d\n", name, r, errno); } while (0)
int main(void) {
    REFUSED("mount", SYS_mount, "none", "/tmp", "tmpfs", 0, 0);
    REFUSED("umount2", SYS_umount2, "/proc", 2);
    REFUSED("pivot_root", SYS_pivot_root, "/", "/tmp");
    REFUSED("fsopen", 430, "tmpfs", 0);
    REFUSED("open_tree", 428, -100, "/", 1);
    REFUSED("move_mount", 429, -100, "/proc", -100, "/tmp", 0);
    REFUSED("mount_setattr", 442, -100, "/", 0, 0, 0);
    REFUSED("unshare", SYS_unshare, CLONE_NEWUSER);
    REFUSED("unshare mount", SYS_unshare, CLONE_NEWNS);
    REFUSED("clone", SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0);
    REFUSED("clone3", 435, 0, 0);
    REFUSED("setns", SYS_setns, 0, 0);
    REFUSED("bpf", SYS_bpf, 0, 0, 0);
    REFUSED("keyctl", SYS_keyctl, 0, 0, 0, 0, 0);
    REFUSED("perf", SYS_perf_event_open, 0, 0, 0, 0, 0);
    REFUSED("userfaultfd", SYS_userfaultfd, 0);
    REFUSED("init_module", SYS_init_module, 0, 0, 0);
    REFUSED("kexec", SYS_kexec_load, 0, 0, 0, 0);
    REFUSED("sethostname", SYS_sethostname, "x", 1);
    REFUSED("settimeofday", SYS_settimeofday, 0, 0);
    REFUSED("reboot", SYS_reboot, 0, 0, 0, 0);
    REFUSED("io_uring", 425, 1, 0);
    REFUSED("open_by_handle_at", SYS_open_by_handle_at, 0, 0, 0);
    REFUSED("TIOCSTI", SYS_ioctl, 0, 0x5412, "x");
    puts("end");
    return 0;
}
"""

# An echo request by an unprivileged ping socket, icmp(7).
PING = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
int main() {
    char packet[16] = {8}, back[64];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {5, 0};
    int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    if (fd < 0) { perror("socket"); return 1; }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (sendto(fd, packet, sizeof packet, 0, (struct sockaddr *)&to, sizeof to) < 0) { perror("send"); return 1; }
    if (recv(fd, back, sizeof back, 0) < 8 || back[0] != 0) { perror("recv"); return 1; }
    puts("answered");
    return 0;
}
"""


@pytest.fixture(scope="module", params=BACKENDS)
def runtime(request: pytest.FixtureRequest) -> Iterator[NamespaceRuntime]:
    with runtime_of(request.param) as runtime:
        yield runtime


@pytest.fixture
def steps(runtime: NamespaceRuntime, tmp_path: Path) -> Steps:
    return Steps(runtime, make_root(tmp_path / "fs"))


def test_the_chroot_escape_fails(steps: Steps, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("the machine's")
    compile_static(ESCAPE, steps.root / "bin" / "escape")
    status, out = steps.run("/bin/escape", str(canary))
    assert (status.code, out) == (0, "held\n")


def test_the_filtered_calls_are_refused(steps: Steps) -> None:
    compile_static(CALLS, steps.root / "bin" / "calls")
    assert steps.run("/bin/calls")[1] == "end\n"


REFUSED = [
    "mount -t tmpfs none /tmp",
    "mount -o remount,rw /proc/sys",
    "umount /proc",
    "mknod /tmp/sda b 8 0",
    "mknod /tmp/mem c 1 1",
    "echo 1 > /proc/sys/kernel/panic",
    "echo core > /proc/sys/kernel/core_pattern",
    "echo b > /proc/irq/default_smp_affinity",
    "mkdir /sys/fs/cgroup/x",
    "echo x > /sys/kernel/uevent_helper",
    "echo x > /etc/hosts",
    "hostname other",
    "chroot /proc/1/root true",
    "kill -0 -1 && nsenter -t 1 -m true",
    "ip link set lo mtu 1400",
]


@pytest.mark.parametrize("text", REFUSED)
def test_root_in_a_step_is_not_root_of_the_machine(steps: Steps, text: str) -> None:
    sysctl = Path("/proc/sys/kernel/core_pattern").read_bytes()
    status, _ = steps.sh(f"if {text} 2>/dev/null; then echo DID; else exit 42; fi")
    assert status.code == 42
    assert Path("/proc/sys/kernel/core_pattern").read_bytes() == sysctl


def test_sensitive_files_are_covered(steps: Steps) -> None:
    hidden = [name for name in furniture._PROC_HIDDEN if Path("/proc", name).exists()]
    assert {"keys", "interrupts"} & set(hidden)
    files = " ".join(f"/proc/{name}" for name in hidden if Path("/proc", name).is_file())
    _, out = steps.sh(f"for f in {files}; do stat -c %t:%T $f; head -c 9 $f | wc -c; done; ls /sys/firmware | wc -l")
    assert set(out.split()) == {"1:3", "0"}


def test_a_device_in_the_image_does_not_open(steps: Steps) -> None:
    there = make_device(steps.root / "disk", 1, 5)
    status, out = steps.sh("head -c 1 /disk")
    assert status.code and ("Permission denied" in out or not there)


def test_the_machines_mounts_are_not_visible(steps: Steps) -> None:
    _, out = steps.sh("cat /proc/self/mountinfo")
    points = {line.split()[4] for line in out.splitlines()}
    assert {"/", "/proc", "/dev", "/sys"} <= points
    assert all(point == "/" or point.startswith(("/proc", "/dev", "/sys", "/etc/")) for point in points)
    _, out = steps.sh("ls -A /..; ls -A /dev/pts")
    assert out.split() == ["bin", "dev", "etc", "proc", "sys", "tmp", "ptmx"]


def test_our_mounts_are_not_visible_on_the_machine(steps: Steps) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    steps.sh("true", mounts=(TmpfsSpec(target="/data"),))
    assert Path("/proc/self/mountinfo").read_text() == before


def test_no_network_is_only_the_loopback(steps: Steps) -> None:
    _, out = steps.sh("ls /sys/class/net; ip -o addr; ping -c 1 -W 2 127.0.0.1 >/dev/null && echo up", network="none")
    assert out.split()[0] == "lo" and "eth" not in out and "127.0.0.1/8" in out
    _, out = steps.sh(
        "ls -A /etc; (echo hi | nc -l -p 80 >/dev/null) & sleep 0.3; nc 127.0.0.1 80 </dev/null",
        network="none",
    )
    assert out.split() == ["hosts", "hi"]  # no resolv.conf there; a port below 1024 works


def test_everybody_may_ping_and_serve_in_a_network_of_the_steps_own(steps: Steps) -> None:
    text = "cat /proc/sys/net/ipv4/ping_group_range; (echo hi | nc -l -p 80) & sleep 0.3; nc 127.0.0.1 80 </dev/null"
    host = Path("/proc/sys/net/ipv4/ping_group_range").read_text()
    _, out = steps.sh(text, network="none", uid=1000, gid=1000)
    assert out.split() == ["0", "65535", "hi"]
    assert Path("/proc/sys/net/ipv4/ping_group_range").read_text() == host
    compile_static(PING, steps.root / "bin" / "pinger")
    status, out = steps.run("/bin/pinger", network="none", uid=1000, gid=1000)
    assert (status.code, out) == (0, "answered\n")


def tree(root: Path) -> list[tuple[str, int, int, str]]:
    found = []
    for folder, directories, files in os.walk(root):
        for name in [".", *directories, *files]:
            path = Path(folder, name)
            info = path.lstat()
            if name == "." or not path.is_dir() or path.is_symlink():
                leads = os.readlink(path) if path.is_symlink() else ""
                found.append((str(path), info.st_mode, info.st_mtime_ns, leads))
    return sorted(found)


EVERYTHING = (
    TmpfsSpec(target="/deep/er/tmpfs"),
    FileSpec(target="/run/secrets/token", content=b"hidden", uid=7),
    BindSpec(target="/deep/bind", source="/usr/share"),
    BindSpec(target="/opt/file", source="/etc/hostname"),
)


def test_nothing_is_left_of_mount_points(steps: Steps) -> None:
    (steps.root / "etc").mkdir()
    for folder in (steps.root, steps.root / "etc"):
        os.utime(folder, ns=(10**18, 10**18 + 1))
    before = tree(steps.root)
    status, out = steps.sh("ls / /etc /deep; cat /run/secrets/token", mounts=EVERYTHING)
    assert status.code == 0 and "hidden" in out and "resolv.conf" in out
    assert tree(steps.root) == before
    assert (steps.root / "etc").stat().st_mtime_ns == 10**18 + 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_left_in_an_upper_but_what_the_step_made(backend: Backend, tmp_path: Path) -> None:
    lower = make_root(tmp_path / "lower")
    (lower / "etc").mkdir()
    upper, work = tmp_path / "upper", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    lower_etc = (lower / "etc").stat()
    out: list[bytes] = []
    with runtime_of(backend, store=tmp_path) as runtime:
        for number in range(2):  # a draft serves more than one step
            layering.clean_work(str(work))
            request = StepRequest(argv=("/bin/sh", "-c", f"echo {number} >> /made; cat /made"), mounts=EVERYTHING)
            view = LayeredView(lowers=("lower",), upper="upper", work="work")
            assert runtime.run(view, request, Streams(output=out.append)).code == 0
    assert b"".join(out) == b"0\n0\n1\n"
    assert sorted(os.listdir(upper)) in (["etc", "made"], ["made"])
    assert not (upper / "etc").exists() or not list((upper / "etc").iterdir())
    layering.clean_work(str(work))
    with Root(mount_view([lower], upper, work)) as view:
        assert os.stat("etc", dir_fd=view.fd).st_mtime_ns == lower_etc.st_mtime_ns
        assert sorted(view.listdir("/")) == ["bin", "etc", "made", "tmp"]


def test_what_the_step_puts_beside_a_mount_point_stays(steps: Steps) -> None:
    status, _ = steps.sh("echo x > /run/secrets/mine; echo y > /etc/mine", mounts=EVERYTHING)
    assert status.code == 0
    assert (steps.root / "run" / "secrets" / "mine").read_text() == "x\n"
    assert sorted(os.listdir(steps.root / "etc")) == ["mine"]
    assert os.listdir(steps.root / "run" / "secrets") == ["mine"]
    assert not (steps.root / "deep").exists()


def host_resolver() -> str:
    return Path("/etc/resolv.conf").read_text()


RESOLVERS = [
    ("absent", None, None, host_resolver),
    ("a file", "file", None, host_resolver),
    ("a dangling relative link", "../run/systemd/resolve/stub-resolv.conf", None, host_resolver),
    ("a dangling absolute link", "/run/resolvconf/resolv.conf", None, host_resolver),
    ("a link out of the root", "../../../../../../../tmp/metalor-canary", None, host_resolver),
    ("a link to a file", "/tmp/real", "/tmp/real", host_resolver),
]


@pytest.mark.parametrize(
    ("leads", "made"), [(leads, made) for _, leads, made, _ in RESOLVERS], ids=[r[0] for r in RESOLVERS]
)
def test_the_resolver_file(steps: Steps, leads: str | None, made: str | None) -> None:
    etc = steps.root / "etc"
    etc.mkdir()
    if leads == "file":
        (etc / "resolv.conf").write_text("the image's\n")
    elif leads:
        (etc / "resolv.conf").symlink_to(leads)
    if made:
        (steps.root / made[1:]).write_text("the image's\n")
    before = tree(steps.root)
    status, out = steps.sh("cat /etc/resolv.conf; echo x >> /etc/resolv.conf || echo read-only")
    assert (status.code, out.splitlines()[0]) == (0, host_resolver().splitlines()[0])
    assert out.endswith("read-only\n")
    assert tree(steps.root) == before
    assert not Path("/tmp/metalor-canary").exists()
    assert host_resolver() == Path("/etc/resolv.conf").read_text()


def test_an_explicit_mount_wins(steps: Steps) -> None:
    for mount in (FileSpec(target="/etc/resolv.conf", content=b"mine\n"), TmpfsSpec(target="/etc")):
        _, out = steps.sh("cat /etc/resolv.conf 2>/dev/null || echo none", mounts=(mount,))
        assert out == ("none\n" if isinstance(mount, TmpfsSpec) else "mine\n")
    _, out = steps.sh("cat /dev/null", mounts=(FileSpec(target="/dev/null", content=b"mine\n"),))
    assert out == "mine\n"


BAD_IMAGES = [
    ("proc", "/tmp/target", "/proc as a symbolic link to /tmp/target"),
    ("dev", "../../../dev", "/dev as a symbolic link"),
    ("sys", "/", "/sys as a symbolic link"),
    ("proc", None, "/proc as a file"),
]


@pytest.mark.parametrize(("name", "leads", "message"), BAD_IMAGES)
def test_reserved_places_that_are_links_are_refused(steps: Steps, name: str, leads: str | None, message: str) -> None:
    if leads:
        (steps.root / name).symlink_to(leads)
    else:
        (steps.root / name).write_text("x")
    before = sorted(os.listdir("/dev")), sorted(os.listdir("/tmp"))
    status, _ = steps.sh("true")
    assert status.code == 125 and message in status.message
    assert (sorted(os.listdir("/dev")), sorted(os.listdir("/tmp"))) == before


def mounted(steps: Steps, *mounts: BindSpec | TmpfsSpec | FileSpec, text: str = "true") -> tuple[StepStatus, str]:
    return steps.sh(text, mounts=mounts)


def test_mount_targets_do_not_leave_the_root(steps: Steps, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (steps.root / "out").symlink_to(outside)
    (steps.root / "up").symlink_to("../../../../../../.." + str(outside))
    for target in ("/out/x", "/up/x", "/out", "/up"):
        status, _ = mounted(steps, TmpfsSpec(target=target), text=f"echo x > {target}/f")
        assert status.code == 0, status
    assert os.listdir(outside) == []
    (steps.root / "loop").symlink_to("loop")
    (steps.root / "kernel").symlink_to("/proc/sys")
    (steps.root / "magic").symlink_to("/proc/self/root")
    for target, message in (
        ("/loop/x", "cannot mount at /loop/x: Too many levels"),
        ("/kernel", "into /proc or /sys"),
        ("/magic", "cannot mount at /magic"),
        ("/bin/busybox", "there is a file in the image"),
    ):
        status, _ = mounted(steps, TmpfsSpec(target=target))
        assert status.code == 125 and message in status.message


def test_binds(steps: Steps, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "f").write_text("content\n")
    (source / "escape").symlink_to("/")
    text = (
        "cat /b/sub/f; if (echo x > /b/new) 2>/dev/null; then echo wrote; fi; grep ' /b ' /proc/mounts | cut -d' ' -f4"
    )
    _, out = mounted(steps, BindSpec(target="/b", source=str(source)), text=text)
    assert out.startswith("content\nro,nosuid,nodev")
    _, out = mounted(steps, BindSpec(target="/b", source=str(source), readonly=False), text=text)
    assert out.startswith("content\nwrote\nrw,nosuid,nodev")
    assert (source / "new").read_text() == "x\n"
    with opened(source) as fd:
        _, out = mounted(steps, BindSpec(target="/b", source=fd, subpath="sub"), text="cat /b/f")
        assert out == "content\n"
        _, out = mounted(steps, BindSpec(target="/b", source=fd, subpath="sub/f"), text="cat /b")
        assert out == "content\n"
        _, out = mounted(steps, BindSpec(target="/b", source=fd, subpath="escape"), text="ls -A /b")
        assert "sub" in out and "etc" not in out.split()
        with pytest.raises(MachineError, match="cannot bind none at /b: No such file"):
            mounted(steps, BindSpec(target="/b", source=fd, subpath="none"))


def test_a_bind_from_a_view(runtime: NamespaceRuntime, steps: Steps, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "opt" / name).mkdir(parents=True)
    with Root(mount_view([tmp_path / "one", tmp_path / "two"])) as view:
        for _ in range(2):
            _, out = mounted(steps, BindSpec(target="/b", source=view.fd, subpath="opt"), text="ls /b")
            assert out == "one\ntwo\n"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bind_from_the_store(backend: Backend, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "opt" / name).mkdir(parents=True)
    make_root(tmp_path / "fs", skeleton=True)
    out: list[bytes] = []
    with runtime_of(backend, store=tmp_path) as runtime:
        for lowers in (("one", "two"), ("one",)):
            bind = BindSpec(target="/b", source=LayeredView(lowers=lowers), subpath="opt")
            argv = ("/bin/sh", "-c", "ls /b; stat -c %u:%g /b; if (echo x > /b/new) 2>/dev/null; then echo wrote; fi")
            request = StepRequest(argv=argv, env=(("PATH", "/bin"),), mounts=(bind,))
            assert runtime.run(LayeredView(lowers=(), upper="fs"), request, Streams(output=out.append)).ok
    assert b"".join(out) == b"one\ntwo\n0:0\none\n0:0\n"


def test_nested_mounts_in_any_order(steps: Steps) -> None:
    mounts = (FileSpec(target="/a/b/c", content=b"deep\n"), TmpfsSpec(target="/a/b"), TmpfsSpec(target="/a"))
    before = tree(steps.root)
    _, out = steps.sh("cat /a/b/c; grep -c ' /a' /proc/mounts", mounts=mounts)
    assert out == "deep\n3\n"
    assert tree(steps.root) == before


def test_a_secret_is_its_owners_and_in_memory_only(steps: Steps) -> None:
    secret = FileSpec(target="/run/secrets/x", content=b"7f3a-hidden\n", uid=1000, gid=1000)
    status, out = steps.sh("cat /run/secrets/x; ls -ln /run/secrets/x", mounts=(secret,), uid=1000, gid=1000)
    assert status.code == 0 and out.startswith("7f3a-hidden\n-r--------") and " 1000 " in out
    assert steps.sh("cat /run/secrets/x", mounts=(secret,), uid=1001, gid=1001)[0].code == 1
    found = [path for path in steps.root.rglob("*") if path.is_file() and b"7f3a-hidden" in path.read_bytes()]
    assert found == []
