"""What became of the tests of a build: collected from its events, for a report.

Invariant: every TEST of the stages that are needed is there once, also one that the build did not come to.
"""

from collections.abc import Sequence
from enum import StrEnum

from metalor_lang.build.events import (
    Event,
    StepCached,
    StepFailed,
    StepFinished,
    StepRef,
    StepSkipped,
    StepStarted,
    StepStopped,
)
from metalor_lang.guards import Lock
from metalor_lang.hints import Any
from metalor_lang.plan.graph import Kind, Plan
from metalor_lang.record import dataclass, replace


class Outcome(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    CACHED = "cached"
    FAILED = "failed"
    BROKEN = "broken"
    """It could not be run."""

    LEFT_OUT = "left out"
    ENDED = "ended"
    """It ran, and was ended with the build."""

    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test.

    Args:
        stage: title of its stage.
        platform: of the stage.
        text: the statement.
        line: 1-based line of the recipe.
        values: of the loop variables and parameters that it names.
        reason: of a failure, or why it was left out.
        tail: the last lines of a failed test's output.
        log: path of the whole output, "" if there is none.

    """

    stage: str
    platform: str
    text: str
    line: int
    values: tuple[tuple[str, str], ...] = ()
    outcome: Outcome = Outcome.NOT_REACHED
    duration_ms: int = 0
    reason: str = ""
    tail: tuple[str, ...] = ()
    log: str = ""


class Results:
    """An event sink that keeps what the events say of tests; safe to use from any number of threads.

    Attributes:
        end: the first step of another kind that failed, and why; "" when none did.

    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: dict[tuple[str, int, int], Result] = {}
        self.end = ""

    def expect(self, plans: Sequence[Plan]) -> None:
        """Note the tests of plans, which are to be built; a stage that two of them share counts once."""
        for plan in plans:
            place = plan.program.recipe.source.position
            for index in sorted(plan.stages):
                stage = plan.stages[index]
                for step in stage.steps:
                    if step.kind is Kind.TEST:
                        self._found[stage.title, index, step.number] = Result(
                            stage=stage.title,
                            platform=str(stage.platform),
                            text=step.text,
                            line=place(step.span.start).line,
                            values=() if step.origin is None else step.origin.values,
                        )

    @property
    def tests(self) -> tuple[Result, ...]:
        """All of them, stage by stage in the order of the recipe, the platforms of a stage beside each other."""
        with self._lock:
            return tuple(self._found[key] for key in sorted(self._found, key=lambda key: (key[1], key[0], key[2])))

    def emit(self, event: Event) -> None:
        """Take an event in."""
        match event:
            case StepStarted(step=step):
                self._note(step, Outcome.ENDED)
            case StepCached(step=step):
                self._note(step, Outcome.CACHED)
            case StepSkipped(step=step, reason=reason):
                self._note(step, Outcome.LEFT_OUT, reason=reason)
            case StepFinished(step=step, duration_ms=took):
                self._note(step, Outcome.PASSED, duration_ms=took)
            case StepStopped(step=step, duration_ms=took):
                self._note(step, Outcome.ENDED, duration_ms=took)
            case StepFailed(step=step):
                outcome = Outcome.BROKEN if event.status is None else Outcome.FAILED
                self._note(
                    step, outcome, duration_ms=event.duration_ms, reason=event.reason, tail=event.tail, log=event.log
                )
                with self._lock:
                    self.end = self.end or f"line {step.line} failed: {event.reason}"
            case _:
                pass

    def _note(self, step: StepRef, outcome: Outcome, **more: Any) -> None:
        key = step.title, step.stage, step.number
        with self._lock:
            if key in self._found:
                self._found[key] = replace(self._found[key], outcome=outcome, **more)
