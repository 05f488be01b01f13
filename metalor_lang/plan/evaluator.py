"""A checked program and what its bases and contexts hold → the plan.

Invariant: a pure function of its arguments; what only a base could settle is settled here, or is an error with a place.
"""

from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.platforms import same_platform
from metalor_lang.checker.program import ImageBase, Platform, Program, RootfsBase, ScratchBase, Stage, StageBase
from metalor_lang.checker.report import Report
from metalor_lang.checker.scope import EPOCH
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.plan.expand import Expansion
from metalor_lang.plan.graph import (
    BaseInfo,
    BindMount,
    CloneGit,
    CopyFiles,
    Exec,
    FetchFile,
    ImageState,
    InputError,
    Inputs,
    Origin,
    Plan,
    PlannedStage,
    Step,
    Via,
)
from metalor_lang.plan.key import base_parts, key_of, step_parts
from metalor_lang.plan.steps import Drawing, Drawn, draw
from metalor_lang.record import dataclass, field, replace
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.printer import print_statement

DEFAULT_EPOCH = 315_532_800
"""1980-01-01T00:00:00Z: the first time that a zip file can say."""


def evaluate(program: Program, inputs: Inputs) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """The plan of what the target needs.

    Args:
        program: as the checker gives it.
        inputs: what the bases and contexts hold; asked once for each base and platform.

    Returns:
        the plan, or None with every error found.

    Raises:
        MachineError: as `inputs` raises it.

    """
    report, starts = Report(), Report()
    planned: dict[int, PlannedStage] = {}
    failed: set[int] = set()
    bases: dict[tuple[ImageBase | RootfsBase, Platform], BaseInfo] = {}
    names: dict[str, int] = {}
    for above, stage in zip((None, *program.stages), program.stages):
        # A stage sees those above it, and only while it is planned: one dictionary grows for all.
        if above is not None and above.name is not None:
            names[above.name] = above.index
        if stage.index not in program.needed:
            continue
        if failed.intersection(stage.needs):
            failed.add(stage.index)
            continue
        worker = _StagePlanner(
            program=program, stage=stage, inputs=inputs, report=report, starts=starts, planned=planned, bases=bases,
            names=names,
        )  # fmt: skip
        found = worker.plan()
        if found is None:
            failed.add(stage.index)
        else:
            planned[stage.index] = found
    if report or starts:
        wrong = report.sorted() if program.places is None else program.places.shown(report.sorted())
        return None, tuple(sorted((*wrong, *starts.sorted()), key=lambda each: (each.span.start, each.span.end)))
    return Plan(program=program, stages=planned, target=program.target, skipped=program.skipped), ()


@dataclass(slots=True, kw_only=True)
class _StagePlanner:
    program: Program
    stage: Stage
    inputs: Inputs
    report: Report
    starts: Report
    """For what is wrong with the FROM, which is at its place in the recipe."""
    planned: dict[int, PlannedStage]
    bases: dict[tuple[ImageBase | RootfsBase, Platform], BaseInfo]
    names: dict[str, int]
    platform: Platform = field(init=False)
    epoch: int = field(init=False)
    ok: bool = field(init=False, default=True)

    def plan(self) -> PlannedStage | None:
        """The stage with its steps, or None when something in it was refused."""
        start = self._start()
        if start is None:
            return None
        info, base_key = start
        state, key = info.state, base_key
        steps: list[Step] = []
        drawing = Drawing(stages=self.names, proxies=self.program.proxies)
        for node in self.stage.statements:
            step = self._step(node, len(steps) + 1, state, key, drawing)
            if step is not None:
                steps.append(step)
                state = step.after
                key = step.key if step.kind.writes else key
        if not self.ok:
            return None
        return PlannedStage(
            index=self.stage.index,
            name=self.stage.name,
            title=self.stage.title,
            base=self.stage.base,
            base_info=info,
            platform=self.platform,
            epoch=self.epoch,
            base_key=base_key,
            steps=tuple(steps),
            needs=self.stage.needs,
            span=self.stage.node.span,
        )

    def _refuse(self, code: str, message: str, span: Span, help: str, report: Report | None = None) -> None:
        self.ok = False
        (self.report if report is None else report).add(code, message, span, help)

    # --- the base -------------------------------------------------------------------------------------------------

    def _start(self) -> tuple[BaseInfo, str] | None:
        given = self.program.arguments[EPOCH].value if EPOCH in self.program.arguments else ""
        base = self.stage.base
        match base:
            case StageBase(stage=index):
                below = self.planned[index]
                self.platform, self.epoch = below.platform, below.epoch
                info = BaseInfo(
                    digest=below.key, state=below.final, platform=below.platform, created=below.epoch
                )  # fmt: skip
                return info, below.key
            case ScratchBase():
                self.platform = self.stage.platform or self.program.platform
                self.epoch = int(given) if given else DEFAULT_EPOCH
                return BaseInfo(digest="", state=ImageState()), key_of(base_parts(""))
            case ImageBase() | RootfsBase():
                return self._image(base, given)

    def _image(self, base: ImageBase | RootfsBase, given: str) -> tuple[BaseInfo, str] | None:
        wanted = self.stage.platform or self.program.platform
        span = self.stage.node.base.span
        try:
            info = self.bases.get((base, wanted)) or self.inputs.base(base, wanted)
        except InputError as error:
            self._refuse(error.code, error.message, span, error.help, self.starts)
            return None
        self.bases[base, wanted] = info
        if info.platform is not None and not same_platform(info.platform, wanted):
            help = f"build for it: --platform {info.platform}, or write FROM --platform={info.platform}"
            self._refuse("E0392", f"the base is for {info.platform}, not for {wanted}", span, help, self.starts)
        if info.onbuild:
            help = f"write what it would do into the recipe; its first trigger: {info.onbuild[0]}"
            message = "the base has ONBUILD triggers, and a recipe acts where it stands"
            self._refuse("E0391", message, span, help, self.starts)
        info = replace(info, state=replace(info.state, workdir=info.state.workdir or "/"))
        self.platform = info.platform or wanted
        created = info.created if info.created is not None and info.created >= 0 else None
        self.epoch = int(given) if given else DEFAULT_EPOCH if created is None else created
        return info, key_of(base_parts(info.digest))

    # --- steps ----------------------------------------------------------------------------------------------------

    def _step(self, node: ast.Statement, number: int, state: ImageState, base: str, drawing: Drawing) -> Step | None:
        names = Expansion(
            arguments=self.program.arguments,
            epoch=self.epoch,
            environment=dict(state.env),
            offset=node.span.start,
            scope=None if self.program.places is None else self.program.places.scope(node.span.start),
        )
        try:
            drawn = draw(node, state, names, drawing)
            if names.undefined:
                self._undefined(names)
                return None
            drawn = self._pinned(drawn)
            contents = self._contents(drawn)
        except ValueProblem as error:
            if names.undefined:
                self._undefined(names)
            else:
                self._refuse(error.code, error.message, error.span or node.span, error.help)
            return None
        except InputError as error:
            self._refuse(error.code, error.message, node.span, error.help)
            return None
        except MachineError:
            raise
        except MetalorError as error:
            self._refuse("E0409", error.message, node.span, error.help)
            return None
        parts = step_parts(
            drawn.kind,
            drawn.action,
            base=base,
            arguments=dict(sorted(names.named.items())),
            platform=self.platform,
            epoch=self.epoch,
            contents=contents,
            statement=node.word,
            changes=drawn.changes,
        )
        return Step(
            number=number,
            kind=drawn.kind,
            text=print_statement(node),
            action=drawn.action,
            before=state,
            after=drawn.after,
            parts=parts,
            key=key_of(parts),
            span=node.span if self.program.places is None else self.program.places.span(node.span),
            origin=self._origin(node.span.start, names),
        )

    def _origin(self, offset: int, names: Expansion) -> Origin | None:
        places = self.program.places
        frames = () if places is None else places.frames(offset)
        if places is None or not frames:
            return None
        recipe = self.program.recipe.source
        source, line = places.origin(offset)
        via = tuple(
            Via(path=file.path, line=file.position(frame.span.start).line, text=frame.text, values=frame.values)
            for frame in reversed(frames)
            for file in (frame.source or recipe,)
        )
        bound = places.scope(offset).bound
        values = tuple((name, value) for name, value in names.named.items() if name in bound)
        return Origin(path=source.path, line=line, via=via, labels=places.labels(offset), values=values)

    def _undefined(self, names: Expansion) -> None:
        for ref in names.undefined:
            near = nearest(ref.name, (*names.arguments, *names.environment))
            message = f"`{ref.name}` is not defined: neither the recipe nor the base's environment sets it"
            help = (
                f"did you mean ${{{near}}}?" if near else f"declare it above: ARG {ref.name}, or ENV {ref.name}=value"
            )
            self._refuse("E0301", message, ref.span, help)

    def _pinned(self, drawn: Drawn) -> Drawn:
        """A step whose recipe does not say what must arrive, with what arrives now."""
        match drawn.action:
            case FetchFile(unpinned=True):
                return replace(drawn, action=replace(drawn.action, sha256=self.inputs.pinned(drawn.action)))
            case CloneGit(branch=branch) if branch:
                return replace(drawn, action=replace(drawn.action, commit=self.inputs.pinned(drawn.action)))
            case _:
                return drawn

    def _contents(self, drawn: Drawn) -> dict[str, str]:
        """Digests of what a step takes from contexts, keys of the stages it takes from."""
        match drawn.action:
            case CopyFiles(stage=None):
                return {"copy": self.inputs.content(drawn.action, self.epoch)}
            case CopyFiles(stage=int(index)):
                return {"copy": self.planned[index].key}
            case Exec(mounts=mounts):
                return {
                    mount.destination: self.inputs.bound(mount)
                    if mount.stage is None
                    else self.planned[mount.stage].key
                    for mount in mounts
                    if isinstance(mount, BindMount)
                }
            case _:
                return {}
