"""A build that is killed anywhere leaves no mount, no process and no torn object, and the next one is right."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import bases

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KILLS = int(os.environ.get("METALOR_TEST_KILLS", "200"))
TOKEN = "metalor-kill-test"

RECIPE = """\
ARG BASE
ARG ROUND
FROM ${BASE} AS left
SH sleep 0.02; echo "$ROUND" > /left  # metalor-kill-test
WORKDIR /a/b
COPY files/ /files/
SH rm /files/file-3; echo "left $ROUND" > /files/file-4  # metalor-kill-test

FROM ${BASE} AS right
SH sleep 0.03; echo "right $ROUND" > /right; sleep 0.02  # metalor-kill-test

FROM left
COPY --from=right /right /right
SH sleep 0.01; cat /left /right /files/file-4 > /all  # metalor-kill-test
"""


def _mounts(ours: Path) -> set[str]:
    """Mounts that a build could have left: overlays, and whatever shows or lies in the test's folder.

    Others come and go while the test runs: they belong to whoever else uses the machine.
    """
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line for line in lines if str(ours) in line or line.partition(" - ")[2].startswith("overlay ")}


def _survivors() -> list[str]:
    """Processes that carry the test's token, zombies left out (init may reap them late)."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if TOKEN.encode() in command and state not in "ZX":
            found.append(f"{folder.name}: {command[:200]!r}")
    return found


def _wait_until_gone(seconds: float = 5.0) -> list[str]:
    end = time.monotonic() + seconds
    while (found := _survivors()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def _command(folder: Path, number: int, *more: str) -> list[str]:
    base = f"BASE=oci:{bases.directory()}/busybox:12"
    words = ["build", "kill.metalor", "--arg", base, "--arg", f"ROUND={number}", *more]
    return [sys.executable, "-m", "metalor_lang", *words]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "files").mkdir(parents=True)
    for number in range(40):
        (folder / "files" / f"file-{number}").write_text(f"{number}\n" * 200)
    (folder / "kill.metalor").write_text(RECIPE)
    return folder


def test_random_kills(project: Path, tmp_path: Path) -> None:
    env = dict(os.environ, METALOR_STORE=str(tmp_path / "store"), METALOR_TOKEN=TOKEN)
    before = _mounts(tmp_path)

    def build(number: int, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(_command(project, number, *more), cwd=project, env=env, text=True, capture_output=True)

    assert build(-1).returncode == 0  # unpacks the base, which no later build does
    started = time.monotonic()
    assert build(-2).returncode == 0
    span = time.monotonic() - started

    chance = random.Random(20260101)
    finished = 0
    for number in range(KILLS):
        process = subprocess.Popen(
            _command(project, number, "-o", f"oci:{tmp_path}/killed:{number}"),
            cwd=project,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(chance.uniform(0, span))
        process.send_signal(signal.SIGKILL)
        done = process.wait() == 0
        finished += done
        # The machine may be busier or less busy than when the build was timed: follow it.
        span *= 0.95 if done else 1.01
        assert _wait_until_gone() == [], f"after kill {number}"
        assert _mounts(tmp_path) <= before, f"after kill {number}"
        if number % 20 == 19:
            _check_result(build, number, tmp_path)

    checked = subprocess.run(
        [sys.executable, "-m", "metalor_lang", "cache", "verify", "--full"], env=env, text=True, capture_output=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert finished < KILLS / 2, "the kills came too late to test anything"


def _check_result(build: object, number: int, tmp_path: Path) -> None:
    """The build after a kill gives what an undisturbed store gives."""
    assert callable(build)
    done = build(number, "-o", f"rootfs:{tmp_path}/tree-{number}", "-o", f"oci:{tmp_path}/after:{number}")
    assert done.returncode == 0, done.stdout + done.stderr
    tree = tmp_path / f"tree-{number}"
    assert (tree / "all").read_text() == f"{number}\nright {number}\nleft {number}\n"
    assert not (tree / "files" / "file-3").exists()
    assert len(list((tree / "files").iterdir())) == 39

    fresh = dict(os.environ, METALOR_STORE=str(tmp_path / f"fresh-{number}"), METALOR_TOKEN=TOKEN)
    command = _command(Path.cwd(), number, "-o", f"oci:{tmp_path}/fresh:{number}")
    again = subprocess.run(command, cwd=tmp_path / "project", env=fresh, text=True, capture_output=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _digest(tmp_path / "after", number) == _digest(tmp_path / "fresh", number)


def _digest(layout: Path, number: int) -> str:
    manifests = json.loads((layout / "index.json").read_text())["manifests"]
    name = "org.opencontainers.image.ref.name"
    return next(entry["digest"] for entry in manifests if entry["annotations"][name] == str(number))
