"""Where the LAYERs of a stage cut it: the layers that it ships.

Invariant: every statement is in one cut, in order; the views of a cut begin where those of the one before end.
"""

from metalor_lang.build.lookup import Chain
from metalor_lang.build.model import StageResult
from metalor_lang.plan.graph import CloseLayer, Step
from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Statements that share a layer.

    Args:
        name: the layer's, "" for what no LAYER closes.
        lower, upper: the chains before and after them.
        steps: the statements, a LAYER that closes them included.
        after: the chain after each of them.

    """

    name: str
    lower: Chain
    upper: Chain
    steps: tuple[Step, ...]
    after: tuple[Chain, ...]


def cuts(built: StageResult) -> tuple[Cut, ...]:
    """The layers of a stage, lowest first; one whose chains are the same ships nothing."""
    found: list[Cut] = []
    steps = built.stage.steps
    lower, begun = built.start, 0
    ends = {number: step.action.name for number, step in enumerate(steps, 1) if isinstance(step.action, CloseLayer)}
    for end in sorted({*ends, len(steps)} - {0}):
        after = built.after[begun:end]
        name = ends.get(end, "")
        found.append(Cut(name=name, lower=lower, upper=after[-1], steps=steps[begun:end], after=after))
        lower, begun = after[-1], end
    return tuple(found)
