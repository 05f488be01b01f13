"""What a recipe names and its lock does not have: all of it, found without looking at anything.

Invariant: a pure function; each error stands at the FROM, FETCH or GIT that names what is missing.
"""

from collections.abc import Iterator, Sequence
from posixpath import normpath

from metalor_lang.checker.program import ImageBase, Program, RootfsBase
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import Final
from metalor_lang.plan.lock import Lock, action_name, base_name, short
from metalor_lang.plan.unpinned import Unpinned, unpinned_actions
from metalor_lang.record import replace
from metalor_lang.source import Span
from metalor_lang.syntax import ast

_NOT_LOCKED: Final = "E0704"
_DIFFERS: Final = "E0705"
_OTHER_PLATFORM: Final = "E0706"


def everything(program: Program) -> Program:
    """A program of which every stage is needed."""
    return replace(program, needed=frozenset(stage.index for stage in program.stages))


def unlocked(programs: Sequence[Program], lock: Lock | None, name: str, remedy: str) -> tuple[Diagnostic, ...]:
    """An error for each import, base, FETCH and GIT of the needed stages that a lock does not have.

    Args:
        programs: a checked recipe, once for each platform.
        lock: None where there is none: then that is the one error.
        name: of the lock's file, for messages.
        remedy: the command that writes it.

    """
    if lock is None:
        help = f"write it, and keep it beside the recipe: {remedy}"
        return (Diagnostic(code=_NOT_LOCKED, message=f"there is no {name}", span=Span(0, 0), help=help),)
    others = [str(each.platform) for each in programs if not lock.covers(each.platform)]
    if others:
        there = [str(each) for each in lock.platforms]
        return (
            Diagnostic(
                code=_OTHER_PLATFORM,
                message=f"{name} is not for {' and '.join(others)}: it is for {', '.join(there) or 'none'}",
                span=Span(0, 0),
                help=f"write it for all: {remedy} --platform {','.join((*there, *others))}",
            ),
        )
    # What is wrong for several platforms, or in several rounds of a loop, may be one thing.
    found = dict.fromkeys(each for program in programs for each in _unlocked(program, lock, name, remedy))
    return tuple(sorted(found, key=lambda each: (each.span.start, each.span.end)))


def _unlocked(program: Program, lock: Lock, name: str, remedy: str) -> Iterator[Diagnostic]:
    yield from _imports(program, lock, name, remedy)
    bases = tuple(
        _missing(f"{base_name(stage.base)} for {platform}", name, remedy, stage.node.base.span)
        for stage in program.stages
        if stage.index in program.needed
        and isinstance(stage.base, ImageBase | RootfsBase)
        and lock.base(stage.base, platform := stage.platform or program.platform) is None
    )
    yield from bases if program.places is None else program.places.shown(bases)
    yield from _actions(program, lock, name, remedy)


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


def _actions(program: Program, lock: Lock, name: str, remedy: str) -> Iterator[Diagnostic]:
    for each in unpinned_actions(program, lock):
        if each.action is None:
            yield _waiting(each, program, name, remedy)
        elif lock.pinned(each.action) is None:
            yield _missing(action_name(each.action), name, remedy, each.span)


def _waiting(each: Unpinned, program: Program, name: str, remedy: str) -> Diagnostic:
    """The error of a FETCH or GIT that cannot even be looked up."""
    names = dict.fromkeys(f"`{waited}`" for waited, _ in each.waits)
    bases = dict.fromkeys(
        f"{base_name(stage.base)} for {stage.platform or program.platform}"
        for _, stage in each.waits
        if isinstance(stage.base, ImageBase | RootfsBase)
    )
    has = "its address has" if isinstance(each.node, ast.Fetch) else "its address or branch has"
    message = (
        f"this {each.node.word} cannot be looked up in {name}: {has} {' and '.join(names)} of {' and '.join(bases)},"
        " which is not there"
    )
    return Diagnostic(code=_NOT_LOCKED, message=message, span=each.span, help=f"write both down: {remedy}")


def _missing(what: str, name: str, remedy: str, span: Span) -> Diagnostic:
    return Diagnostic(
        code=_NOT_LOCKED, message=f"{what} is not in {name}", span=span, help=f"write it down: {remedy}"
    )  # fmt: skip
