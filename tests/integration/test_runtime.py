"""What a step is given, what it is told, and how it ends."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalor_lang.kernel import syscalls
from metalor_lang.runtime.cancel import Cancel
from metalor_lang.runtime.client import NamespaceRuntime, RuntimeLost, start_runtime
from metalor_lang.runtime.request import StepRequest, Streams
from metalor_lang.runtime.world import Backend
from tests.support.tinyroot import Steps, children, compile_static, make_root, opened, zygote
from tests.support.worlds import BACKENDS, runtime_of

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=BACKENDS)
def runtime(request: pytest.FixtureRequest) -> Iterator[NamespaceRuntime]:
    with runtime_of(request.param) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def steps(runtime: NamespaceRuntime, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return Steps(runtime, make_root(tmp_path_factory.mktemp("root") / "fs", skeleton=True))


ENDINGS = [
    ("exit 0", 0, None),
    ("exit 7", 7, None),
    ("exit 255", 255, None),
    ("false | true", 1, None),
    ("kill -9 $$", 137, 9),
    ("kill -TERM $$", 143, 15),
    ("kill -SEGV $$", 139, 11),
    ("kill -INT 1; kill -TERM 1; kill -KILL 1; exit 5", 5, None),
    ("echo $NOT_SET", 2, None),
    ("no-such-command", 127, None),
]


@pytest.mark.parametrize(("text", "code", "number"), ENDINGS)
def test_the_status_is_the_commands_own(steps: Steps, text: str, code: int, number: int | None) -> None:
    status, _ = steps.sh(text, pipefail=True)
    assert (status.code, status.signal, status.timed_out, status.cancelled) == (code, number, False, False)


def test_pipefail_only_when_asked(steps: Steps) -> None:
    assert steps.sh("false | true")[0].code == 0


def test_pipefail_is_left_out_where_the_shell_has_none(runtime: NamespaceRuntime, tmp_path: Path) -> None:
    root = make_root(tmp_path / "fs")
    compile_static(
        "#include <string.h>\n#include <stdio.h>\nint main(int c, char **v) {"
        'if (c == 3 && strstr(v[2], "pipefail")) { puts("noise"); return 2; }'
        "for (int i = 1; i < c; i++) puts(v[i]); return 0; }",
        root / "bin" / "poor-shell",
    )
    status, out = Steps(runtime, root).run("/bin/poor-shell", "-eu", "-c", "text", pipefail=True)
    assert (status.code, out) == (0, "-eu\n-c\ntext\n")


REFUSALS = [
    (("none",), {}, 127, "no command none in PATH=/bin"),
    (("/bin/none",), {}, 127, "no command /bin/none"),
    (("/etc/hosts",), {}, 126, "/etc/hosts cannot be executed: Permission denied"),
    (("/tmp",), {}, 126, "/tmp cannot be executed"),
    (("/bin/text",), {}, 126, "#!/bin/sh"),
    (("/bin/orphan",), {}, 127, "interpreter or loader"),
    (("/bin/true",), {"cwd": "/no/where"}, 125, "working directory /no/where"),
    (("/bin/true",), {"cwd": "/etc/hosts"}, 125, "working directory /etc/hosts"),
]


@pytest.mark.parametrize(("argv", "fields", "code", "message"), REFUSALS)
def test_what_cannot_start_says_why(
    steps: Steps, argv: tuple[str, ...], fields: dict[str, object], code: int, message: str
) -> None:
    for name, content in (("text", "no first line\n"), ("orphan", "#!/no/such/interpreter\n")):
        file = steps.root / "bin" / name
        file.write_text(content)
        file.chmod(0o755)
    status, _ = steps.run(*argv, **fields)  # type: ignore[arg-type]
    assert status.code == code
    assert message in status.message


def test_the_environment_is_given_exactly(steps: Steps) -> None:
    pairs = (("Z", "last first"), ("A", ""), ("N", "two\nlines"), ("B", os.fsdecode(b"\xff\xfe")), ("É", "é"))
    out: list[bytes] = []
    with opened(steps.root) as fd:
        request = StepRequest(argv=("/bin/cat", "/proc/self/environ"), env=pairs)
        steps.runtime.run(fd, request, Streams(output=out.append))
    assert b"".join(out) == b"".join(os.fsencode(f"{name}={value}\0") for name, value in pairs)
    assert steps.run("/bin/env", env=())[1] == ""


def test_arguments_arrive_unchanged_and_long_ones_fit(steps: Steps) -> None:
    words = ("", " ", "a b", "$X", "é", "\n", "-n", "x" * 100_000)
    _, out = steps.run("/bin/printf", "[%s]", *words)
    assert out == "".join(f"[{word}]" for word in words)


def test_only_three_descriptors(steps: Steps, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    leak = os.open(tmp_path / "secret", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        _, out = steps.sh("cd /proc/self/fd; echo *; readlink 0")
        assert out == "0 1 2 3\n/dev/null\n"  # 3 is the shell's own open directory
        # Numbers can be listed by root, but none can be read or opened: PID 1 is not dumpable.
        look = "for f in *; do if readlink $f || cat $f; then echo open; fi; done; echo end"
        _, out = steps.sh(f"cd /proc/1/fd 2>/dev/null || exec echo end; {look}")
        assert "open\n" not in out and out.endswith("end\n")
    finally:
        os.close(leak)


def test_only_its_own_processes(steps: Steps) -> None:
    _, out = steps.sh("cd /proc; echo [0-9]*; cat /proc/1/environ || echo closed; ls /proc/1/root/ || echo closed")
    assert out.splitlines()[0] in ("1 2", "1 2 3")
    assert out.count("closed\n") == 2


def test_a_fresh_world(steps: Steps) -> None:
    status, out = steps.sh(
        "hostname; umask; ulimit -c; ulimit -n; trap;"
        "grep -E '^(Sig(Blk|Ign)|NoNewPrivs|Seccomp:)' /proc/self/status;"
        "ls /dev; stat -c '%a %t:%T' /dev/null; echo x > /dev/null; echo x > /dev/full || true;"
        "cat /etc/hosts; ls -d /dev/shm; echo x > /dev/shm/x; pwd",
        hostname="box.example",
        cwd="/tmp",
    )
    assert status.code == 0
    lines = out.splitlines()
    # In a user namespace a setuid program is welcome: it makes nobody more than the step's own superuser.
    no_new_privileges = "1" if steps.runtime.backend is Backend.PRIVILEGED else "0"
    assert lines[:4] == ["box.example", "0022", "0", "1024"]
    assert [line.split()[1] for line in lines[4:8]] == ["0" * 16, "0" * 16, no_new_privileges, "2"]
    devices = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert " ".join(lines[8:]).startswith(devices)
    assert "666 1:3" in lines and "127.0.1.1\tbox.example" in lines
    assert lines[-1] == "/tmp"


def test_no_ignored_signal_reaches_a_step(tmp_path: Path) -> None:
    """Whoever starts a build may ignore any signal, the C library's own 32 too: an exec would pass it on."""
    root = make_root(tmp_path / "fs", skeleton=True)
    ignored = (signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ, 32, signal.SIGRTMAX)
    before = {number: signal.getsignal(number) for number in ignored if number != 32}
    for number in ignored:
        syscalls.set_disposition(number, ignored=True)
    try:
        with start_runtime() as runtime:
            _, out = Steps(runtime, root).run("/bin/grep", "SigIgn", "/proc/self/status")
    finally:
        for number in ignored:
            syscalls.set_disposition(number)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert out.split() == ["SigIgn:", "0" * 16]


@pytest.mark.parametrize("uid", [0, 1000, 65534])
def test_any_user_can_open_its_streams_anew(steps: Steps, uid: int) -> None:
    status, out = steps.sh(
        "echo a > /dev/stdout; echo b > /dev/stderr; echo c >> /proc/self/fd/1; cat /dev/stdin", uid=uid, gid=uid
    )
    assert (status.code, out) == (0, "a\nb\nc\n")


def test_a_user_changed_to_inside_can_open_them_too(steps: Steps) -> None:
    (steps.root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nbob:x:77:77::/:/bin/sh\n")
    status, out = steps.sh("su bob -c 'id -u; echo a > /dev/stdout; echo b > /dev/stderr'")
    assert (status.code, out) == (0, "77\na\nb\n")


def test_identity(steps: Steps) -> None:
    _, out = steps.sh("id -u; id -g; id -G; grep Cap /proc/self/status", uid=1000, gid=100, groups=(7, 8))
    lines = out.splitlines()
    assert lines[:3] == ["1000", "100", "100 7 8"]
    caps = dict(line.split() for line in lines[3:])
    assert {caps[name] for name in ("CapInh:", "CapPrm:", "CapEff:", "CapAmb:")} == {"0" * 16}
    _, out = steps.sh("id -u; id -G; grep Cap /proc/self/status")
    caps = dict(line.split() for line in out.splitlines()[2:])
    assert {caps[name] for name in ("CapPrm:", "CapEff:", "CapBnd:")} == {"00000000a00405fb"}
    assert {caps[name] for name in ("CapInh:", "CapAmb:")} == {"0" * 16}


def test_standard_error_apart_and_input(steps: Steps) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    read, write = os.pipe()
    os.write(write, b"typed\n")
    os.close(write)
    with opened(steps.root) as fd:
        request = StepRequest(argv=("/bin/sh", "-c", "cat; echo e >&2"))
        status = steps.runtime.run(fd, request, Streams(output=out.append, errors=err.append, stdin=read))
    os.close(read)
    assert (status.code, b"".join(out), b"".join(err)) == (0, b"typed\n", b"e\n")


def test_no_output_is_lost(steps: Steps) -> None:
    size = 10 << 20
    status, out = steps.sh(f"head -c {size} /dev/zero | tr '\\0' x; echo; echo end")
    assert status.code == 0
    assert len(out) == size + len("\nend\n") and out.endswith("x\nend\n")


def test_orphans_are_reaped_and_die_with_the_command(steps: Steps) -> None:
    text = (
        "i=0; while [ $i -lt 20 ]; do (sh -c 'sleep 0.01' &) ; i=$((i+1)); done; sleep 0.5;"
        "grep -l 'State:.Z' /proc/[0-9]*/status 2>/dev/null || echo none; (sleep 4242 &) ; exit 3"
    )
    started = time.monotonic()
    status, out = steps.sh(text)
    assert (status.code, out) == (3, "none\n")
    assert time.monotonic() - started < 30
    assert not _alive(b"4242")


def _alive(token: bytes) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and token in Path(f"/proc/{name}/cmdline").read_bytes():
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX":
                    found.append(int(name))
        except OSError:
            pass
    return found


def test_the_time_limit(steps: Steps) -> None:
    started = time.monotonic()
    status, _ = steps.sh("sleep 60", timeout=0.2)
    assert (status.code, status.timed_out) == (124, True)
    assert "0.2 s" in status.message
    status, out = steps.sh("trap 'echo asked' TERM; while :; do sleep 1 || true; done", timeout=0.3, grace=0.3)
    assert (status.code, status.timed_out, status.signal) == (124, True, 9)
    assert "asked" in out
    assert time.monotonic() - started < 20


def _fire_when_ready(cancel: Cancel, ready: Path, times: int) -> threading.Thread:
    def fire() -> None:
        while not ready.exists():
            time.sleep(0.01)
        for _ in range(times):
            cancel.fire(signal.SIGINT)

    thread = threading.Thread(target=fire)
    thread.start()
    return thread


def test_cancel(steps: Steps) -> None:
    for text, grace, times, code in (
        ("touch /tmp/ready; sleep 60", 5.0, 1, 130),
        ("trap 'exit 9' INT; touch /tmp/ready; while :; do sleep 0.1; done", 5.0, 1, 9),
        ("trap '' INT; touch /tmp/ready; sleep 60", 0.3, 1, 137),
        ("trap '' INT; touch /tmp/ready; sleep 60", 60.0, 2, 137),
    ):
        ready = steps.root / "tmp" / "ready"
        ready.unlink(missing_ok=True)
        cancel = Cancel()
        thread = _fire_when_ready(cancel, ready, times)
        started = time.monotonic()
        status, _ = steps.sh(text, cancel=cancel, grace=grace)
        thread.join()
        assert (status.code, status.cancelled, status.ok) == (code, True, False), text
        assert time.monotonic() - started < 20
    status, _ = steps.sh("sleep 60", cancel=cancel)  # fired before: ends at once
    assert status.cancelled


def test_an_exception_in_a_callback_kills_the_step(steps: Steps) -> None:
    def broken(data: bytes) -> None:
        raise RuntimeError("disk full")

    with opened(steps.root) as fd, pytest.raises(RuntimeError, match="disk full"):
        steps.runtime.run(fd, StepRequest(argv=("/bin/sh", "-c", "echo x; sleep 4343")), Streams(output=broken))
    deadline = time.monotonic() + 10
    while _alive(b"4343"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_several_at_once(steps: Steps) -> None:
    results: dict[int, tuple[int, str]] = {}

    def one(number: int) -> None:
        for turn in range(4):
            status, out = steps.sh(f"hostname; sleep 0.05; exit {number}", hostname=f"h{number}-{turn}")
            results[number * 10 + turn] = (status.code, out)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n * 10 + t: (n, f"h{n}-{t}\n") for n in range(6) for t in range(4)}


def test_no_descriptor_and_no_child_is_left(steps: Steps) -> None:
    steps.sh("true")
    ours = sorted(os.listdir("/proc/self/fd"))
    pid = zygote(steps.runtime)
    helper = sorted(os.listdir(f"/proc/{pid}/fd"))
    for text in ("true", "exit 1", "kill -9 $$", "none"):
        steps.sh(text)
    steps.run("/none", cwd="/none")
    assert sorted(os.listdir("/proc/self/fd")) == ours
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == helper
    deadline = time.monotonic() + 10
    while len(left := children(pid)) > 1:  # the one that waits for the next step
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_closing_the_runtime_ends_its_steps(tmp_path: Path) -> None:
    root = make_root(tmp_path / "fs")
    runtime = start_runtime()
    ended: list[object] = []

    def one() -> None:
        try:
            ended.append(Steps(runtime, root).sh("touch /tmp/ready; sleep 4545"))
        except RuntimeLost as error:
            ended.append(error)

    thread = threading.Thread(target=one)
    thread.start()
    while not (root / "tmp" / "ready").exists():
        time.sleep(0.01)
    runtime.close()
    runtime.close()  # twice does no harm
    thread.join()
    assert isinstance(ended[0], RuntimeLost)
    assert not _alive(b"4545")


def test_a_lost_helper_is_said(tmp_path: Path) -> None:
    root = make_root(tmp_path / "fs")
    with start_runtime() as runtime:
        ended: list[object] = []

        def one() -> None:
            try:
                ended.append(Steps(runtime, root).sh("echo x > /tmp/ready; sleep 60"))
            except RuntimeLost as error:
                ended.append(error)

        thread = threading.Thread(target=one)
        thread.start()
        while not (root / "tmp" / "ready").exists():
            time.sleep(0.01)
        os.kill(runtime.pid, signal.SIGKILL)
        thread.join()
        assert isinstance(ended[0], RuntimeLost)
        with pytest.raises(RuntimeLost, match="helper process"):
            Steps(runtime, root).sh("true")
