"""`metalor convert --prove`: as the superuser and as an ordinary user, equal and different, and without a Buildah."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.copytrees import plant
from tests.support.ordinary import run_as_user

pytestmark = pytest.mark.integration

METALOR = str(Path(sys.executable).parent / "metalor")
EQUAL = {"Dockerfile": "FROM busybox:1\nARG WHO=world\nCOPY --chown=user f /f\nRUN echo $WHO > /who\n", "f": "600|F\n"}
DIFFERENT = {"Dockerfile": "FROM busybox:1\nMAINTAINER jo\nVOLUME /etc\nRUN echo x > /etc/new\n"}


def words(*more: str) -> list[str]:
    return [METALOR, "convert", "Dockerfile", "--prove", f"--base=busybox:1=oci:{bases.base('busybox')}:1", *more]


def prove(folder: Path, *more: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "METALOR_STORE": str(folder.parent / "store"), "PATH": path or os.environ["PATH"]}
    return subprocess.run(words(*more), cwd=folder, env=environment, capture_output=True, text=True)


def test_equal(tmp_path: Path) -> None:
    before = Path("/proc/self/mounts").read_text()
    done = prove(plant(tmp_path / "context", EQUAL), "--arg=WHO=me")
    assert done.returncode == 0, done.stderr
    assert "Dockerfile: equal: " in done.stderr
    assert "fields of the configuration, by metalor and by Buildah 1." in done.stderr
    assert done.stdout.startswith("FROM busybox:1\n")
    assert Path("/proc/self/mounts").read_text() == before
    assert list((tmp_path / "store" / "tmp").iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "context").iterdir()) == ["Dockerfile", "f"]


def test_different(tmp_path: Path) -> None:
    done = prove(plant(tmp_path / "context", DIFFERENT))
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("Dockerfile: ")]
    assert 'Dockerfile: config: labels org.opencontainers.image.authors: "jo" here, unset there' in lines
    assert "Dockerfile: etc/new: path: file here, absent there" in lines
    assert lines[-1].startswith("Dockerfile: different: 2 of ")


def test_for_a_program(tmp_path: Path) -> None:
    done = prove(plant(tmp_path / "context", DIFFERENT), "--report=json")
    assert done.returncode == 1
    proof = json.loads(done.stdout)["proof"]
    assert proof["equal"] is False
    assert {(each["where"], each["field"]) for each in proof["differences"]} == {
        ("config", "labels org.opencontainers.image.authors"),
        ("etc/new", "path"),
    }


def test_a_failing_step_is_shown_in_its_frame(tmp_path: Path) -> None:
    done = prove(plant(tmp_path / "context", {"Dockerfile": "FROM busybox:1\nRUN echo no >&2; exit 3\n"}))
    assert done.returncode == 1
    assert "exit 3" in done.stderr
    assert "its last lines:\n  | no" in done.stderr


def test_nothing_is_proved_of_what_is_refused(tmp_path: Path) -> None:
    done = prove(plant(tmp_path / "context", {"Dockerfile": "FROM busybox:1\nHEALTHCHECK CMD true\n"}))
    assert done.returncode == 1
    assert "there is nothing to prove while something is refused" in done.stderr
    assert not (tmp_path / "store").exists()


def test_without_buildah(tmp_path: Path) -> None:
    done = prove(plant(tmp_path / "context", EQUAL), path=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.endswith(
        "error: the program buildah is not installed\n  help: install it: apt-get install buildah\n"
    )


@pytest.mark.parametrize("word", ["busybox:1", "busybox:1=busybox", "BUSY=oci:x:1"])
def test_a_base_that_says_nothing(tmp_path: Path, word: str) -> None:
    done = prove(plant(tmp_path / "context", EQUAL), f"--base={word}")
    assert done.returncode == 2
    assert "write --base debian:12=oci:DIR:TAG" in done.stderr


def test_as_an_ordinary_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    folder = plant(home / "context", EQUAL)
    done = run_as_user(words(), home, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Dockerfile: equal: " in done.stderr
