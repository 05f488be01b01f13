"""A plan → a Dockerfile.

Invariant: printed from the plan, in which every name has its value: what is built from it later is what this build is.
An argument stays one only where the shell alone reads it and every later command of the stage may see it.
"""

import re
from collections.abc import Mapping
from os.path import normpath
from pathlib import Path

from metalor_lang.checker.program import ImageBase, RootfsBase, ScratchBase, StageBase, Transport
from metalor_lang.convert.back import commands, files
from metalor_lang.convert.back.model import Handed, Refusal, Unsaid
from metalor_lang.convert.back.words import array, pairs, path
from metalor_lang.convert.model import World
from metalor_lang.hints import Final
from metalor_lang.plan.graph import (
    CheckUser,
    CloneGit,
    CloseLayer,
    Configure,
    CopyFiles,
    Exec,
    FetchFile,
    ImageState,
    Kind,
    MakeWorkdir,
    Plan,
    PlannedStage,
    SecretMount,
    Step,
    WriteFile,
)
from metalor_lang.record import dataclass, field

_EPOCH: Final = "SOURCE_DATE_EPOCH"
_FLAGS: Final = re.compile(r"--[a-z]+=\S+")
_PATH: Final = (
    "an image from scratch gets a PATH from Docker and none from a recipe: write ENV PATH= into it to have one"
)


def dockerfile(
    plan: Plan, *, name: str, world: World, folder: Path, bases: Mapping[str, str], pinned: bool = False
) -> Handed:
    """Print a plan.

    Args:
        plan: of one platform.
        name: the recipe's, for the first line.
        world: the context that COPY reads, as it is now.
        folder: the recipe's, where its local images are looked for.
        bases: references that stand for local images, as FROM has them with a whole path (`oci:/DIR:TAG`).
        pinned: write each base with its digest.

    """
    standing = {whole(place, folder): reference for place, reference in bases.items()}
    printer = _Printer(plan=plan, world=world, folder=folder, bases=standing, pinned=pinned)
    for index in sorted(plan.stages):
        printer.stage(plan.stages[index])
    if printer.refused:
        return Handed(text="", refused=tuple(printer.refused))
    head = [
        "# syntax=docker/dockerfile:1",
        f"# Made by metalor from {name}, for {plan.program.platform}; edit that, not this.",
        *(f"# {note}" for note in printer.notes),
    ]
    text = "".join(f"{line}\n" for line in [*head, *printer.lines])
    return Handed(
        text=text,
        notes=tuple(printer.notes),
        contexts=tuple(sorted(printer.contexts)),
        secrets=tuple(sorted(printer.secrets)),
        bases=dict(bases),
    )


@dataclass(slots=True, kw_only=True)
class _Printer:
    plan: Plan
    world: World
    folder: Path
    bases: Mapping[str, str]
    pinned: bool
    lines: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    contexts: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    names: dict[int, str] = field(default_factory=dict)
    fixed: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.fixed = _fixed(self.plan)

    def stage(self, stage: PlannedStage) -> None:
        """FROM and what follows it."""
        self.names[stage.index] = stage.name or f"stage-{stage.index + 1}"
        try:
            self.lines += ["", *self._from(stage)]
        except Unsaid as why:
            self.refused.append(Refusal(start=stage.span.start, text=f"FROM of {stage.title}", why=str(why)))
        if any(isinstance(step.action, Exec) and step.kind is not Kind.TEST for step in stage.steps):
            self.lines.append(f"ARG {_EPOCH}={stage.epoch}")
        kept = _arguments(stage, self.fixed)
        declared: set[str] = set()
        for step in stage.steps:
            try:
                self.lines += self._step(step, kept, declared)
            except Unsaid as why:
                self.refused.append(Refusal(start=step.span.start, text=step.text.splitlines()[0], why=str(why)))

    def _from(self, stage: PlannedStage) -> list[str]:
        reference, above = self._base(stage)
        given = self.plan.program.stages[stage.index].platform
        flag = f"--platform={given} " if given is not None and not isinstance(stage.base, StageBase) else ""
        last = stage.index == self.plan.target
        called = "" if last and stage.name is None else f" AS {self.names[stage.index]}"
        return [*above, f"FROM {flag}{reference}{called}"]

    def _base(self, stage: PlannedStage) -> tuple[str, list[str]]:
        match stage.base:
            case ScratchBase():
                if stage.index == self.plan.target and "PATH" not in dict(stage.final.env):
                    self._note(_PATH)
                return "scratch", []
            case StageBase(stage=below):
                return self.names[below], []
            case ImageBase(transport=transport, location=location, tag=tag):
                written = location if transport is Transport.REGISTRY else f"{transport.value}:{location}"
                written += f":{tag}" if tag else ""
                registry = written if transport is Transport.REGISTRY else ""
                reference = registry or self.bases.get(whole(written, self.folder), "")
                if not reference:
                    raise Unsaid(f"a Dockerfile names images of registries: say --base NAME={written}")
                if self.pinned and "@" not in reference:
                    front, colon, last = reference.rpartition(":")
                    bare = front if colon and "/" not in last else reference
                    return f"{bare}@{stage.base_info.digest}", [f"# {reference}"]
                return reference, []
            case RootfsBase(path=place):
                raise Unsaid(f"rootfs:{place}: a Dockerfile stands on an image or on scratch")

    def _step(self, step: Step, kept: frozenset[str], declared: set[str]) -> list[str]:
        first = step.text.splitlines()[0]
        if step.kind is Kind.TEST:
            return [f"# not carried over, it cannot change the image: {first}"]
        match step.action:
            case Exec():
                return self._command(step, step.action, kept, declared)
            case CopyFiles() as action:
                if action.stage is None and action.context:
                    self.contexts.add(action.context)
                if action.stage is not None:
                    self._note(
                        "a directory that COPY --from makes gets mode 755 and root, whatever it has in its stage"
                    )
                return files.copy(action, self.world, self.names)
            case WriteFile() as action:
                return files.write(action)
            case FetchFile() as action:
                return files.fetch(action)
            case CloneGit():
                raise Unsaid("what ADD takes from a repository has other times and modes; write git into a command")
            case CloseLayer():
                return [f"# not carried over, a Dockerfile has a layer for each line: {first}"]
            case MakeWorkdir(path=place):
                return [f"WORKDIR {path(place)}"]
            case CheckUser(user=user):
                return [f"USER {user}"]
            case Configure():
                return _configured(step.before, step.after, first)

    def _command(self, step: Step, action: Exec, kept: frozenset[str], declared: set[str]) -> list[str]:
        extra = {name: value for name, value in _extra(step, action).items() if name != _EPOCH}
        lines = []
        for name in sorted(extra.keys() & kept):
            if name not in declared:
                declared.add(name)
                lines += [f"ARG {pairs([(name, extra[name])])}"]
            del extra[name]
        for mount in action.mounts:
            if isinstance(mount, SecretMount):
                self.secrets.add(mount.name)
        if action.timeout is not None or action.fresh is not None:
            lines.append("# not carried over, it cannot change the image: --timeout or --fresh")
        return [*lines, *commands.command(step, extra, self.names)]

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def whole(place: str, folder: Path) -> str:
    """A local image with its whole path, so that two ways to write it are one."""
    kind, _, rest = place.partition(":")
    path, colon, tag = rest.partition(":")
    return f"{kind}:{normpath(folder / path)}{colon}{tag}"


def _extra(step: Step, action: Exec) -> dict[str, str]:
    """The variables that a command has beside the stage's."""
    before = dict(step.before.env)
    return {name: value for name, value in action.environment if before.get(name) != value}


def _arguments(stage: PlannedStage, fixed: frozenset[str]) -> frozenset[str]:
    """The arguments that can stay ARG lines: from the first command that has one, all commands have it.

    An ARG of a Dockerfile reaches every later command of its stage, one of a recipe those that name it.
    """
    having = [
        _extra(step, step.action)
        for step in stage.steps
        if isinstance(step.action, Exec) and step.kind is not Kind.TEST
    ]
    good = set()
    for name in {name for each in having for name in each} - fixed:
        seen = [name in each for each in having]
        if all(seen[seen.index(True) :]):
            good.add(name)
    return frozenset(good)


def _fixed(plan: Plan) -> frozenset[str]:
    """The arguments that stand somewhere as their value, so that an ARG line would change only a part."""
    found: set[str] = set()
    for stage in plan.stages.values():
        node = plan.program.stages[stage.index].node
        found |= {ref.name for ref in node.base.refs}
        for step in stage.steps:
            if step.kind is Kind.TEST:
                continue
            named = _named(step)
            if step.kind is Kind.SH:
                flags = "".join(_FLAGS.findall(step.text.partition("\n")[0]))
                found |= {name for name in named if f"${{{name}}}" in flags}
            elif step.kind is Kind.RUN:
                found |= {name for name in named if f"${{{name}}}" in step.text}
            else:
                found |= set(named)
    return frozenset(found)


def _named(step: Step) -> tuple[str, ...]:
    arguments = step.parts.get("arguments")
    return tuple(arguments) if isinstance(arguments, Mapping) else ()


def _configured(before: ImageState, after: ImageState, first: str) -> list[str]:
    """What a statement changed in the configuration."""
    if after.annotations != before.annotations:
        raise Unsaid("a Dockerfile has no annotations: give them to the builder (docker buildx build --annotation)")
    lines: list[str] = []
    for word, old, new in (("ENV", before.env, after.env), ("LABEL", before.labels, after.labels)):
        if gone := [key for key, _ in old if key not in dict(new)]:
            raise Unsaid(f"a Dockerfile cannot take {', '.join(gone)} away again")
        changed = [(key, value) for key, value in new if dict(old).get(key) != value]
        if changed:
            lines.append(f"{word} {pairs(changed)}")
    for word, were, are in (
        ("EXPOSE", before.exposed, after.exposed),
        ("VOLUME", before.volumes, after.volumes),
    ):
        if gone := [each for each in were if each not in are]:
            raise Unsaid(f"a Dockerfile cannot take {', '.join(gone)} away again")
        added = [each for each in are if each not in were]
        if added:
            lines.append(f"{word} {array(added) if word == 'VOLUME' else ' '.join(added)}")
    for what in ("user", "workdir", "stop_signal"):
        if getattr(before, what) and getattr(after, what) != getattr(before, what) and first.startswith("UNSET"):
            raise Unsaid(f"a Dockerfile cannot take it away again: {first}")
    if after.stop_signal != before.stop_signal:
        lines.append(f"STOPSIGNAL {after.stop_signal}")
    if after.entrypoint != before.entrypoint or first.startswith("ENTRYPOINT"):
        lines.append(f"ENTRYPOINT {array(after.entrypoint or ())}")
    if after.cmd != before.cmd and not (after.cmd is None and first.startswith("ENTRYPOINT")):
        lines.append(f"CMD {array(after.cmd or ())}")
    return lines
