"""Dockerfiles written for the purpose: converted, built both ways, and compared."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from metalor_lang.build.secrets import Secrets
from metalor_lang.convert import Converted, convert
from metalor_lang.convert.model import BaseFacts, Verdict
from metalor_lang.proving.claims import Given, claim_of
from tests.support import bases
from tests.support.dockerfiles import CONSTRUCTS, SAMPLES, STANDINS, Sample, World
from tests.support.proving import prover_in

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
]

BUILT = [name for name, sample in SAMPLES.items() if not sample.refused and not sample.converts]
REFUSED = [name for name, sample in SAMPLES.items() if sample.refused]


@pytest.fixture(scope="module")
def prover(tmp_path_factory):
    with prover_in(tmp_path_factory.mktemp("both")) as prover:
        yield prover


def converted(sample: Sample, folder: Path) -> Converted:
    return convert(sample.text, name="Dockerfile", world=World(folder))


@pytest.mark.parametrize("name", BUILT)
def test_the_recipe_makes_the_same_image(tmp_path, prover, name):
    sample = SAMPLES[name]
    folder = sample.plant(tmp_path / "context")
    made = converted(sample, folder)
    assert made.ok, [(line.first, line.notes) for line in made.lines if line.verdict is Verdict.REFUSED]
    (tmp_path / "theirs").mkdir()
    (tmp_path / "scratch").mkdir()
    given = Given(
        context=folder,
        ignore=World(folder).ignore(),
        args=sample.args,
        secrets=Secrets({key: value.encode() for key, value in sample.secrets.items()}),
        target=sample.target,
        bases={reference: f"oci:{bases.base(base)}:{bases.TAG}" for reference, base in STANDINS.items()},
    )
    claim, _ = claim_of(
        sample.plain or sample.text, made, given, version=prover.buildah.version, scratch=tmp_path / "theirs"
    )
    found = prover.prove(claim, tmp_path / "scratch")
    different = {each.where: str(each) for each in found.differences}
    assert {where: said for where, said in different.items() if where not in sample.differs} == {}
    assert set(different) == set(sample.differs), "a stated difference is none any more"
    assert found.entries > 0
    assert found.fields > 2
