"""Images of small recipes against the images that Buildah makes of the equal Dockerfiles."""

import pytest

from metalor_lang.proving.buildah import Order
from metalor_lang.proving.prove import Claim
from tests.support import bases
from tests.support.conformance import CASES
from tests.support.copytrees import plant
from tests.support.proving import prover_in

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
]

BASE = "localhost/base:1"


@pytest.fixture(scope="module")
def prover(tmp_path_factory):
    with prover_in(tmp_path_factory.mktemp("both")) as prover:
        yield prover


@pytest.mark.parametrize("name", CASES)
def test_equal_or_meant(tmp_path, prover, name):
    case = CASES[name]
    folder = plant(tmp_path / "ctx", case.context)
    dockerfile = tmp_path / "Dockerfile"
    text = case.recipe if case.dockerfile is None else case.dockerfile
    dockerfile.write_text(f"FROM BASE AS a\n{text}\n".replace("BASE", BASE))
    (tmp_path / "scratch").mkdir()
    claim = Claim(
        recipe=f"FROM BASE AS a\n{case.recipe}\n".replace("BASE", BASE),
        order=Order(dockerfile=dockerfile, context=folder),
        bases={BASE: f"oci:{bases.base('busybox')}:1"},
    )
    found = prover.prove(claim, tmp_path / "scratch")
    different = {each.where: str(each) for each in found.differences}
    assert {where: said for where, said in different.items() if where not in case.differs} == {}
    assert set(different) == set(case.differs), "a stated difference is none any more"
    assert found.entries > 4
    assert found.fields > 2


def test_there_are_many() -> None:
    assert len(CASES) >= 70
