"""What a step may use: memory and processes, by control groups and by what stands in for them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalor_lang.runtime import cgroups
from metalor_lang.runtime.client import NamespaceRuntime, start_runtime
from metalor_lang.runtime.limits import Limits
from tests.support.tinyroot import Steps, make_root
from tests.support.worlds import BACKENDS, runtime_of

pytestmark = pytest.mark.integration
FORKS = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_root(tmp_path_factory.mktemp("root") / "fs", skeleton=True)


@pytest.fixture(scope="module", params=BACKENDS)
def runtime(request: pytest.FixtureRequest) -> Iterator[NamespaceRuntime]:
    with runtime_of(request.param) as runtime:
        yield runtime


def groups() -> set[str]:
    found = cgroups.find()
    return {name for parent in found.parents.values() for name in os.listdir(parent) if name.startswith("metalor-")}


def test_all_processes_of_a_step_share_its_memory(runtime: NamespaceRuntime, root: Path) -> None:
    assert not cgroups.find().lacks(Limits(memory=1, processes=1)), "this machine has no control groups"
    steps = Steps(runtime, root)
    status, _ = steps.sh("tail /dev/zero", limits=Limits(memory=32 << 20))
    assert status.code == 137 and status.message == "the memory limit of 33 MB was reached"
    status, out = steps.sh("echo fine; cat /proc/self/cgroup | grep -c metalor || true", limits=Limits(memory=64 << 20))
    assert (status.code, out) == (0, "fine\n0\n"), "the group's name is not the step's to know"
    assert groups() == set()


def test_the_number_of_processes_is_limited(runtime: NamespaceRuntime, root: Path) -> None:
    status, out = Steps(runtime, root).sh(FORKS, limits=Limits(processes=8))
    assert status.code == 2 and "can't fork" in out
    assert Steps(runtime, root).sh(FORKS, limits=Limits(processes=40))[0].ok
    assert groups() == set()


def test_without_control_groups_each_process_is_limited_and_it_is_said_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "find", lambda: cgroups.Controllers(parents={}, versions={}))
    said: list[str] = []
    with start_runtime(on_notice=said.append) as runtime:
        steps = Steps(runtime, root)
        for _ in range(2):
            status, out = steps.sh("ulimit -v; tail /dev/zero", limits=Limits(memory=64 << 20, processes=500))
            assert status.code == 1 and out.startswith("65536\n") and "out of memory" in out
    assert said == [
        "this machine offers no control group for memory and pids: each process is limited by itself instead"
    ]
