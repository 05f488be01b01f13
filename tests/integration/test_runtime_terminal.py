"""A step with a terminal, driven as a person would: through a pseudo-terminal of our own."""

import os
import pty
import select
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metalor_lang.runtime.request import StepRequest, StepStatus, Streams
from metalor_lang.runtime.world import Backend
from tests.support.tinyroot import make_root, opened
from tests.support.worlds import BACKENDS, runtime_of

pytestmark = pytest.mark.integration


class Person:
    """Types into one side of a terminal and reads what appears."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.seen = b""

    def wait(self, *texts: bytes) -> None:
        deadline = time.monotonic() + 15
        while any(text not in self.seen for text in texts):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(0, left))
            assert ready, self.seen
            self.seen += os.read(self.master, 65536)

    def type(self, text: bytes) -> None:
        self.seen = b""
        os.write(self.master, text)

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


def talk(
    root: Path, script: Callable[[Person], None], *argv: str, uid: int = 0, backend: Backend = BACKENDS[0]
) -> StepStatus:
    person = Person()
    results: list[StepStatus] = []
    termios.tcsetwinsize(person.slave, (33, 101))
    before = termios.tcgetattr(person.slave)

    def step() -> None:
        request = StepRequest(argv=argv, env=(("PATH", "/bin"), ("PS1", "ready> ")), uid=uid, gid=uid)
        with runtime_of(backend) as runtime, opened(root) as fd:
            results.append(runtime.run(fd, request, Streams(output=lambda data: None, terminal=person.slave)))

    thread = threading.Thread(target=step)
    thread.start()
    try:
        script(person)
        thread.join(15)
        assert not thread.is_alive()
        assert termios.tcgetattr(person.slave) == before  # out of raw mode again
    finally:
        person.close()
    return results[0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("uid", [0, 1000])
def test_a_shell_with_job_control(tmp_path: Path, uid: int, backend: Backend) -> None:
    def script(person: Person) -> None:
        person.wait(b"ready> ")
        person.type(b"tty; stty size\n")
        person.wait(b"/dev/pts/0", b"33 101")
        person.type(b"sleep 1000\n")
        time.sleep(0.3)
        person.type(b"\x03")  # Ctrl-C reaches the running program, not us and not the shell
        person.wait(b"ready> ")
        person.type(b"sleep 1000\n")
        time.sleep(0.3)
        person.type(b"\x1a")
        person.wait(b"Stopped")
        person.type(b"kill -9 %1; echo a$((1+1))b > /dev/tty\n")
        person.wait(b"a2b")
        before = person.seen
        person.type(b"sleep 0.2\n")
        person.wait(b"ready> ")
        assert b"Killed" in before + person.seen  # said at whichever prompt came after its end
        person.type(b"exit 5\n")

    assert talk(make_root(tmp_path / "fs"), script, "/bin/sh", "-i", uid=uid, backend=backend).code == 5


def test_the_last_output_is_shown(tmp_path: Path) -> None:
    def script(person: Person) -> None:
        person.wait(b"line 500\r\n", b"the end")

    status = talk(make_root(tmp_path / "fs"), script, "/bin/sh", "-c", "i=0; while [ $i -lt 500 ]; do i=$((i+1));"
                  "echo line $i; done; printf 'the end'; exit 3")  # fmt: skip
    assert status.code == 3
