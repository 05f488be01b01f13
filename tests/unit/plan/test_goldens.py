"""Whole plans with their keys, pinned: a change here makes every cache of every user useless."""

import json
from pathlib import Path

import pytest

from metalor_lang.digest import canonical_json
from metalor_lang.plan.describe import describe
from tests.support.recipes import FakeInputs, base_info, plan_of

GOLDENS = Path(__file__).parents[2] / "goldens" / "plan"
INPUTS = {
    "debian:12": base_info(
        "debian",
        env=(("PATH", "/usr/bin:/bin"), ("LESS", "-R")),
        labels=(("maker", "debian"),),
        cmd=("bash",),
    )
}


@pytest.mark.parametrize("path", sorted(GOLDENS.glob("*.metalor")), ids=lambda path: path.stem)
def test_plan(path: Path, update_goldens: bool) -> None:
    found = json.loads(canonical_json(describe(plan_of(path.read_text(), FakeInputs(bases=INPUTS)))))
    golden = path.with_suffix(".json")
    if update_goldens:
        golden.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    assert found == json.loads(golden.read_text())
