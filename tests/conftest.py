"""Options and fixtures of every test.

Invariant: where $CI is set nothing is left out unseen: a test that skips fails the run.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from metalor_lang.runtime.world import Backend, enter
from tests.support.worlds import ROOTLESS_VARIABLE

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("metalor", deadline=None)
settings.load_profile("metalor")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(ROOTLESS_VARIABLE):  # an ordinary user's run: everything below happens in his user namespace
        world = enter(Path(os.environ["HOME"], "store"))
        assert world.backend is Backend.ROOTLESS
    if os.environ.get("CI"):
        config.pluginmanager.register(NoSkips())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write what the goldens compare with")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-goldens"))


class NoSkips:
    """Fails a run in which something was skipped."""

    def __init__(self) -> None:
        self.skipped = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.skipped += report.skipped and not hasattr(report, "wasxfail")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.write_line(f"$CI is set, and {self.skipped} tests were skipped: this run has failed")
