"""A plan as JSON: what `metalor plan --format json` prints and goldens pin.

Invariant: everything in it comes from the plan; equal plans give equal text.
"""

from metalor_lang.checker.program import Base, ImageBase, RootfsBase, ScratchBase, StageBase
from metalor_lang.digest import Json
from metalor_lang.hints import Final, assert_never
from metalor_lang.plan.graph import ImageState, Plan, PlannedStage, Step

VERSION: Final = 1
"""Of the shape of this document."""


def describe(plan: Plan) -> Json:
    """The stages of a plan, their steps with keys and parts, what is skipped, and what is imported, if anything."""
    imports: Json = [{"path": each.path, "sha256": each.sha256} for each in plan.program.imports]
    return {
        **({"imports": imports} if imports else {}),
        "version": VERSION,
        "platform": str(plan.program.platform),
        "target": plan.stages[plan.target].title,
        "stages": [_stage(plan, plan.stages[index]) for index in sorted(plan.stages)],
        "skipped": list(plan.skipped),
    }


def base_name(plan: Plan, base: Base) -> str:
    """A base as the recipe could name it."""
    match base:
        case ScratchBase():
            return "scratch"
        case StageBase(stage=index):
            return plan.program.stages[index].title
        case ImageBase(transport=transport, location=location, tag=tag):
            text = location if transport == "docker" else f"{transport}:{location}"
            return f"{text}:{tag}" if tag else text
        case RootfsBase(path=path):
            return f"rootfs:{path}"
        case _:
            assert_never(base)


def _stage(plan: Plan, stage: PlannedStage) -> Json:
    return {
        "index": stage.index,
        "name": stage.name,
        "title": stage.title,
        "base": base_name(plan, stage.base),
        "base_digest": stage.base_info.digest,
        "base_key": stage.base_key,
        "platform": str(stage.platform),
        "epoch": stage.epoch,
        "needs": [plan.program.stages[index].title for index in stage.needs],
        "steps": [_step(plan, step) for step in stage.steps],
        "key": stage.key,
        "image": _state(stage.final),
    }


def _step(plan: Plan, step: Step) -> Json:
    described = _plain_step(plan, step)
    if step.origin is not None:
        described["origin"] = {
            "path": step.origin.path,
            "line": step.origin.line,
            "via": [
                {"path": via.path, "line": via.line, "text": via.text, "values": dict(via.values)}
                for via in step.origin.via
            ],
        }
    return described


def _plain_step(plan: Plan, step: Step) -> dict[str, Json]:
    return {
        "number": step.number,
        "kind": str(step.kind),
        "text": step.text,
        "line": plan.program.recipe.source.position(step.span.start).line,
        "key": step.key,
        "parts": dict(step.parts),
    }


def _state(state: ImageState) -> Json:
    return {
        "env": [list(pair) for pair in state.env],
        "user": state.user,
        "workdir": state.workdir,
        "shell": None if state.shell is None else list(state.shell),
        "entrypoint": None if state.entrypoint is None else list(state.entrypoint),
        "cmd": None if state.cmd is None else list(state.cmd),
        "labels": [list(pair) for pair in state.labels],
        "annotations": [list(pair) for pair in state.annotations],
        "exposed": list(state.exposed),
        "volumes": list(state.volumes),
        "stop_signal": state.stop_signal,
    }
