"""SIGKILL at any moment: what was acknowledged comes back with `--resume`, and nothing half done does."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.support.workshop import Workshop

pytestmark = pytest.mark.integration
KILLS = int(os.environ.get("METALOR_REPL_KILLS", "12"))


class Talker:
    """A session that is typed to through a pipe."""

    def __init__(self, workshop, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "tests.support.talker", *words],
            cwd=workshop.path,
            env=workshop.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.said = b""

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def wait(self, pattern):
        while not re.search(pattern, self.said):
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, self.said.decode()
            self.said += data

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        rest, _ = self.process.communicate()
        self.said += rest
        return max((int(number) for number in re.findall(rb"done (\d+)", self.said)), default=0)


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


def test_kills(workshop):
    randomness = random.Random(7)
    acknowledged, words = 0, ()
    for _ in range(KILLS):
        talker = Talker(workshop, *words)
        talker.wait(rb"talk> ")
        if not acknowledged:
            talker.say(f"FROM {workshop.base}")
            talker.wait(rb"done 1\b")
        words = ("--resume",)
        for number in range(40):
            talker.say(f"SH echo {acknowledged}-{number} >> /log")
        talker.wait(rb"done %d\b" % (max(acknowledged, 1) + randomness.randrange(1, 4)))
        time.sleep(randomness.uniform(0, 0.15))
        now = talker.kill()
        before, acknowledged = acknowledged, max(acknowledged, now)
        listed = workshop.run("repl", "--resume", "-c", ":list\n:cat /log" if acknowledged > 1 else ":list").stdout
        rows = [line for line in listed.splitlines() if re.match(r"[> ] +\d+ +(ran|store)", line)]
        # One more may be there than was heard of: it was written down, and the kill came before the answer.
        assert acknowledged <= len(rows) <= max(acknowledged, before) + 1, listed
        acknowledged = len(rows)
        written = [line.split("SH echo ")[1].split(" >>")[0] for line in rows if "SH echo" in line]
        assert listed.splitlines()[-len(written) :] == written if written else True
    assert acknowledged > KILLS


def test_two_sessions_at_once(workshop):
    one, two = Talker(workshop), Talker(workshop)
    for talker, name in ((one, "one"), (two, "two")):
        talker.wait(rb"talk> ")
        talker.say(f"FROM {workshop.base} AS {name}")
        talker.say("SH echo same > /same")
        talker.say(f"SH echo {name} > /name")
    one.wait(rb"done 3")
    two.wait(rb"done 3")
    for talker, name in ((one, b"one"), (two, b"two")):
        talker.say(":cat /name")
        talker.wait(b"talk> " + name)
        talker.kill()
    for name in ("a", "b"):
        workshop.run("repl", "--resume", "-c", f":save {name}.metalor")
    assert sorted(re.findall(r"AS (\w+)", "".join(path.read_text() for path in workshop.path.glob("?.metalor")))) == [
        "one",
        "two",
    ]
    assert workshop.run("repl", "--resume", "-c", ":list", status=2).stderr.startswith("error: there is no session")
    workshop.run("build", "a.metalor", "--expect-cached")
    workshop.run("build", "b.metalor", "--expect-cached")


def test_gc_takes_nothing_that_a_living_session_could_go_back_to(workshop):
    talker = Talker(workshop)
    talker.wait(rb"talk> ")
    for number, text in enumerate([f"FROM {workshop.base}", "SH echo one > /one", "SH echo two > /two"], 1):
        talker.say(text)
        talker.wait(rb"done %d" % number)
    talker.say(":undo 2")
    talker.wait(rb"1: FROM")
    workshop.run("cache", "gc", "--all")
    for text, said in (
        (":redo", rb"2: SH echo one"),
        (":cat /one", rb"> one\n"),
        (":redo", rb"3: SH echo two"),
        (":cat /two", rb"> two\n"),
    ):
        talker.say(text)
        talker.wait(said)
    talker.kill()
    workshop.run("cache", "verify")
    # Without the session nothing keeps them: its statements are carried out again.
    workshop.run("cache", "gc", "--all")
    done = workshop.run("repl", "--resume", "-c", ":cat /one\n:cat /two")
    assert done.stdout.splitlines()[-2:] == ["one", "two"]
    assert "carried out again" in done.stdout
