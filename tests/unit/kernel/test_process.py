import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metalor_lang.errors import Exit
from metalor_lang.kernel import process, spawn
from metalor_lang.kernel.process import ToolFailed, ToolMissing, run_tool


def test_what_a_tool_writes(tmp_path: Path) -> None:
    done = run_tool(["sh", "-c", "cat; echo e >&2; pwd; echo $X"], input=b"in\n", env={"X": "y z"}, cwd=tmp_path)
    assert (done.status, done.stdout, done.stderr) == (0, f"in\n{tmp_path}\ny z\n".encode(), b"e\n")


def test_input_is_empty_unless_given() -> None:
    assert run_tool(["cat"]).stdout == b""


def test_a_failed_tool_can_be_pasted_back() -> None:
    argv = ["sh", "-c", "echo 'it broke' >&2; exit 3", "a b", "$X"]
    with pytest.raises(ToolFailed) as caught:
        run_tool(argv)
    first, said = caught.value.message.split("\n")
    assert first.startswith("sh ended with status 3: ")
    assert shlex.split(first.partition(": ")[2]) == argv
    assert said == "  it broke"
    assert (caught.value.status, caught.value.stderr, caught.value.argv) == (3, b"it broke\n", tuple(argv))
    assert caught.value.exit is Exit.REFUSED


def test_a_killed_tool_names_the_signal() -> None:
    with pytest.raises(ToolFailed, match="killed by signal 9"):
        run_tool(["sh", "-c", "kill -9 $$"])


def test_a_long_complaint_is_cut_to_its_end() -> None:
    with pytest.raises(ToolFailed) as caught:
        run_tool(["sh", "-c", "seq 100 >&2; exit 1"])
    assert caught.value.message.splitlines()[1:] == [f"  {number}" for number in range(93, 101)]


def test_a_missing_tool_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, package in (("skopeo", "skopeo"), ("newuidmap", "uidmap"), ("other", "other")):
        assert process.find_tool(name) is None
        with pytest.raises(ToolMissing, match=f"program {name} is not installed") as caught:
            run_tool([name])
        assert caught.value.help == f"install it: apt-get install {package}"
        assert caught.value.exit is Exit.MACHINE


def test_a_tool_that_takes_too_long_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(ToolFailed, match=r"did not end within 0\.2 seconds: sleep 60"):
        run_tool(["sleep", "60"], timeout=0.2)
    assert time.monotonic() - started < 20


@pytest.mark.skipif(process.find_tool("setpriv") is None, reason="setpriv (util-linux) is not installed")
def test_a_tool_dies_with_us(tmp_path: Path) -> None:
    token = f"6{os.getpid()}"
    code = "from metalor_lang.kernel.process import run_tool; import sys; run_tool(['sleep', sys.argv[1]])"
    root = Path(process.__file__).parent.parent.parent
    builder = subprocess.Popen([sys.executable, "-c", code, token], cwd=root)

    def running() -> bool:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
            except OSError:
                continue
            if words[:2] == [b"sleep", token.encode()] or (words[0].endswith(b"/sleep") and words[1] == token.encode()):
                return not dead
        return False

    deadline = time.monotonic() + 20
    while not running():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    while running():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_spawned_child_gets_only_what_is_passed() -> None:
    read, write = os.pipe()
    code = f"import os; os.write({write}, str(sorted(map(int, os.listdir('/proc/self/fd')))).encode())"
    child = spawn.spawn([sys.executable, "-I", "-S", "-c", code], pass_fds=(write,), env={})
    os.close(write)
    assert child.wait(20) == 0 and child.poll() == 0
    told = os.read(read, 1000).decode()
    os.close(read)
    assert told == f"[0, 1, 2, {', '.join(map(str, sorted({write, 3 if write != 3 else 4})))}]"  # one is listdir's own


def test_a_spawned_child_gets_nothing_that_we_inherited(tmp_path: Path) -> None:
    kept = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(kept, True)
    script = f"import os, sys\ntry: os.fstat({kept})\nexcept OSError: sys.exit(7)"
    child = spawn.spawn([sys.executable, "-I", "-S", "-c", script])
    os.close(kept)
    assert child.wait(20) == 7


def test_a_descriptor_above_the_limit_is_not_inherited_either() -> None:
    """It was opened before the limit was lowered: no call may name it any more, but an exec would keep it."""
    listing = "import os, sys; sys.exit(any(int(fd) > 30 for fd in os.listdir('/proc/self/fd')))"
    script = f"""if True:
        import os, resource, sys
        from metalor_lang.kernel.spawn import spawn
        os.dup2(0, 40)
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
        sys.exit(spawn([sys.executable, "-I", "-S", "-c", {listing!r}]).wait())
    """
    assert subprocess.run([sys.executable, "-c", script], stdin=subprocess.DEVNULL, check=False).returncode == 0


def test_a_spawned_child_can_be_waited_for_and_killed() -> None:
    child = spawn.spawn(["sleep", "60"])
    assert child.poll() is None and child.wait(0.05) is None
    assert os.getsid(child.pid) == child.pid
    child.kill()
    assert child.wait(20) == -signal.SIGKILL
