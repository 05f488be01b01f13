"""What a build is told, what it asks of those who do the work, and what it gives."""

from collections.abc import Mapping

from metalor_lang.build.events import StepRef
from metalor_lang.build.lookup import Chain as Chain
from metalor_lang.hints import Protocol
from metalor_lang.plan.graph import Plan, PlannedStage, Step
from metalor_lang.record import dataclass
from metalor_lang.runtime.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """A built stage.

    Args:
        stage: as planned.
        start: the chain that the stage began with (its base's).
        after: the chain after each of its steps.

    """

    stage: PlannedStage
    start: Chain
    after: tuple[Chain, ...]

    @property
    def chain(self) -> Chain:
        """The chain after its last step."""
        return self.after[-1] if self.after else self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What a build gave: every needed stage, and how many steps ran, were cached, were left out."""

    plan: Plan
    stages: Mapping[int, StageResult]
    ran: int
    cached: int
    skipped: tuple[Step, ...]

    @property
    def target(self) -> StageResult:
        """The stage that was asked for."""
        return self.stages[self.plan.target]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to build.

    Args:
        jobs: how many stages at once; 0 for one a CPU.
        no_cache: run every step anew.
        expect_cached: fail at the first step that would run.
        no_tests: leave TEST out.
        limits: what a step may use; in no key, as it changes no result.

    """

    jobs: int = 0
    no_cache: bool = False
    expect_cached: bool = False
    no_tests: bool = False
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A step that must run: on which chain, with the chains of which stages, and which of them it reads."""

    stage: PlannedStage
    step: Step
    chain: Chain
    chains: Mapping[int, Chain]
    inputs: Chain
    ref: StepRef


class Performer(Protocol):
    """Does what steps say; the builder decides whether they must."""

    def base(self, stage: PlannedStage) -> Chain:
        """The chain of an image or rootfs base, unpacked."""
        ...

    def perform(
        self, stage: PlannedStage, step: Step, chain: Chain, sources: Mapping[int, Chain], ref: StepRef
    ) -> Chain:
        """Run a step on a chain and give the chain after it; raises BuildFailed, MetalorError, Interrupted."""
        ...

    def unpacked(self, stage: PlannedStage) -> Chain | None:
        """The chain of an image or rootfs base that the store has already, else None."""
        ...

    def ready(self, *, commands: bool) -> None:
        """Start what steps need; called before the first one runs, in the thread that builds; raises MachineError.

        Args:
            commands: whether one of them may run a command.

        """
        ...

    def stop(self) -> None:
        """End running commands soon; later ones end at once."""
        ...
