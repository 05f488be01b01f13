"""`metalor why`: which steps would run, and what changed since the last build.

Invariant: runs nothing and changes nothing; what it says would run is what a build would run now.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence

from metalor_lang.build.accounts.reasons import Reasons
from metalor_lang.build.api import Session
from metalor_lang.build.lookup import Place, find_records
from metalor_lang.cli.common import Notices, open_store, recipe_options
from metalor_lang.digest import Json
from metalor_lang.errors import Exit, UsageError
from metalor_lang.hints import Final
from metalor_lang.plan.graph import Plan, Step
from metalor_lang.plan.why.causes import Cause, Reason
from metalor_lang.plan.why.words import CONFIGURES, IN_STORE, causes_json, few_words, told
from metalor_lang.screen.text import one_line
from metalor_lang.store.glance import Glance
from metalor_lang.store.records import StepRecord

VERSION: Final = 1
"""Of the shape of the JSON document."""


def run(arguments: argparse.Namespace) -> int:
    """Print why steps would run; 0 whatever would."""
    with (
        open_store(arguments, runs=False) as (store, world),
        Session(
            arguments.recipe,
            recipe_options(arguments),
            store=store,
            events=Notices(),
            owner=world.owner,
            unpacker=arguments.unpacker,
        ) as session,
        store.lease(),
    ):
        plan = session.plan()
        chosen = None if arguments.step is None else choose(plan, arguments.step)
        found = find_records(
            plan,
            Glance(store.root).steps,
            lambda stage: session.bases.unpacked(stage.base, stage.platform),
            int(time.time()),
        )
        answer = Answer(plan, found, session.ledger(plan).reasons)
        if arguments.format == "json":
            json.dump(answer.document(chosen), sys.stdout, ensure_ascii=False, indent=2)
            print()
        else:
            print("\n".join(answer.lines(chosen, session.source.path)))
    return Exit.DONE


def choose(plan: Plan, text: str) -> tuple[Place, ...]:
    """The step that `STAGE.NUMBER` or `NUMBER` names, or those that `:LINE` does: a line of a loop is several.

    Raises:
        UsageError: none is called so.

    """
    if text.startswith(":"):
        return _by_line(plan, text)
    stage, dot, number = text.rpartition(".")
    names = {each.title: index for index, each in plan.stages.items()}
    names |= {str(index + 1): index for index in plan.stages}
    index = names.get(stage) if dot else plan.target
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"{text!r} names no step", help="write STAGE.NUMBER, NUMBER or :LINE, such as build.3 or :12")
    if index is None:
        skipped = f"; not needed: {', '.join(plan.skipped)}" if plan.skipped else ""
        known = ", ".join(plan.stages[each].title for each in sorted(plan.stages))
        raise UsageError(f"there is no stage {stage!r} to build", help=f"the stages are {known}{skipped}")
    steps = plan.stages[index].steps
    if not 1 <= int(number) <= len(steps):
        title, count = plan.stages[index].title, len(steps)
        help = f"it has the steps 1 to {count}; `metalor plan` shows them" if steps else "it has none"
        what = f"the stage {title}" if " " not in title else title  # one without a name has a title of two words
        raise UsageError(f"{what} has no step {number}", help=help)
    return ((index, int(number)),)


def _by_line(plan: Plan, text: str) -> tuple[Place, ...]:
    if not text[1:].isascii() or not text[1:].isdigit():
        raise UsageError(f"{text!r} names no line", help="write :12 for line 12 of the recipe")
    line = int(text[1:])
    source = plan.program.recipe.source
    found = tuple(
        (index, step.number)
        for index, stage in sorted(plan.stages.items())
        for step in stage.steps
        if source.position(step.span.start).line <= line <= source.position(max(step.span.end - 1, 0)).line
    )
    if found:
        return found
    raise UsageError(
        f"line {line} is no step of the stages that are built",
        help="name a line of a statement after a FROM; `metalor plan` shows the steps",
    )


class Answer:
    """What would run, and why.

    Args:
        plan: what would be built.
        found: the records of the steps that would not run.
        reasons: for the others.

    """

    def __init__(self, plan: Plan, found: dict[Place, StepRecord], reasons: Reasons) -> None:
        self._plan = plan
        self._found = found
        self._reasons = reasons
        self._runs: list[tuple[Place, Step]] = [
            ((index, step.number), step)
            for index in sorted(plan.stages)
            for step in plan.stages[index].steps
            if not _configures(step) and (index, step.number) not in found
        ]
        self._places = {place for place, _ in self._runs}
        self._told: set[tuple[Cause, ...]] = set()
        """What was said of bases: many steps stand on one."""

    # --- for people -------------------------------------------------------------------------------------------------

    def lines(self, chosen: tuple[Place, ...] | None, path: str) -> list[str]:
        """The answer as text."""
        if chosen is not None:
            told = [line for place in chosen for line in self._one(place)]
            return [*told, *self._compared()] if any(place in self._places for place in chosen) else told
        count = sum(1 for stage in self._plan.stages.values() for step in stage.steps if not _configures(step))
        head = f"{path} for {self._plan.program.platform}"
        if not self._runs:
            return [
                f"{head}: nothing would run, {'the step is' if count == 1 else f'all {count} steps are'} in the store"
            ]
        lines = [f"{head}: {len(self._runs)} of {count} steps would run"]
        for place, _ in self._runs:
            lines += self._block(place)
        return [*lines, *self._compared()]

    def _one(self, chosen: Place) -> list[str]:
        step = self._step(chosen)
        if _configures(step):
            return [self._title(chosen), f"  {CONFIGURES}"]
        if chosen in self._found:
            return [self._title(chosen), f"  {IN_STORE}"]
        return self._block(chosen, full=True)

    def _block(self, place: Place, full: bool = False) -> list[str]:
        reason = self._reasons.reason(place, self._found)
        first = full or (reason.root not in self._places and reason.first not in self._told)
        lines = told(reason, self._root(reason), again="would run again", first=first)
        if not reason.causes and reason.root not in self._places:
            lines = lines if first else [f"{lines[0]}, as said above"]
            self._told.add(reason.first)
        return [self._title(place), *(f"  {line}" for line in lines)]

    def _root(self, reason: Reason) -> str:
        index, number = reason.root
        title = self._plan.stages[index].title
        return f"step {number} of {title} ({self._where(reason.root)})" if number else f"what {title} stands on"

    def _title(self, place: Place) -> str:
        return f"{self._name(place)}  {self._where(place)}  {one_line(self._step(place).text)}"

    def _name(self, place: Place) -> str:
        return f"{self._plan.stages[place[0]].name or place[0] + 1}.{place[1]}"

    def _where(self, place: Place) -> str:
        return f"line {self._line(self._step(place))}"

    def _compared(self) -> list[str]:
        before = self._reasons.before
        if before is None:
            return ["no build of this recipe is remembered in this store"]
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(before.when))
        return [f"compared with the build of {when}"]

    # --- for programs -----------------------------------------------------------------------------------------------

    def document(self, chosen: tuple[Place, ...] | None) -> Json:
        """The answer as JSON."""
        places: Sequence[tuple[Place, Step]] = (
            self._runs if chosen is None else [(place, self._step(place)) for place in chosen]
        )
        steps = [self._entry(place, step) for place, step in places]
        before = self._reasons.before
        return {
            "version": VERSION,
            "recipe": self._plan.program.recipe.source.path,
            "platform": str(self._plan.program.platform),
            "target": self._plan.program.stages[self._plan.target].title,
            "compared_with": None
            if before is None
            else {"recipe": before.recipe, "platform": before.platform, "target": before.target, "time": before.when},
            "would_run": len(self._runs),
            "steps": steps,
        }

    def _entry(self, place: Place, step: Step) -> Json:
        entry: dict[str, Json] = {
            "stage": self._plan.stages[place[0]].title,
            "number": step.number,
            "line": self._line(step),
            "text": step.text,
            "key": step.key,
            "runs": not _configures(step) and place not in self._found,
        }
        if entry["runs"]:
            reason = self._reasons.reason(place, self._found)
            entry["words"] = few_words(reason, place)
            entry["causes"] = causes_json(reason.causes)
            entry["root"] = {
                "stage": self._plan.stages[reason.root[0]].title,
                "number": reason.root[1],
                "changed": reason.changed,
                "causes": causes_json(reason.first),
            }
        return entry

    # --- places -----------------------------------------------------------------------------------------------------

    def _step(self, place: Place) -> Step:
        return self._plan.stages[place[0]].steps[place[1] - 1]

    def _line(self, step: Step) -> int:
        return self._plan.program.recipe.source.position(step.span.start).line


def _configures(step: Step) -> bool:
    return not step.kind.acts
