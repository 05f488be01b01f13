"""What the unpinned FETCHes and GITs of a recipe ask for, as far as it can be known before a base is.

Invariant: a pure function; every unpinned FETCH and GIT of a needed stage is told of. Where its address holds what only
the environment of an unknown base sets, that is told instead of an address: nothing is guessed.

An unknown base gives each name that waits for one a mark that no address can hold. What is left of the marks in an
address says what it hangs on, through whatever ENV it came.
"""

from collections.abc import Iterator, Mapping

from metalor_lang.checker import flags
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.program import Argument, ImageBase, Program, RootfsBase, Stage, StageBase
from metalor_lang.checker.scope import EPOCH
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.plan.evaluator import DEFAULT_EPOCH
from metalor_lang.plan.expand import Expansion
from metalor_lang.plan.graph import CloneGit, FetchFile, ImageState
from metalor_lang.plan.lock import Lock
from metalor_lang.plan.steps import Drawing, draw
from metalor_lang.record import dataclass, replace
from metalor_lang.source import Span
from metalor_lang.syntax import ast

_MARK: Final = pattern("\ue000([0-9]+)\ue001([^\ue001]*)\ue001")
"""The stage whose base is not known, and the name that it may set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpinned:
    """One statement.

    Args:
        span: of it, in the recipe.
        node: the statement.
        action: what is asked for; only what says that is filled in. None where it hangs on a base.
        waits: then the names, each with the stage on whose base it waits.

    """

    span: Span
    node: ast.Fetch | ast.Git
    action: FetchFile | CloneGit | None = None
    waits: tuple[tuple[str, Stage], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What the statements of a stage see: its environment, and the epoch where it is known."""

    state: ImageState
    epoch: int | None


def unpinned_actions(program: Program, lock: Lock) -> tuple[Unpinned, ...]:
    """The unpinned FETCHes and GITs of the needed stages, in the order of the recipe.

    Args:
        program: a checked recipe.
        lock: what is known of bases.

    """
    ends: dict[int, _Start] = {}
    found: list[Unpinned] = []
    for stage in program.stages:
        if stage.index in program.needed:
            reading = _Reading(program, stage, _start(program, stage, lock, ends))
            found += reading.actions()
            ends[stage.index] = reading.at
    return tuple(found)


def _start(program: Program, stage: Stage, lock: Lock, ends: Mapping[int, _Start]) -> _Start:
    given = program.arguments[EPOCH].value if EPOCH in program.arguments else ""
    epoch = int(given) if given else DEFAULT_EPOCH
    match stage.base:
        case StageBase(stage=index):
            return ends[index]
        case ImageBase() | RootfsBase() as base:
            info = lock.base(base, stage.platform or program.platform)
            if info is None:
                names = dict.fromkeys((*(each.name for each in program.pending), EPOCH))
                env = tuple((name, f"\ue000{stage.index}\ue001{name}\ue001") for name in names)
                return _Start(state=ImageState(env=env), epoch=epoch if given else None)
            created = info.created if info.created is not None and info.created >= 0 else DEFAULT_EPOCH
            return _Start(state=info.state, epoch=epoch if given else created)
        case _:
            return _Start(state=ImageState(), epoch=epoch)


class _Reading:
    """The statements of a stage, read for what they fetch and for the environment that they leave."""

    def __init__(self, program: Program, stage: Stage, start: _Start) -> None:
        self._program = program
        self._stage = stage
        self.at = start
        self._arguments: Mapping[str, Argument] = program.arguments
        if start.epoch is None:  # then it is a name of the base, as others are
            self._arguments = {name: each for name, each in program.arguments.items() if name != EPOCH}

    def actions(self) -> Iterator[Unpinned]:
        """The unpinned ones; when all are given, `at` is the end of the stage."""
        for node in self._stage.statements:
            match node:
                case ast.Env() | ast.Unset(kind=ast.UnsetKind.ENV):
                    try:
                        after = draw(node, self.at.state, self._names(node), Drawing(stages={}, proxies=())).after
                    except ValueProblem:
                        continue  # of what a base sets that is not known; where it is, planning tells
                    self.at = replace(self.at, state=after)
                case ast.Fetch() | ast.Git() if node.flag("unpinned") is not None:
                    names = self._names(node)
                    found = self._action(node, names)
                    if found is not None and not names.undefined:
                        yield found
                case _:
                    pass

    def _action(self, node: ast.Fetch | ast.Git, names: Expansion) -> Unpinned | None:
        """What one asks for; None where that is nothing, which planning tells."""
        url = names.word(node.url)
        flag = node.flag("unpinned")
        branch = names.word(flag.value) if flag is not None and flag.value is not None else ""
        places = self._program.places
        span = node.span if places is None else places.span(node.span)
        waits = dict.fromkeys(_MARK.findall(f"{url} {branch}"))
        if waits:
            stages = {stage.index: stage for stage in self._program.stages}
            return Unpinned(span=span, node=node, waits=tuple((name, stages[int(index)]) for index, name in waits))
        action: FetchFile | CloneGit
        try:
            if isinstance(node, ast.Fetch):
                address = flags.fetch_url(url)
                action = FetchFile(url=address, sha256="", destination="/", workdir="/", user="", unpinned=True)
            else:
                address = flags.git_url(url)
                branch = flags.branch(branch)
                action = CloneGit(url=address, commit="", branch=branch, destination="/", workdir="/", user="")
        except ValueProblem:
            return None
        return Unpinned(span=span, node=node, action=action)

    def _names(self, node: ast.Statement) -> Expansion:
        places = self._program.places
        return Expansion(
            arguments=self._arguments,
            epoch=self.at.epoch or 0,
            environment=dict(self.at.state.env),
            offset=node.span.start,
            scope=None if places is None else places.scope(node.span.start),
        )
