"""Which control groups are found, and what is written into them, on made-up trees of both versions."""

from pathlib import Path

import pytest

from metalor_lang.runtime import cgroups
from metalor_lang.runtime.limits import Limits


def version_1(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("memory", "pids"):
        (tmp_path / "fs" / name / "mine").mkdir(parents=True)
    own = tmp_path / "cgroup"
    own.write_text("8:pids:/mine\n4:cpu,memory:/mine\n1:name=systemd:/\n0::/\n")
    return tmp_path / "fs", own


def version_2(tmp_path: Path, shared: str) -> tuple[Path, Path]:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs" / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "fs" / "cgroup.subtree_control").write_text(shared)
    own = tmp_path / "cgroup"
    own.write_text("0::/user.slice/session-1.scope\n")
    return tmp_path / "fs", own


def test_version_1_is_found_below_our_own_group(tmp_path: Path) -> None:
    root, own = version_1(tmp_path)
    found = cgroups.find(root, own)
    assert found.parents == {"memory": root / "memory/mine", "pids": root / "pids/mine"}
    assert set(found.versions.values()) == {1}
    assert found.lacks(Limits(memory=1 << 30, processes=5)) == ()


@pytest.mark.parametrize(
    ("shared", "lacks"), [("memory pids\n", ()), ("cpu memory\n", ("pids",)), ("\n", ("memory", "pids"))]
)
def test_version_2_offers_what_its_root_shares_out(tmp_path: Path, shared: str, lacks: tuple[str, ...]) -> None:
    found = cgroups.find(*version_2(tmp_path, shared))
    assert found.lacks(Limits(memory=1 << 30, processes=5)) == lacks
    assert found.lacks(Limits()) == ()


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert cgroups.find(tmp_path / "none", tmp_path / "none").lacks(Limits(memory=1)) == ("memory",)


def test_what_dead_builders_left_is_swept_away_and_what_lives_stays(tmp_path: Path) -> None:
    living = f"metalor-1-{cgroups._started(1)}-00"
    for name in ("metalor-1-77-00", "metalor-99999999-5-ab", living, "other", "metalor-1-77-00x"):
        (tmp_path / name).mkdir()
    cgroups._sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living, "other", "metalor-1-77-00x"])
