"""`metalor plan`: the stages and steps of a build, and which are in the cache.

Invariant: runs nothing; a step counts as cached only if its record stands on the snapshots that a build would stand on.
"""

import argparse
import json
import sys

from metalor_lang.build.api import Session
from metalor_lang.build.cached import cached_steps
from metalor_lang.cli.common import Notices, open_store, recipe_options
from metalor_lang.errors import Exit
from metalor_lang.plan.describe import base_name, describe
from metalor_lang.plan.graph import Kind, Origin, Plan
from metalor_lang.screen.text import one_line, quoted


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    with (
        open_store(arguments, runs=False) as (store, world),
        Session(
            arguments.recipe, recipe_options(arguments), store=store, events=Notices(), owner=world.owner
        ) as session,
        store.lease(),
    ):
        plan = session.plan()
        cached = cached_steps(plan, store, session.bases)
        if arguments.format == "json":
            document = describe(plan)
            assert isinstance(document, dict)
            document["cached"] = sorted(plan.stages[stage].steps[number - 1].key for stage, number in cached)
            json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
            print()
        else:
            print("\n".join(tree(plan, cached, session.source.path)))
    return Exit.DONE


def _origin(origin: Origin, path: str) -> str:
    """Where a step of a group or a loop stands, and what brought it there."""

    def line(number: int, file: str) -> str:
        return f"line {number}" if file == path else f"line {number} of {file}"

    out = [line(origin.line, origin.path)]
    for via in origin.via:
        values = " ".join(f"{name}={quoted(value)}" for name, value in via.values)
        word = "used in" if via.text == "used here" else "a round of"
        out.append(f"{word} {line(via.line, via.path)}" + (f" with {values}" if values else ""))
    return ", ".join(out)


def tree(plan: Plan, cached: frozenset[tuple[int, int]], path: str) -> list[str]:
    """The plan as lines: a stage, its steps below it, each with its state."""
    lines = [f"{path} for {plan.program.platform}"]
    runs = 0
    last = max(plan.stages)
    for index in sorted(plan.stages):
        stage = plan.stages[index]
        branch, bar = ("└─", "  ") if index == last else ("├─", "│ ")
        target = " (target)" if index == plan.target else ""
        lines.append(f"{branch} {stage.title} from {base_name(plan, stage.base)}{target}")
        for step in stage.steps:
            leaf = "└─" if step.number == len(stage.steps) else "├─"
            if not step.kind.acts:
                state = "layer" if step.kind is Kind.LAYER else "config"
            elif (index, step.number) in cached:
                state = "cached"
            else:
                state = "runs"
                runs += 1
            lines.append(f"{bar} {leaf} {state:<6} {step.key.removeprefix('sha256:')[:12]}  {one_line(step.text)}")
            if step.origin is not None:
                stem = "  " if step.number == len(stage.steps) else "│ "
                lines.append(f"{bar} {stem}{'':>21}{one_line(_origin(step.origin, path))}")
    lines += [f"not needed: {title}" for title in plan.skipped]
    lines.append(f"{runs} steps would run" if runs != 1 else "1 step would run")
    return lines
