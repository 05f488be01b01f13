"""What became of the steps of a build so far."""

from metalor_lang.build.events import StepRef
from metalor_lang.build.lookup import Place
from metalor_lang.guards import Lock
from metalor_lang.plan.graph import Kind, Step


class Tally:
    """Counts steps; its methods are called from any number of threads.

    Attributes:
        ran, cached: how many steps.
        passed: how many of both are tests.
        skipped: the tests that were left out.
        done: the steps that ran or were cached.

    """

    def __init__(self) -> None:
        self._lock = Lock()
        self.ran = 0
        self.cached = 0
        self.passed = 0
        self.skipped: list[Step] = []
        self.done: set[Place] = set()

    def add(self, step: StepRef, *, ran: bool) -> None:
        """A step ran, or was in the store."""
        with self._lock:
            self.ran += ran
            self.cached += not ran
            self.passed += step.kind == Kind.TEST
            self.done.add((step.stage, step.number))

    def skip(self, step: Step) -> None:
        """A test was left out."""
        with self._lock:
            self.skipped.append(step)
