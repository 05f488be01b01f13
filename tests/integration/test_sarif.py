"""SARIF of every wrong recipe, judged by the validator of the standard's editors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import ROOT
from tests.support.node.packages import program

pytestmark = pytest.mark.integration

NO_HOME = {("SARIF2005", "Warning_ProvideToolnformationUri")}
"""The one warning: the project has no public address yet that a log could name."""


def judged(log: Path) -> set[tuple[str, str]]:
    """The rules of the validator that a log breaks, errors and warnings."""
    verdict = log.with_suffix(".verdict")
    command = [program("sarif-multitool"), "validate", log, "--output", verdict, "--log", "ForceOverwrite"]
    subprocess.run(command, check=False, capture_output=True, timeout=60)
    results = json.loads(verdict.read_text(encoding="utf-8-sig"))["runs"][0]["results"]
    return {(each["ruleId"], each["message"]["id"]) for each in results}


@pytest.fixture(scope="module")
def report() -> str:
    """One report of everything that can be wrong, and of a recipe that is right."""
    recipes = sorted((ROOT / "tests" / "goldens" / "wrong").glob("*.metalor"))
    words = [path.relative_to(ROOT) for path in (*recipes, ROOT / "examples" / "hello" / "hello.metalor")]
    command = [sys.executable, "-m", "metalor_lang", "check", "--format", "sarif", *words]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert len(json.loads(done.stdout)["runs"][0]["results"]) > len(recipes) / 2
    return done.stdout


def test_the_validator_finds_nothing(report: str, tmp_path: Path) -> None:
    log = tmp_path / "check.sarif"
    log.write_text(report)
    assert judged(log) == NO_HOME


def test_the_validator_finds_what_is_wrong(report: str, tmp_path: Path) -> None:
    document = json.loads(report)
    run = document["runs"][0]
    regions = [result["locations"][0]["physicalLocation"]["region"] for result in run["results"]]
    regions[0]["startLine"] = 0
    regions[1] |= {"startLine": 2, "endLine": 1}
    run["results"][2]["ruleIndex"] = 9999
    run["artifacts"][0]["location"]["uri"] = "a b"
    log = tmp_path / "damaged.sarif"
    log.write_text(json.dumps(document))
    assert {rule for rule, _ in judged(log)} >= {"JSON1008", "SARIF1002", "SARIF1007", "SARIF1009"}
