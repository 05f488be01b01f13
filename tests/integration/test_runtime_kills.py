"""SIGKILL of the builder at random moments: nothing of any step survives and nothing stays mounted."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from metalor_lang.errors import MetalorError
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.request import BindSpec, StepRequest, Streams, TmpfsSpec
from metalor_lang.runtime.world import enter
from tests.support.disks import in_own_mounts
from tests.support.remains import HostState, adopting, ask_child, survivors
from tests.support.tinyroot import Steps, children, make_root, opened, zygote

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROUNDS = 50
# Two threads run steps without pause; each has children that would go on for minutes.
BUILDER = """
import os, sys, threading
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.request import StepRequest, Streams, TmpfsSpec
fd = os.open(sys.argv[1], os.O_PATH | os.O_DIRECTORY)
runtime = start_runtime()
print("ready", flush=True)
text = "(sleep 300 &); sh -c 'sleep 300' & sleep 0.02; exec sleep 0.0$(($$ % 7))"
def work():
    while True:
        request = StepRequest(argv=("/bin/sh", "-c", text), mounts=(TmpfsSpec(target="/made/here"),))
        runtime.run(fd, request, Streams(output=lambda data: None))
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
"""


def test_nothing_survives_the_builder(tmp_path: Path) -> None:
    root = make_root(tmp_path / "fs")
    (tmp_path / "empty").mkdir()
    chance = random.Random(4711)
    project = Path(__file__).parent.parent.parent

    def kill_again_and_again() -> None:
        before = HostState.now(tmp_path / "empty")
        for _ in range(ROUNDS):
            builder = subprocess.Popen([sys.executable, "-c", BUILDER, root], stdout=subprocess.PIPE, cwd=project)
            assert builder.stdout is not None
            assert builder.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.3))
            builder.send_signal(signal.SIGKILL)
            builder.wait()
            builder.stdout.close()
            assert survivors() == []
        assert before.changed(tmp_path / "empty") == []

    def adopt() -> None:
        with adopting():
            kill_again_and_again()

    in_own_mounts(adopt)


def test_no_mount_of_a_step_appears_in_the_machines_table(tmp_path: Path) -> None:
    """The root is a plain directory and a bind has a mount below it: both lie on mounts that spread to their peers."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "shown" / "inside").mkdir(parents=True)
    root = make_root(tmp_path / "fs")

    def run() -> None:
        before = HostState.now(tmp_path / "empty")
        seen: list[str] = []
        mounts = (
            BindSpec(target="/shown", source=str(tmp_path / "shown")),
            TmpfsSpec(target="/shown/inside"),
        )
        request = StepRequest(argv=("/bin/sh", "-c", "echo on; sleep 0.1"), mounts=mounts)
        with start_runtime() as runtime, opened(root) as fd:
            streams = Streams(output=lambda data: seen.extend(before.changed(tmp_path / "empty")))
            status = runtime.run(fd, request, streams)
        assert status.ok, status
        assert seen == []
        assert before.changed(tmp_path / "empty") == []

    in_own_mounts(run)


def test_too_few_descriptors_never_choose_a_weaker_backend(tmp_path: Path) -> None:
    """Entering a world with room for none, one, two … more descriptors gives the best one, or fails."""

    def choose(room: int) -> str:
        os.environ.pop("METALOR_BACKEND", None)
        taken = set(map(int, os.listdir("/proc/self/fd")))
        limit = [number for number in range(4096) if number not in taken][room]
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            return enter(tmp_path / f"store-{room}").backend.value
        except (OSError, MetalorError) as error:
            return str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    said = [ask_child(lambda room=room: choose(room)) for room in range(20)]  # type: ignore[misc]
    assert said[-1] == "userns"
    assert "Too many open files" in said[0]
    assert all(one == "userns" or "Too many open files" in one for one in said), said


def test_a_step_whose_init_is_killed_is_an_error_and_the_runtime_goes_on(tmp_path: Path) -> None:
    root = make_root(tmp_path / "fs")
    with start_runtime() as runtime:
        steps = Steps(runtime, root)
        helper = zygote(runtime)

        def kill() -> None:
            while not (root / "tmp" / "ready").exists():
                time.sleep(0.01)
            # Also the one that waits for the next step: another is made then.
            for pid in children(helper):
                os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        with pytest.raises(Exception, match="killed from outside") as caught:
            steps.sh("touch /tmp/ready; sleep 60")
        thread.join()
        assert "memory" in caught.value.help  # type: ignore[attr-defined]
        while children(helper):
            time.sleep(0.01)
        assert steps.sh("echo on")[1] == "on\n"
