"""What was carried out before a change, and why a statement runs now.

Invariant: causes and words are those of a build; only what they call a step is its number at the prompt.
"""

from collections.abc import Callable, Container, Mapping

from metalor_lang.build.accounts.keeping import keep_taken
from metalor_lang.build.accounts.ledger import whose
from metalor_lang.build.accounts.reasons import Reasons
from metalor_lang.build.events import Why
from metalor_lang.build.lookup import Place
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.plan.graph import Plan
from metalor_lang.plan.why.causes import Code
from metalor_lang.record import dataclass, replace
from metalor_lang.repl.ground import Ground
from metalor_lang.repl.planning import Planned
from metalor_lang.repl.timeline import Line, entries, length
from metalor_lang.screen.text import one_line, with_values
from metalor_lang.store.records import StepRecord
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.plan.why.account import Account

UNSAID: Final = frozenset(
    map(str, (Code.NEVER_BUILT, Code.NEW_STATEMENT, Code.STATEMENT, Code.MOVED_STATEMENT, Code.UNFINISHED))
)
"""Reasons that are no news to whoever has just typed or changed the statement."""

BASE: Final = 0
"""The number of what a stage stands on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Statements that were carried out: the last of them, the plan that they are the first of, and what hid files."""

    line: Line
    planned: Planned
    ignores: Mapping[str, str]


class Former:
    """Remembers what was carried out, and what that was before something above it was changed.

    Args:
        store: an open one.

    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._made: _Made | None = None
        self._former: _Made | None = None
        self._last: tuple[Planned, _Made | None, Reasons] | None = None

    def reasons(self, planned: Planned, line: Line, ground: Ground, waits: Container[int]) -> Reasons:
        """What says why a statement behind `line` runs.

        It is compared with what was carried out when one went back, or when what stands above was changed; while
        nothing was, with the last build of the recipe.

        Args:
            planned: what it is planned in.
            line: the statements before it.
            ground: where its files come from.
            waits: serials of the statements that wait behind all that is planned: they are none of these.

        """
        assert planned.plan is not None
        former = self._before(line)
        if self._last is None or self._last[0] is not planned or self._last[1] is not former:
            reasons = Reasons(
                planned.plan,
                store=self._store,
                bases=ground.bases,
                contexts=ground.folders,
                whose=whose(planned.plan, ground.name, ground.path),
                before=_account(former, ground, waits) if former is not None else None,
                done=_places(planned, length(line)),
                names=_names(planned),
            )
            self._last = (planned, former, reasons)
        return self._last[2]

    def carried(self, planned: Planned, before: Line, line: Line, ground: Ground, *, last: bool) -> None:
        """A statement was carried out.

        Args:
            planned: what it was planned in.
            before: the statements before it.
            line: those, and it.
            ground: where its files come from.
            last: nothing waits behind it.

        """
        if planned.plan is None:
            return
        former = self._before(before)
        steps = [each.step for each in planned.parts[length(before)] if each.step is not None]
        ignores = keep_taken(steps, self._store, ground.folders)
        old = self._made.ignores if self._made is not None else {}
        self._made = _Made(line=line, planned=planned, ignores={**old, **ignores})
        # When all of what was there is there again, or something in its place, what comes is new.
        over = former is not None and last and length(line) >= length(former.line)
        self._former = None if over else former

    def _before(self, line: Line) -> _Made | None:
        return self._former if self._made is None or self._made.line is line else self._made


class Late:
    """Says why steps run; nothing is compared before the first question.

    Args:
        make: gives what says it.

    """

    def __init__(self, make: Callable[[], Reasons]) -> None:
        self._make = make

    @property
    def made(self) -> Reasons:
        """What says it."""
        return self._make()

    def why(self, place: Place, found: Mapping[Place, StepRecord]) -> Why:
        """As `Reasons.why`."""
        return self.made.why(place, found)


def lines_of(reasons: Reasons, planned: Planned, place: Place) -> tuple[str, ...]:
    """Why a step ran, or why what a stage stands on (number 0) was fetched, in whole lines."""
    from metalor_lang.plan.why.words import told

    reason = reasons.reason(place, {})
    if place[1] == BASE and reason.first[0].code is Code.PART:
        return ()  # it is what it was
    return tuple(told(reason, _called(planned, reason.root), again="ran again"))


def _account(made: _Made, ground: Ground, waits: Container[int]) -> "Account":
    """What is kept of statements that were carried out, and do not wait."""
    from metalor_lang.plan.why.account import account_of

    plan = made.planned.plan
    assert plan is not None  # see `carried`
    serials = [entry.serial for entry in entries(made.line)]
    numbers = _numbered(made.planned, length(made.line))
    done = {place for place, number in numbers.items() if serials[number - 1] not in waits}
    whole = account_of(plan, recipe=str(ground.path), ignores=made.ignores)
    stages = (replace(each, steps=tuple(step for step in each.steps if (each.index, step.number) in done))
              for each in whole.stages if (each.index, BASE) in done)  # fmt: skip
    return replace(whole, stages=tuple(stages))


def _numbered(planned: Planned, count: int) -> Mapping[Place, int]:
    """For the places of the first statements of a plan, the number of the statement."""
    found: dict[Place, int] = {}
    for number, parts in enumerate(planned.parts[:count], 1):
        for part in parts:
            if part.stage is not None and (part.step is not None or part.node.word == "FROM"):
                found[part.stage.index, part.step.number if part.step is not None else BASE] = number
    return found


def _places(planned: Planned, count: int) -> frozenset[Place]:
    return frozenset(_numbered(planned, count))


def _names(planned: Planned) -> dict[Place, str]:
    return {place: f"statement {number}" for place, number in _numbered(planned, len(planned.parts)).items()}


def _called(planned: Planned, place: Place) -> str:
    """A step by its number at the prompt and its text."""
    number, plan = _names(planned)[place], planned.plan
    assert plan is not None
    return f"{number} ({_text(plan, place)})"


def _text(plan: Plan, place: Place) -> str:
    stage = plan.stages[place[0]]
    if place[1] == BASE:
        return one_line(plan.program.recipe.source.slice(plan.program.stages[place[0]].node.span))
    step = stage.steps[place[1] - 1]
    return one_line(step.text) + with_values(step.origin.values if step.origin is not None else ())
