"""What is kept of a plan, so that a later one can be compared with it.

Invariant: plain data with a JSON form; an account of the same plan is the same wherever it is made, apart from `when`.
"""

from collections.abc import Mapping

from metalor_lang.checker.program import ScratchBase, StageBase
from metalor_lang.digest import Json
from metalor_lang.hints import Final, cast
from metalor_lang.pattern import pattern
from metalor_lang.plan.describe import base_name
from metalor_lang.plan.graph import BindMount, CloneGit, CopyFiles, Exec, FetchFile, Plan, PlannedStage, Step
from metalor_lang.record import dataclass, field
from metalor_lang.syntax import ast
from metalor_lang.syntax.printer import print_statement

FORMAT: Final = 1
"""Of the JSON form."""

NAMES: Final = pattern(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""The names in a text; one that stands there literally is found too, and then nothing changed by it."""

_MOST: Final = 16_384
"""Characters of a FILE that are kept, to say which line of it changed."""

Place = tuple[int, int]
"""Index of a stage, number of a step in it; number 0 is what the stage stands on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAccount:
    """What is kept of a step.

    Args:
        number, kind, key, parts: as in `plan.graph.Step`.
        text: the statement; of a FILE with the lines of its block.
        line: 1-based line of the statement.
        origins: where it takes files from: by "copy", or the destination of a bind, the index of a stage or the name of
            a context.
        open: whether the recipe leaves to others what must arrive (an unpinned FETCH or GIT).
        done: whether its result was there when the build ended.

    """

    number: int
    kind: str
    text: str
    line: int
    key: str
    parts: Mapping[str, Json]
    origins: Mapping[str, int | str] = field(default_factory=dict)
    open: bool = False
    done: bool = True

    @property
    def configures(self) -> bool:
        """Whether it only changes the image's configuration: it never runs."""
        return self.kind == "config"

    @property
    def writes(self) -> bool:
        """Whether it may change files, so that what follows stands on it."""
        return self.kind not in ("user", "config", "test", "layer")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAccount:
    """What is kept of a stage.

    Args:
        index, name, title, platform, epoch, base_key: as in `plan.graph.PlannedStage`.
        text: of its FROM.
        arguments: those that it names, with their values.
        base: what it stands on, with all names resolved.
        digest: of what it stands on; "" for scratch.
        below: index of the stage that it stands on, None for an image, a tree or scratch.
        line: of its FROM.

    """

    index: int
    name: str
    title: str
    text: str
    arguments: Mapping[str, str]
    base: str
    digest: str
    below: int | None
    base_key: str
    platform: str
    epoch: int
    line: int
    steps: tuple[StepAccount, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """What its files are made from: the key of the last step that writes files, or of the base."""
        return next((step.key for step in reversed(self.steps) if step.writes), self.base_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is kept of a plan.

    Args:
        recipe: path of the file as it was given.
        platform: that was built for.
        target: title of the stage.
        stages: the needed ones, in their order.
        skipped: titles of the others.
        epoch: the time that was given by `--epoch` or SOURCE_DATE_EPOCH, "" for none.
        ignores: by context: the rules that hide files of it.
        lock: digest of the lock beside the recipe, "" where there is none.
        when: the end of the build, in seconds since 1970; 0 for one that has not been.

    """

    recipe: str
    platform: str
    target: str
    stages: tuple[StageAccount, ...]
    skipped: tuple[str, ...] = ()
    epoch: str = ""
    ignores: Mapping[str, str] = field(default_factory=dict)
    lock: str = ""
    when: int = 0

    def stage(self, index: int) -> StageAccount:
        """The stage with an index of the recipe."""
        return next(stage for stage in self.stages if stage.index == index)


def account_of(
    plan: Plan,
    *,
    recipe: str,
    done: frozenset[Place] | None = None,
    ignores: Mapping[str, str] | None = None,
    lock: str = "",
    when: int = 0,
) -> Account:
    """The account of a plan.

    Args:
        plan: what is to be kept.
        recipe: path of the file.
        done: the steps whose results were there at the end; None for all.
        ignores: by context: the rules that hide files of it.
        lock: digest of the lock beside the recipe, "" where there is none.
        when: the end of the build, in seconds since 1970.

    """
    given = plan.program.arguments.get("SOURCE_DATE_EPOCH")
    return Account(
        recipe=recipe,
        platform=str(plan.program.platform),
        target=plan.program.stages[plan.target].title,
        stages=tuple(_stage(plan, plan.stages[index], done) for index in sorted(plan.stages)),
        skipped=plan.skipped,
        epoch="" if given is None else given.value,
        ignores=dict(ignores or {}),
        lock=lock,
        when=when,
    )


def _stage(plan: Plan, stage: PlannedStage, done: frozenset[Place] | None) -> StageAccount:
    text = print_statement(plan.program.stages[stage.index].node)
    arguments = plan.program.arguments
    named = {name: arguments[name].value for name in NAMES.findall(text) if name in arguments}
    return StageAccount(
        index=stage.index,
        name=stage.name or "",
        title=stage.title,
        text=text,
        arguments=named,
        base=base_name(plan, stage.base),
        digest="" if isinstance(stage.base, ScratchBase) else stage.base_info.digest,
        below=stage.base.stage if isinstance(stage.base, StageBase) else None,
        base_key=stage.base_key,
        platform=str(stage.platform),
        epoch=stage.epoch,
        line=_line(plan, stage.span.start),
        steps=tuple(
            _step(
                plan,
                step,
                node,
                done is None or (stage.index, step.number) in done or not step.kind.acts,
            )
            for step, node in zip(stage.steps, plan.program.stages[stage.index].statements, strict=True)
        ),
    )


def _step(plan: Plan, step: Step, node: ast.Statement, done: bool) -> StepAccount:
    origins: dict[str, int | str] = {}
    match step.action:
        case CopyFiles(stage=stage, context=name):
            origins["copy"] = name if stage is None else stage
        case Exec(mounts=mounts):
            for mount in mounts:
                if isinstance(mount, BindMount):
                    origins[mount.destination] = mount.context if mount.stage is None else mount.stage
        case _:
            pass
    return StepAccount(
        number=step.number,
        kind=str(step.kind),
        text=f"{step.text}\n{_body(node.block)}" if isinstance(node, ast.File) else step.text,
        line=_line(plan, step.span.start),
        key=step.key,
        parts=step.parts,
        origins=origins,
        open=(isinstance(step.action, FetchFile) and step.action.unpinned)
        or (isinstance(step.action, CloneGit) and bool(step.action.branch)),
        done=done,
    )


def _body(block: ast.Block) -> str:
    return "".join(part.value if isinstance(part, ast.Text) else f"${{{part.name}}}" for part in block.parts)[:_MOST]


def _line(plan: Plan, offset: int) -> int:
    return plan.program.recipe.source.position(offset).line


# --- the JSON form --------------------------------------------------------------------------------------------------


def to_json(account: Account) -> Json:
    """An account as JSON."""
    return {
        "format": FORMAT,
        "recipe": account.recipe,
        "platform": account.platform,
        "target": account.target,
        "skipped": list(account.skipped),
        "epoch": account.epoch,
        "ignores": dict(account.ignores),
        "lock": account.lock,
        "when": account.when,
        "stages": [
            {
                **{name: getattr(stage, name) for name in _STAGE},
                "steps": [
                    {
                        **{name: getattr(step, name) for name in _STEP},
                        "origins": dict(step.origins),
                        "parts": dict(step.parts),
                    }
                    for step in stage.steps
                ],
            }
            for stage in account.stages
        ],
    }


_STAGE: Final = (
    "index", "name", "title", "text", "arguments", "base", "digest", "below", "base_key", "platform", "epoch", "line",
)  # fmt: skip
_STEP: Final = ("number", "kind", "text", "line", "key", "open", "done")


def from_json(value: Json) -> Account:
    """The account of a JSON form.

    Raises:
        ValueError, KeyError, TypeError: it is none of this version.

    """
    body = cast("dict[str, Json]", value)
    if body["format"] != FORMAT:
        raise ValueError("another format")
    return Account(
        recipe=cast(str, body["recipe"]),
        platform=cast(str, body["platform"]),
        target=cast(str, body["target"]),
        skipped=tuple(cast("list[str]", body["skipped"])),
        epoch=cast(str, body["epoch"]),
        ignores=cast("dict[str, str]", body["ignores"]),
        lock=cast(str, body["lock"]),
        when=cast(int, body["when"]),
        stages=tuple(_stage_from(each) for each in cast("list[dict[str, Json]]", body["stages"])),
    )


def _stage_from(body: dict[str, Json]) -> StageAccount:
    fields = {name: body[name] for name in _STAGE}
    steps = tuple(_step_from(each) for each in cast("list[dict[str, Json]]", body["steps"]))
    return StageAccount(**fields, steps=steps)  # type: ignore[arg-type]


def _step_from(body: dict[str, Json]) -> StepAccount:
    fields = {name: body[name] for name in _STEP}
    return StepAccount(
        **fields,  # type: ignore[arg-type]
        origins=cast("dict[str, int | str]", body["origins"]),
        parts=cast("dict[str, Json]", body["parts"]),
    )
