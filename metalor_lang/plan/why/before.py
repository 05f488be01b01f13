"""What the statements above a step set: environment, user, working directory, shell.

Invariant: only statements are looked at, through the stages that a stage stands on; what none of them sets is the
base's.
"""

from collections.abc import Callable, Mapping

from metalor_lang.digest import Json
from metalor_lang.hints import cast
from metalor_lang.plan.why.account import StageAccount, StepAccount
from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Setter:
    """A statement that set something, and whose it is."""

    stage: StageAccount
    step: StepAccount


class Above:
    """The statements above a step, nearest first.

    Args:
        stages: of the account, by index.
        stage, number: of the step.

    """

    def __init__(self, stages: Mapping[int, StageAccount], stage: StageAccount, number: int) -> None:
        self._stages = stages
        self._stage = stage
        self._number = number

    @property
    def root(self) -> StageAccount:
        """The stage at the bottom, which stands on an image, a tree or nothing."""
        stage = self._stage
        while stage.below is not None:
            stage = self._stages[stage.below]
        return stage

    def variable(self, name: str) -> Setter | None:
        """What set a variable of the environment last, or took it away."""
        return self._last(lambda step: step.configures and _sets(step, name))

    def value(self, name: str) -> str | None:
        """A variable's value, as far as statements say: None where none sets it."""
        setter = self.variable(name)
        return None if setter is None else set_to(setter.step, name)

    def state(self, name: str) -> tuple[str, str | None]:
        """What tells whether a variable is another one: its value, or the base that it comes from."""
        setter = self.variable(name)
        return ("base", self.root.digest) if setter is None else ("value", set_to(setter.step, name))

    def word(self, word: str) -> Setter | None:
        """The last statement of a word, or `UNSET` of it."""
        return self._last(lambda step: word in step.text.split(None, 2)[: 2 if step.text.startswith("UNSET ") else 1])

    def at(self, setter: Setter) -> "Above":
        """The statements above one that was found."""
        return Above(self._stages, setter.stage, setter.step.number)

    def _last(self, fits: Callable[[StepAccount], bool]) -> Setter | None:
        stage, number = self._stage, self._number
        while True:
            for step in reversed(stage.steps[: number - 1]):
                if fits(step):
                    return Setter(stage=stage, step=step)
            if stage.below is None:
                return None
            stage = self._stages[stage.below]
            number = len(stage.steps) + 1


def _sets(step: StepAccount, name: str) -> bool:
    changes = step.parts.get("changes")
    if not isinstance(changes, Mapping):
        return False
    if step.parts.get("statement") == "ENV":
        return name in changes
    return changes.get("unset") == "ENV" and name in cast("list[str]", changes.get("names") or ())


def set_to(step: StepAccount, name: str) -> str | None:
    """What an ENV sets a variable to; None of an UNSET."""
    return mapping(step.parts, "changes").get(name) if step.parts.get("statement") == "ENV" else None


def mapping(parts: Mapping[str, Json], name: str) -> dict[str, str]:
    """A part that is a table of texts; an empty one where there is none."""
    found = parts.get(name)
    return cast("dict[str, str]", found) if isinstance(found, Mapping) else {}
