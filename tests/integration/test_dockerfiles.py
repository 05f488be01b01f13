"""Dockerfiles written for the purpose: converted, built both ways, and compared."""

from pathlib import Path

import pytest

from metalor_lang.build.api import RecipeOptions
from metalor_lang.build.secrets import parse_secrets
from metalor_lang.convert.converter import convert
from metalor_lang.proving.buildah import Order
from metalor_lang.proving.compare import TRACES, mount_points
from metalor_lang.proving.older import CONTEXT, rewritten
from metalor_lang.proving.prove import Claim
from tests.support import bases
from tests.support.dockerfiles import CONSTRUCTS, SAMPLES, STANDINS
from tests.support.proving import prover_in

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
]

BUILT = [name for name, sample in SAMPLES.items() if not sample.refused and not sample.converts]


@pytest.fixture(scope="module")
def prover(tmp_path_factory):
    with prover_in(tmp_path_factory.mktemp("both")) as prover:
        yield prover
