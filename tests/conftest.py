"""Options and fixtures of every test."""

import os
from pathlib import Path

import pytest

from metalor_lang.runtime.world import Backend, enter
from tests.support.worlds import ROOTLESS_VARIABLE


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(ROOTLESS_VARIABLE):  # an ordinary user's run: everything below happens in his user namespace
        world = enter(Path(os.environ["HOME"], "store"))
        assert world.backend is Backend.ROOTLESS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write what the goldens compare with")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-goldens"))
