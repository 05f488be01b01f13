"""What a recipe names and its lock does not have: all of it, found by planning without looking at anything.

Invariant: a pure function; each error stands at the FROM, FETCH or GIT that names what is missing.
"""

from collections.abc import Iterator
from posixpath import normpath

from metalor_lang.checker.program import Base, ImageBase, Platform, Program, RootfsBase
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import Final
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import BaseInfo, BindMount, CloneGit, CopyFiles, FetchFile, InputError
from metalor_lang.plan.lock import Lock, action_name, base_name, short, unpinned
from metalor_lang.record import replace
from metalor_lang.source import Span
from metalor_lang.syntax import ast

_NOT_LOCKED: Final = "E0704"
_DIFFERS: Final = "E0705"
_OTHER_PLATFORM: Final = "E0706"
_PLACEHOLDER: Final = "0" * 64


def everything(program: Program) -> Program:
    """A program of which every stage is needed."""
    return replace(program, needed=frozenset(stage.index for stage in program.stages))


def unlocked(program: Program, lock: Lock | None, name: str, remedy: str) -> tuple[Diagnostic, ...]:
    """An error for each import, base, FETCH and GIT of the needed stages that a lock does not have.

    Args:
        program: a checked recipe.
        lock: None where there is none: then that is the one error.
        name: of the lock's file, for messages.
        remedy: the command that writes it.

    """
    if lock is None:
        help = f"write it, and keep it beside the recipe: {remedy}"
        return (Diagnostic(code=_NOT_LOCKED, message=f"there is no {name}", span=Span(0, 0), help=help),)
    if not lock.covers(program.platform):
        there = ",".join(str(each) for each in lock.platforms)
        return (
            Diagnostic(
                code=_OTHER_PLATFORM,
                message=f"{name} is not for {program.platform}: it is for {there.replace(',', ', ') or 'none'}",
                span=Span(0, 0),
                help=f"write it for all: {remedy} --platform {','.join(filter(None, (there, str(program.platform))))}",
            ),
        )
    bases = tuple(
        _missing(f"{base_name(stage.base)} for {platform}", name, remedy, stage.node.base.span)
        for stage in program.stages
        if stage.index in program.needed
        and isinstance(stage.base, ImageBase | RootfsBase)
        and lock.base(stage.base, platform := stage.platform or program.platform) is None
    )
    if program.places is not None:
        bases = program.places.shown(bases)
    # A statement that stands in several rounds may name one thing in all of them.
    found = dict.fromkeys((*_imports(program, lock, name, remedy), *bases, *_actions(program, lock, name, remedy)))
    return tuple(sorted(found, key=lambda each: (each.span.start, each.span.end)))


def _imports(program: Program, lock: Lock, name: str, remedy: str) -> Iterator[Diagnostic]:
    for each in program.imports:
        known = lock.imports.get(each.path)
        span = _import_span(program, each.path)
        if known is None:
            yield _missing(each.path, name, remedy, span)
        elif known != each.sha256:
            both = f"{short(known)} there, {short(each.sha256)} here"
            help = f"bring the old one back, or take the new one: {remedy}"
            yield Diagnostic(
                code=_DIFFERS, message=f"{each.path} is not what {name} says: {both}", span=span, help=help
            )


def _import_span(program: Program, path: str) -> Span:
    """The line that imports a file, or the first one: it may be imported by another."""
    lines = [node for node in program.recipe.statements if isinstance(node, ast.Import)]
    texts = {normpath(program.recipe.source.slice(node.path.span).strip("\"'")): node.path.span for node in lines}
    return texts.get(path) or (lines[0].path.span if lines else Span(0, 0))


def _actions(program: Program, lock: Lock, name: str, remedy: str) -> tuple[Diagnostic, ...]:
    open_ones = unpinned_actions(program, lock)
    if open_ones is not None:
        return tuple(
            _missing(action_name(action), name, remedy, span)
            for span, action in open_ones
            if lock.pinned(action) is None
        )
    # A base that is not known may set what a step names: then what can be planned without it says what is missing.
    _, found = evaluate(program, _Known(lock, ""))
    return tuple(_missing(each.message, name, remedy, each.span) for each in found if each.code == _NOT_LOCKED)


def unpinned_actions(program: Program, lock: Lock) -> tuple[tuple[Span, FetchFile | CloneGit], ...] | None:
    """The unpinned FETCHes and GITs of the needed stages, each with its statement's place, as far as a lock lets know.

    Returns:
        None where what is not known of a base leaves a name open.

    """
    plan, _ = evaluate(program, _Known(lock, _PLACEHOLDER))
    if plan is None:
        return None
    return tuple(
        (step.span, step.action)
        for stage in plan.stages.values()
        for step in stage.steps
        if isinstance(step.action, FetchFile | CloneGit) and unpinned(step.action)
    )


def _missing(what: str, name: str, remedy: str, span: Span) -> Diagnostic:
    return Diagnostic(
        code=_NOT_LOCKED, message=f"{what} is not in {name}", span=span, help=f"write it down: {remedy}"
    )  # fmt: skip


class _Known:
    """Implements `plan.graph.Inputs` with a lock alone; of a base that is not in it nothing is known.

    Args:
        lock: what is known.
        instead: the hash of what is not in it; "" makes that an error.

    """

    def __init__(self, lock: Lock, instead: str) -> None:
        self._lock = lock
        self._instead = instead

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """What the lock says."""
        assert isinstance(base, ImageBase | RootfsBase)
        return self._lock.base(base, platform) or BaseInfo(digest="")

    def content(self, files: CopyFiles, epoch: int) -> str:
        """Keys do not matter here."""
        return ""

    def bound(self, mount: BindMount) -> str:
        """As `content`."""
        return ""

    def pinned(self, action: FetchFile | CloneGit) -> str:
        """The hash in the lock; raises InputError."""
        known = self._lock.pinned(action) or self._instead
        if not known:
            raise InputError(_NOT_LOCKED, action_name(action))
        return known
