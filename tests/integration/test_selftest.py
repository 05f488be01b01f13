"""What a step can do, measured here in every backend; and `doctor` and `selftest` as their users see them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from metalor_lang.kernel import syscalls
from metalor_lang.runtime.world import Backend
from metalor_lang.selftest.expected import FACTS, judge
from metalor_lang.selftest.inside.acts import Given
from metalor_lang.selftest.inside.attempts import ATTEMPTS, outcome_of
from metalor_lang.selftest.measure import Measured
from metalor_lang.selftest.place import PREFIX, apart
from tests.support.documents import ROOT
from tests.support.ordinary import run_as_user

pytestmark = pytest.mark.integration
METALOR = (sys.executable, "-m", "metalor_lang")
NAMES = [row.name for row in (*FACTS, *ATTEMPTS)]


def metalor(backend: str, folder: Path, *words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    """By root, or for `rootless` by an ordinary user; the store is in `folder`."""
    if backend == Backend.ROOTLESS:
        home = folder / "mara"
        return run_as_user([*METALOR, *words, "--store", home / "store"], home, cwd=ROOT, **more)
    command = [*METALOR, *words, "--backend", backend, "--store", str(folder / "store")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, **more)


@pytest.fixture(scope="module", params=list(Backend))
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str]:
    folder = tmp_path_factory.mktemp("measured")
    done = metalor(request.param, folder, "doctor", "--security")
    assert done.returncode == 0, done.stderr
    return request.param, folder, done.stdout


def measured(text: str) -> Measured:
    found = json.loads(text)
    names = ("backend", "why", "network", "status", "facts", "attempts")
    return Measured(shown=tuple(found["shown"]), **{name: found[name] for name in names})


@pytest.mark.parametrize("name", NAMES)
def test_a_step(said: tuple[str, Path, str], name: str) -> None:
    backend, _, text = said
    found = measured(text)
    assert found.backend == backend
    verdict = next(verdict for verdict in judge(found) if verdict.name == name)
    assert verdict.ok, verdict.detail


def test_a_second_measurement_is_the_same(said: tuple[str, Path, str]) -> None:
    backend, folder, text = said
    assert metalor(backend, folder, "doctor", "--security").stdout == text


def _unconfined(folder: Path) -> dict[str, str]:
    """As root in throw-away namespaces, with a root of its own but no filter and every capability."""
    namespaces = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWNET
    syscalls.unshare(namespaces | syscalls.CLONE_NEWPID)
    said = (folder / "said").open("w+")
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        with said:
            said.seek(0)
            return dict(json.load(said))
    try:
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("proc", "/proc", "proc")
        syscalls.mount("tmpfs", "/tmp", "tmpfs")
        Path("/tmp/canary").write_text("the machine's")
        # Whoever may make control groups makes a real one, of the whole machine: not here.
        tried = [each for each in ATTEMPTS if each.name != "cgroup"]
        json.dump({each.name: outcome_of(each, Given("/tmp/canary")) for each in tried}, said)
        said.flush()
    finally:
        os._exit(0)


def test_the_attempts_get_through_where_nothing_confines(tmp_path: Path) -> None:
    """The control: an attempt that were refused for a reason of its own would prove nothing."""
    outcomes = apart(lambda: _unconfined(tmp_path))
    held = {each.name for each in ATTEMPTS if outcomes.get(each.name) in each.right.split()}
    # What this machine itself has not.
    absent = {name for name in held if outcomes[name] in ("ENOENT", "ENOSYS", "EAFNOSUPPORT")}
    # The kernel protects init from its own namespace; debugfs need not be mounted, nor root have CAP_SYS_RESOURCE.
    assert held - absent <= {"kill init", "debugfs", "tracefs", "raise a limit", "oom_score_adj"}, outcomes
    assert len(outcomes) - len(held) >= 50, sorted(held)


def rows(text: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(text)["checks"]}


WAYS = {
    Backend.USERNS: "there is no better one",
    Backend.PRIVILEGED: "not userns, because it was asked for",
    Backend.ROOTLESS: "only root has a better one",
}


@pytest.mark.parametrize("backend", list(Backend))
def test_doctor_says_how_builds_run_and_why_not_better(backend: Backend, tmp_path: Path) -> None:
    done = metalor(backend, tmp_path, "doctor", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (json.loads(done.stdout)["ok"], json.loads(done.stdout)["backend"]) == (True, backend)
    found = rows(done.stdout)
    assert WAYS[backend] in found["backend"]["detail"]
    assert found["steps"]["ok"] and found["store"]["ok"] and " on " in found["store"]["detail"]
    assert found["overlay"]["detail"].startswith("works here, by the way `")
    ids = {
        Backend.USERNS: "0 to 2147483645 in a step are 2147483648 to",
        Backend.ROOTLESS: "0 to 65535 in a step are 2000000 to 2065535",
        Backend.PRIVILEGED: "they are this machine's",
    }
    assert ids[backend] in found["ids of steps"]["detail"]
    assert found["ids on disk"]["ok"]
    human = metalor(backend, tmp_path, "doctor")
    assert human.returncode == 0 and human.stdout.endswith("this machine can build\n")


def test_doctor_tells_an_ordinary_user_without_sub_ids_what_to_run(tmp_path: Path) -> None:
    done = metalor(Backend.ROOTLESS, tmp_path, "doctor", subids="")
    assert done.returncode == 3
    assert "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 mara" in done.stdout
    assert "MISSING   backend: none without subordinate ids" in done.stdout
    assert done.stdout.endswith("this machine cannot build yet\n")
    done = metalor(Backend.ROOTLESS, tmp_path, "doctor", "--security", subids="")
    assert (done.returncode, done.stdout) == (3, "") and "usermod" in done.stderr


def test_doctor_tells_of_a_store_that_was_not_shifted(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o700)
    (tmp_path / "store/VERSION").write_text("metalor store 2\n")
    done = subprocess.run(
        [*METALOR, "doctor", "--store", str(tmp_path / "store"), "--format", "json"], capture_output=True, text=True
    )
    found = rows(done.stdout)
    assert "was made where ids cannot be shifted" in found["backend"]["detail"]
    assert not found["ids on disk"]["ok"] and not found["ids on disk"]["needed"]
    assert done.returncode == 0


def test_doctor_refuses_a_backend_that_is_not_for_root(tmp_path: Path) -> None:
    done = subprocess.run([*METALOR, "doctor", "--backend", "rootless", "--store", str(tmp_path / "s")],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 3 and "MISSING   backend: the backend rootless is for ordinary users" in done.stdout


def left(folder: Path) -> list[str]:
    places = [place for place in (folder, folder / "mara") if place.exists()]
    return [name for place in places for name in os.listdir(place) if name.startswith(PREFIX)]


@pytest.mark.slow
def test_the_self_test_passes_leaves_nothing_and_makes_one_image_for_everybody(tmp_path: Path) -> None:
    images = set()
    for backend in Backend:
        folder = tmp_path / backend
        folder.mkdir()
        done = metalor(backend, folder, "selftest", "--quick", "--format", "json")
        assert done.stdout, done.stderr
        assert [line for line in json.loads(done.stdout)["lines"] if not line["ok"]] == []
        assert done.returncode == 0, done.stderr
        lines = {line["name"]: line["detail"] for line in json.loads(done.stdout)["lines"]}
        assert f"steps run as {backend}" in lines["machine"]
        assert {"layers", "paths: control", "builds: processes", "builds: next build"} <= set(lines)
        assert left(folder) == []
        images.add(lines["builds: the same image"])
    assert len(images) == 1 and images.pop().startswith("sha256:")


@pytest.mark.parametrize("seconds", [0, 1.5, 5])
def test_a_self_test_that_is_killed_leaves_nothing(seconds: float, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*METALOR, "selftest", "--store", str(tmp_path / "store")], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until = time.monotonic() + 30
        while not left(tmp_path):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.01)
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until = time.monotonic() + 20
    while left(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert os.listdir(tmp_path) == []


def test_a_self_test_without_sub_ids_is_the_machines_fault(tmp_path: Path) -> None:
    done = metalor(Backend.ROOTLESS, tmp_path, "selftest", subids="")
    assert done.returncode == 3 and "usermod" in done.stderr and "report" not in done.stderr
    assert left(tmp_path) == []
