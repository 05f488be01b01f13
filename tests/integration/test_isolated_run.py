"""Commands in roots, through the real re-exec: what they see, how they end, and when they are refused."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from metalor_lang import BindMount, build_unshare_reexec_command, prepare_oci_rootfs, run_isolated_container_command
from metalor_lang.isolated.errors import NotIsolated
from metalor_lang.isolated.sentinel import FOLDER
from tests.support import bases
from tests.support.isolated import ENV, Caller, snapshot
from tests.support.tinyroot import compile_static

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("image")
    return prepare_oci_rootfs(bases.reference("busybox"), prefix, prefix / "p")


def _copy(root: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", root, target], check=True)  # keeps the hard links of the applets


@pytest.fixture
def caller(image: Path, tmp_path: Path) -> Caller:
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    _copy(image, prefix / "root")
    return Caller(prefix, prefix / "root", tmp_path / "caller.py")


# --- what the command gets ------------------------------------------------------------------------------------------


def test_the_callers_private_subcommand_runs_the_command(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("given\n")
    (tmp_path / "out").mkdir()
    mounts = [BindMount(tmp_path / "in", "/data/in", True), BindMount(tmp_path / "out", "/out", False)]
    done = caller.sh("read word; cat /data/in; echo $word >/out/f; pwd; echo err >&2", mounts=mounts, cwd="/tmp")
    assert (done.returncode, done.stdout, done.stderr) == (0, "given\n/tmp\n", "err\n")
    typed = caller.start(caller.made(caller.command("cat")), input="typed\n")
    assert typed.stdout == "typed\n"
    assert (tmp_path / "out" / "f").read_text() == "\n"


def test_the_executed_process_gets_a_cleared_environment(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "1")
    env = [("ONLY", "this=one"), ("EMPTY", ""), ("TWICE", "1"), ("TWICE", "2")]
    done = caller.run("/bin/env", env=env)
    assert sorted(done.stdout.splitlines()) == ["EMPTY=", "ONLY=this=one", "TWICE=2"]
    assert caller.run("/bin/env", env=()).stdout == ""


def test_a_bare_command_name_is_searched_in_the_given_path(caller: Caller) -> None:
    shutil.copy(caller.root / "bin" / "busybox", caller.root / "home" / "echo")
    (caller.root / "home" / "tool").write_text("#!/bin/sh\necho found $0\n")
    (caller.root / "home" / "tool").chmod(0o755)
    done = caller.run("tool", env=[("PATH", "/nowhere:/home")])
    assert done.stdout == "found /home/tool\n"
    missing = caller.run("tool", env=ENV)
    assert (missing.returncode, missing.stderr) == (127, "the image has no command tool in PATH=/bin\n")


def test_a_minimal_host_surface_is_bound(caller: Caller) -> None:
    text = (
        "cat /etc/resolv.conf; echo; echo --; "
        "for d in null zero random urandom; do stat -c '%n %F %t:%T' /dev/$d; done; "
        "echo x >/dev/null; for d in zero random urandom; do head -c 4 /dev/$d | wc -c; done"
    )
    resolver, devices = caller.sh(text).stdout.split("\n--\n")
    machine = Path("/etc/resolv.conf")
    assert resolver == (machine.read_text() if machine.exists() else "")
    assert devices.splitlines() == [
        "/dev/null character special file 1:3",
        "/dev/zero character special file 1:5",
        "/dev/random character special file 1:8",
        "/dev/urandom character special file 1:9",
        *("4", "4", "4"),
    ]
    assert not (caller.root / "etc" / "resolv.conf").exists(), "what was made for a mount goes away again"
    assert list((caller.root / "dev").iterdir()) == []


@pytest.mark.parametrize(
    "destination", ["/etc/resolv.conf", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/etc/hosts"]
)
def test_an_explicit_mount_wins_over_the_automatic_one(caller: Caller, tmp_path: Path, destination: str) -> None:
    (tmp_path / "mine").write_text("explicit\n")
    done = caller.run("cat", destination, mounts=[BindMount(tmp_path / "mine", destination, True)])
    assert done.stdout == "explicit\n", done.stderr


def test_an_explicit_mount_above_an_automatic_target_wins(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").write_text("mine\n")
    done = caller.sh("cat /etc/resolv.conf; ls /etc", mounts=[BindMount(tmp_path / "etc", "/etc", True)])
    assert done.stdout == "mine\nresolv.conf\n"


def test_the_command_gets_a_fresh_proc(caller: Caller) -> None:
    done = caller.sh("echo $$; ls -d /proc/[0-9]* | wc -l; cat /proc/self/mountinfo | grep -c ' /proc '")
    pid, processes, mounts = (int(line) for line in done.stdout.split())
    assert pid == 2
    assert processes <= 7
    assert mounts == 1
    assert caller.sh("cat /proc/sys/kernel/core_pattern >/dev/null && echo x >/proc/sys/kernel/core_pattern").returncode


def test_the_root_s_own_hosts_file_is_seen(caller: Caller) -> None:
    (caller.root / "etc" / "hosts").write_text("10.0.0.1 mine\n")
    done = caller.sh("cat /etc/hosts; echo 10.0.0.2 more >>/etc/hosts")
    assert done.stdout == "10.0.0.1 mine\n", done.stderr
    assert (caller.root / "etc" / "hosts").read_text() == "10.0.0.1 mine\n10.0.0.2 more\n"


def test_read_only_and_writable_binds(caller: Caller, tmp_path: Path) -> None:
    for name in ("ro", "rw"):
        (tmp_path / name / "deep").mkdir(parents=True)
    mounts = [BindMount(tmp_path / "ro", "/ro", True), BindMount(tmp_path / "rw", "/rw", False)]
    done = caller.sh("echo x >/rw/deep/f; echo x >/ro/deep/f", mounts=mounts)
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert (tmp_path / "rw" / "deep" / "f").read_text() == "x\n"
    assert list((tmp_path / "ro" / "deep").iterdir()) == []
    assert not (caller.root / "ro").exists()


def test_the_command_is_confined(caller: Caller, tmp_path: Path) -> None:
    status = dict(line.split(":\t", 1) for line in caller.run("cat", "/proc/self/status").stdout.splitlines())
    assert status["CapEff"] == status["CapPrm"] == status["CapBnd"] == "00000000a00405fb"
    assert (status["CapInh"], status["CapAmb"]) == ("0" * 16, "0" * 16)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    for set_of_signals in ("SigBlk", "SigIgn"):
        assert int(status[set_of_signals], 16) == 0
    for text in ("mount -t tmpfs x /tmp", "mknod /tmp/sda b 8 0", "unshare -m true", "cat /proc/1/environ"):
        assert caller.sh(text).returncode != 0, text


def test_no_descriptor_of_the_caller_reaches_the_command(caller: Caller) -> None:
    made = caller.made(caller.command("ls", "/proc/self/fd"))
    with open("/etc/shadow", "rb") as secret:
        os.set_inheritable(secret.fileno(), True)
        done = subprocess.run(made.argv, env=made.environment(), stdout=subprocess.PIPE, text=True, close_fds=False)
    assert done.stdout.split() == ["0", "1", "2", "3"]  # 3 is ls's own


def test_a_chroot_escape_stays_inside(caller: Caller) -> None:
    source = """
        #include <sys/stat.h>
        #include <unistd.h>
        #include <stdio.h>
        int main(void) { mkdir("e", 0700); if (chroot("e")) return 3; for (int i = 0; i < 64; i++) chdir("..");
                         chroot("."); return access("/etc/debian_version", F_OK) == 0; }"""
    compile_static(source, caller.root / "escape")
    assert Path("/etc/debian_version").exists()
    assert caller.run("/escape").returncode == 0


# --- how it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (("sh", "-c", "exit 7"), 7, ""),
        (("sh", "-c", "kill -9 $$"), 137, ""),
        (("sh", "-c", "kill -TERM $$"), 143, ""),
        (("/etc/passwd",), 126, "/etc/passwd cannot be executed: Permission denied\n"),
        (("/absent",), 127, "the image has no command /absent\n"),
    ],
)
def test_the_exit_status_is_kept(caller: Caller, argv: tuple[str, ...], status: int, message: str) -> None:
    done = caller.run(*argv)
    assert (done.returncode, done.stderr) == (status, message)


def test_a_missing_working_directory_is_ours(caller: Caller) -> None:
    done = caller.run("true", cwd="/absent")
    assert done.returncode == 125
    assert done.stderr == "the working directory /absent cannot be entered: No such file or directory\n"


def test_orphans_end_with_the_command(caller: Caller) -> None:
    word = f"orphan-{time.time_ns()}"
    begun = time.monotonic()
    done = caller.sh(f"(sh -c 'sleep 600; : {word}' &) ; sleep 0.2; echo done")
    assert done.stdout == "done\n", done.stderr
    assert time.monotonic() - begun < 20
    assert not _alive(word)


def _alive(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().decode("utf-8", "replace")
            state = (path.parent / "stat").read_text().rpartition(") ")[2][0]
        except OSError:
            continue
        if word in text and state not in "ZX" and int(path.parent.name) != os.getpid():
            found.append(text)
    return found


def test_killing_unshare_ends_the_command(caller: Caller) -> None:
    word = f"killed-{time.time_ns()}"
    made = caller.made(caller.command("sh", "-c", f"sleep 600; : {word}"))
    with subprocess.Popen(made.argv, env=made.environment(), stderr=subprocess.DEVNULL) as process:
        _until(lambda: any(text.startswith("sh") for text in _alive(word)))
        process.kill()
        process.wait()
    _until(lambda: not _alive(word))


def test_killing_the_caller_ends_the_command_where_it_was_asked_for(caller: Caller) -> None:
    word = f"lifeline-{time.time_ns()}"
    made = caller.made(caller.command("sh", "-c", f"sleep 600; : {word}"))
    code = "import subprocess, sys; subprocess.run(['setpriv', '--pdeathsig', 'KILL', '--', *sys.argv[1:]])"
    argv = [sys.executable, "-c", code, *made.argv]
    with subprocess.Popen(argv, env=made.environment(), stderr=subprocess.DEVNULL) as process:
        _until(lambda: any(text.startswith("sh") for text in _alive(word)))
        process.kill()
        process.wait()
    _until(lambda: not _alive(word))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_private_process_reaches_the_command(caller: Caller, number: int) -> None:
    text = "trap 'echo got; exit 9' INT TERM; echo ready; while :; do sleep 0.1; done"
    made = caller.made(caller.command("sh", "-c", text))
    with subprocess.Popen(made.argv, env=made.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (inner,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(inner), number)
        assert process.stdout.read() == "got\n"
        assert process.wait(20) == 9


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_on_a_terminal_the_command_has_one_of_its_own(caller: Caller) -> None:
    made = caller.made(caller.command("sh", "-c", "tty; stty size; echo ok"))
    pid, master = pty.fork()
    if not pid:
        os.execvpe(made.argv[0], made.argv, made.environment())
    said = b""
    while select.select([master], [], [], 20)[0]:
        try:
            data = os.read(master, 4096)
        except OSError:
            break
        if not data:
            break
        said += data
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
    os.close(master)
    assert re.search(rb"/dev/pts/0\r\n\d+ \d+\r\nok\r\n", said), said


def test_nothing_is_mounted_or_left_on_the_host(caller: Caller, tmp_path: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    before = sorted(path.relative_to(caller.root) for path in caller.root.rglob("*"))
    done = caller.sh("mkdir /new/deep && rmdir /new/deep; true", mounts=[BindMount(tmp_path, "/new/mount/point", True)])
    assert done.returncode == 0
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert sorted(path.relative_to(caller.root) for path in caller.root.rglob("*")) == before


def test_an_almost_empty_root_runs_and_stays_as_it_was(caller: Caller, tmp_path: Path) -> None:
    root = caller.prefix / "bare"
    (root / "bin").mkdir(parents=True)
    shutil.copy(caller.root / "bin" / "busybox", root / "bin" / "sh")
    bare = Caller(caller.prefix, root, caller.program)
    before = snapshot(root)
    done = bare.sh("echo ran; /bin/sh -c 'exit 4'", mounts=[BindMount(tmp_path, "/a/b/c", True)])
    assert (done.returncode, done.stdout) == (4, "ran\n"), done.stderr
    assert snapshot(root) == before


def test_a_used_mount_point_stays(caller: Caller, tmp_path: Path) -> None:
    assert not (caller.root / "a").exists()
    done = caller.sh("echo x >/a/mine", mounts=[BindMount(tmp_path, "/a/b", True)])
    assert done.returncode == 0, done.stderr
    assert (caller.root / "a" / "mine").read_text() == "x\n"
    assert not (caller.root / "a" / "b").exists()


def test_commands_run_in_one_root_at_once(caller: Caller, tmp_path: Path) -> None:
    """A command that ends takes nothing away that another one still needs."""
    shutil.rmtree(caller.root / "proc")
    (tmp_path / "in").write_text("given\n")
    mounts = [BindMount(tmp_path / "in", "/data/in", True)]
    text = (
        "for i in $(seq {count}); do cat /data/in && test -d /proc/self && cat /etc/hosts && sleep 0.05; done | wc -l"
    )
    for _ in range(3):
        made = [caller.made(caller.command("sh", "-c", text.format(count=n), mounts=mounts)) for n in (1, 1, 3, 8, 12)]
        running = [
            subprocess.Popen(one.argv, env=one.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for one in made
        ]
        said = [process.communicate(timeout=60) for process in running]
        assert [errors for _, errors in said] == [""] * 5
        assert [int(lines) for lines, _ in said] == [count * 4 for count in (1, 1, 3, 8, 12)]
    caller.run("true")
    assert not (caller.root / "data" / "in").is_dir()


# --- when it is refused ---------------------------------------------------------------------------------------------


def _inner(caller: Caller, *changes: tuple[str, str], env: Mapping[str, str] | None = None) -> str:
    """Run the re-exec with words of its command replaced, in real private namespaces; what it says."""
    made = caller.made(caller.command("touch", "/ran"))
    argv = list(made.argv)
    for old, new in changes:
        argv = [new if word == old else word for word in argv]
    done = caller.start(made, argv, None if env is None else {**dict(made.env), **env})
    assert not (caller.root / "ran").exists()
    assert done.returncode == 1, done
    return done.stderr.strip()


def test_the_inner_runner_refuses_the_host_mount_namespace(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    command = caller.command("touch", "/ran")
    made = caller.made(command)
    for name, value in made.env:
        monkeypatch.setenv(name, value)
    with pytest.raises(NotIsolated, match=r"refusing to run a container command in the (host )?mount namespace"):
        run_isolated_container_command(command)
    program = made.argv[made.argv.index("--") + 1 :]
    assert re.search(r"NotIsolated: refusing .* in the (host )?mount namespace", caller.start(made, program).stderr)
    # Here the first process is a shell in the namespace that we are in, whatever the sentinel says.
    shell = ("unshare", "--fork", "--pid", "--uts", "--ipc", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh")
    said = caller.start(made, [*shell, *program]).stderr.strip()
    assert said == "NotIsolated: refusing to run a container command in the host mount namespace"
    assert not (caller.root / "ran").exists()


@pytest.mark.parametrize("flag", ["--mount", "--pid", "--uts", "--ipc"])
def test_each_namespace_must_be_new(caller: Caller, flag: str) -> None:
    name = {"--mount": "(host )?mount"}.get(flag, flag[2:])
    said = _inner(caller, (flag, "--cgroup"))
    assert re.match(f"NotIsolated: refusing to run a container command in the {name} namespace", said)


def test_a_nested_mount_namespace_is_compared_with_the_outer_side_s(caller: Caller) -> None:
    """Where the first process's namespace says nothing (here it is the caller's own), the sentinel's record decides."""
    code = (
        "import subprocess, sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from tests.support.isolated import Caller\n"
        "prefix = Path(sys.argv[1]); caller = Caller(prefix, prefix / 'root', prefix.parent / 'caller.py')\n"
        "made = caller.made(caller.command('touch', '/ran'))\n"
        "done = caller.start(made, [word for word in made.argv if word != '--mount'])\n"
        "print(done.stderr.strip())\n"
        "print(caller.start(made).returncode)\n"
    )
    here = str(Path(__file__).parents[2])
    argv = ["unshare", "--mount", sys.executable, "-c", code, str(caller.prefix), here]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "NotIsolated: refusing to run a container command in the mount namespace of the process that prepared it",
        "0",
    ], done.stderr


@pytest.mark.parametrize("value", ["", "0", "yes"])
def test_the_inner_runner_refuses_without_metalor_private_ns(caller: Caller, value: str) -> None:
    said = _inner(caller, env={"METALOR_PRIVATE_NS": value})
    assert said == "NotIsolated: refusing to run a container command without METALOR_PRIVATE_NS=1"
    assert _inner(caller, env={"METALOR_RUNTIME_ROOT_PREFIX": ""}).endswith("without METALOR_RUNTIME_ROOT_PREFIX")


def test_the_inner_runner_refuses_a_root_outside_the_prefix(caller: Caller, tmp_path: Path) -> None:
    _copy(caller.root, tmp_path / "outside")
    said = _inner(caller, (str(caller.root), str(tmp_path / "outside")))
    assert said.startswith("NotIsolated: refusing to run a container command outside the runtime root prefix: ")
    assert "outside the runtime root prefix" in _inner(caller, (str(caller.root), "/etc"))
    assert "container root must not be /" in _inner(caller, (str(caller.root), "/"))
    assert "must not be /" in _inner(caller, env={"METALOR_RUNTIME_ROOT_PREFIX": "/"})
    (tmp_path / "other").mkdir()
    assert "outside the runtime root prefix" in _inner(
        caller, env={"METALOR_RUNTIME_ROOT_PREFIX": str(tmp_path / "other")}
    )
    (caller.prefix / "link").symlink_to(tmp_path / "outside")
    said = _inner(caller, (str(caller.root), str(caller.prefix / "link")))
    assert said.startswith("PathRefused: container root traverses a symbolic link")
    assert not (tmp_path / "outside" / "ran").exists()


def test_the_inner_runner_refuses_without_the_matching_sentinel(caller: Caller, tmp_path: Path) -> None:
    made = caller.made(caller.command("touch", "/ran"))
    (file,) = (caller.prefix / FOLDER).iterdir()
    good = file.read_bytes()
    file.unlink()
    assert caller.start(made).stderr.strip().endswith("root: the root has no sentinel")
    file.write_bytes(good.replace(b'"format":1', b'"format":9'))
    assert "its sentinel does not match the declared prefix and root" in caller.start(made).stderr
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(good)
    assert "sentinel traverses a symbolic link" in caller.start(made).stderr
    file.unlink()
    file.write_bytes(good)
    wider = {**dict(made.env), "METALOR_RUNTIME_ROOT_PREFIX": str(tmp_path)}
    assert "the root has no sentinel" in caller.start(made, env=wider).stderr
    caller.root.rename(caller.prefix / "moved")
    _copy(caller.prefix / "moved", caller.root)
    assert "its sentinel does not match" in caller.start(made).stderr
    assert not (caller.root / "ran").exists()


@pytest.mark.parametrize(
    ("place", "mounts"),
    [
        ("etc", ()),
        ("etc/resolv.conf", ()),
        ("dev", ()),
        ("dev/null", ()),
        ("proc", ()),
        ("sys", ()),
        ("data", ("/data",)),
        ("data", ("/data/deep/er",)),
        ("first/link", ("/first/new", "/first/link/x")),
    ],
)
@pytest.mark.parametrize("leads", ["absolute", "relative", "dangling", "loop"])
def test_a_link_planted_after_the_outer_check_is_refused_before_any_mount(
    caller: Caller, tmp_path: Path, place: str, mounts: tuple[str, ...], leads: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    command = caller.command("touch", "/ran", mounts=[BindMount(outside, target, False) for target in mounts])
    made = caller.made(command)
    link = caller.root / place
    if link.is_dir():
        shutil.rmtree(link)
    link.parent.mkdir(exist_ok=True)
    targets = {"absolute": str(outside), "relative": "../../outside", "dangling": "/absent/x", "loop": link.name}
    link.symlink_to(targets[leads])
    before = snapshot(tmp_path)
    done = caller.start(made)
    assert done.stderr.startswith("PathRefused: container "), done.stderr
    assert f"traverses a symbolic link: {link} leads to " in done.stderr
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("planted", ["file", "fifo"])
@pytest.mark.parametrize("place", ["proc", "dev", "etc"])
def test_files_in_the_place_of_reserved_directories_are_refused(caller: Caller, place: str, planted: str) -> None:
    made = caller.made(caller.command("touch", "/ran"))
    shutil.rmtree(caller.root / place)
    os.mkfifo(caller.root / place) if planted == "fifo" else (caller.root / place).write_text("")
    before = snapshot(caller.prefix)
    done = caller.start(made)
    assert done.stderr.startswith("PathRefused: container auto-mount target"), done.stderr
    assert snapshot(caller.prefix) == before


def test_a_source_that_vanished_is_named(caller: Caller, tmp_path: Path) -> None:
    made = caller.made(caller.command("true", mounts=[BindMount(tmp_path / "absent", "/x", True)]))
    assert caller.start(made).stderr.startswith(f"PathRefused: bind mount source {tmp_path}/absent cannot be opened")


def test_the_outer_command_can_start_an_executable_script(caller: Caller, tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text(f"#!{sys.executable}\n{caller.program.read_text()}")
    script.chmod(0o755)
    made = build_unshare_reexec_command(script, "internal-run", caller.prefix, caller.command("echo", "hi"))
    done = caller.start(made)
    assert (done.returncode, done.stdout) == (0, "hi\n"), done.stderr
