"""SIGKILL of the builder at random moments: nothing of any step survives and nothing stays mounted."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from metalor_lang.runtime.client import start_runtime
from tests.support.tinyroot import Steps, children, make_root, zygote

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROUNDS = 50
# Two threads run steps without pause; every process of a step, and the helper, carries the token.
BUILDER = """
import os, sys, threading
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.request import StepRequest, TmpfsSpec
root, token = sys.argv[1:]
fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
runtime = start_runtime()
print(runtime.pid, flush=True)
text = "(sleep 300.%s &); sh -c 'sleep 300.%s' & sleep 0.02; exec sleep 0.0$(($$ %% 7))" % (token, token)
def work():
    while True:
        request = StepRequest(argv=("/bin/sh", "-c", text, token), mounts=(TmpfsSpec(target="/made/here"),))
        runtime.run(fd, request, output=lambda data: None)
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
"""


def survivors(token: str, builder: int) -> list[str]:
    """What lives of a builder: its steps carry the token, both processes of its helper its pid."""
    marks = (token.encode(), b'"parent": %d,' % builder)

    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit():
                words = Path(f"/proc/{name}/cmdline").read_bytes()
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
                if any(mark in words for mark in marks) and state not in "ZX":
                    found.append(f"{name} {state} {words!r}")
        except OSError:
            pass
    return found


def test_nothing_survives_the_builder(tmp_path: Path) -> None:
    root = make_root(tmp_path / "fs")
    mounts = Path("/proc/self/mountinfo").read_text()
    chance = random.Random(4711)
    project = Path(__file__).parent.parent.parent
    for turn in range(ROUNDS):
        token = f"{os.getpid()}{turn:03}{chance.randrange(10**6):06}"
        builder = subprocess.Popen(
            [sys.executable, "-c", BUILDER, root, token], stdout=subprocess.PIPE, cwd=project, env=os.environ
        )
        assert builder.stdout is not None
        try:
            helper = int(builder.stdout.readline())
            deadline = time.monotonic() + 10
            # Its words are there a moment after it was started.
            while str(helper) not in {line.split()[0] for line in survivors(token, builder.pid)}:
                assert time.monotonic() < deadline, "the search would not find the helper"
            time.sleep(chance.uniform(0, 0.3))
        finally:
            builder.send_signal(signal.SIGKILL)
            builder.wait()
            builder.stdout.close()
        deadline = time.monotonic() + 5
        while left := survivors(token, builder.pid):
            assert time.monotonic() < deadline, left
            time.sleep(0.01)
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_a_step_whose_init_is_killed_is_an_error_and_the_runtime_goes_on(tmp_path: Path) -> None:
    root = make_root(tmp_path / "fs")
    with start_runtime() as runtime:
        steps = Steps(runtime, root)
        helper = zygote(runtime)

        def kill() -> None:
            while not (root / "tmp" / "ready").exists():
                time.sleep(0.01)
            for pid in children(helper):
                os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        with pytest.raises(Exception, match="killed from outside") as caught:
            steps.sh("touch /tmp/ready; sleep 60")
        thread.join()
        assert "memory" in caught.value.help  # type: ignore[attr-defined]
        assert steps.sh("echo on")[1] == "on\n"
