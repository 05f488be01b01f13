"""Dockerfiles written for the purpose: converted, built both ways, and compared."""

import pytest

from metalor_lang.build.secrets import Secrets
from metalor_lang.convert import Converted, Verdict, convert
from metalor_lang.proving.claims import Given, claim_of
from metalor_lang.proving.standing import StandingFolder
from tests.support.dockerfiles import SAMPLES, Sample, standins
from tests.support.proving import prover_in

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
]

BUILT = [name for name, sample in SAMPLES.items() if not sample.refused and not sample.converts]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return standins(tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="module")
def prover(tmp_path_factory):
    with prover_in(tmp_path_factory.mktemp("both")) as prover:
        yield prover


def world(folder, images) -> StandingFolder:
    return StandingFolder(folder, folder / "Dockerfile", folder / "no-store", None, images)


def converted(sample: Sample, where: StandingFolder) -> Converted:
    return convert(sample.text, name="Dockerfile", world=where)


@pytest.mark.parametrize("name", BUILT)
def test_the_recipe_makes_the_same_image(tmp_path, prover, images, name):
    sample = SAMPLES[name]
    folder = sample.plant(tmp_path / "context")
    where = world(folder, images)
    made = converted(sample, where)
    assert made.ok, [(line.first, line.notes) for line in made.lines if line.verdict is Verdict.REFUSED]
    (tmp_path / "theirs").mkdir()
    (tmp_path / "scratch").mkdir()
    given = Given(
        context=folder,
        ignore=where.ignore(),
        args=sample.args,
        secrets=Secrets({key: value.encode() for key, value in sample.secrets.items()}),
        target=sample.target,
        bases=images,
    )
    version = prover.buildah.version
    claim, said = claim_of(sample.plain or sample.text, made, given, version=version, scratch=tmp_path / "theirs")
    found = prover.prove(claim, tmp_path / "scratch")
    different = {each.where: str(each) for each in found.differences}
    assert {path: text for path, text in different.items() if path not in sample.differs} == {}
    assert set(different) == set(sample.differs), "a stated difference is none any more"
    assert found.entries > 0
    assert found.fields > 2
    assert all(text.startswith("line ") for text in said)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.refused])
def test_what_cannot_be_carried_over_is_refused_at_its_line(tmp_path, images, name):
    sample = SAMPLES[name]
    made = converted(sample, world(sample.plant(tmp_path / "context"), images))
    refused = {line.first: line for line in made.lines if line.verdict is Verdict.REFUSED}
    assert {each.line for each in sample.refused} <= set(refused)
    for each in sample.refused:
        line = refused[each.line]
        assert each.because in f"{line.word} {' '.join(line.notes)}"


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.converts])
def test_what_needs_the_network_is_converted(tmp_path, images, name):
    sample = SAMPLES[name]
    made = converted(sample, world(sample.plant(tmp_path / "context"), images))
    assert made.ok
