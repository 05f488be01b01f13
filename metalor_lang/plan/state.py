"""How each statement changes the image's configuration.

Invariant: pure functions, state in, state out; a name that is set again keeps its place, as in Docker.
"""

from metalor_lang.hints import assert_never
from metalor_lang.plan.graph import ImageState
from metalor_lang.record import replace
from metalor_lang.syntax.ast import UnsetKind

Pairs = tuple[tuple[str, str], ...]


def merged(old: Pairs, new: Pairs) -> Pairs:
    """`old` with the values of `new`; new names at the end."""
    return tuple((dict(old) | dict(new)).items())


def added(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """`old` and what of `new` is not in it."""
    return tuple(dict.fromkeys((*old, *new)))


def with_entrypoint(state: ImageState, argv: tuple[str, ...], *, keep_cmd: bool) -> ImageState:
    """A new entrypoint; an inherited CMD, which was meant for the old one, is dropped."""
    return replace(state, entrypoint=argv, cmd=state.cmd if keep_cmd else None)


def unset(state: ImageState, kind: UnsetKind, names: tuple[str, ...]) -> ImageState | str:
    """The state without what UNSET names, or the first name that is not set."""
    match kind:
        case UnsetKind.ENV:
            return _without(state, "env", state.env, names)
        case UnsetKind.LABEL:
            return _without(state, "labels", state.labels, names)
        case UnsetKind.VOLUME:
            return _less(state, "volumes", state.volumes, names)
        case UnsetKind.EXPOSE:
            return _less(state, "exposed", state.exposed, names)
        case UnsetKind.CMD:
            return "" if state.cmd is None else replace(state, cmd=None)
        case UnsetKind.ENTRYPOINT:
            return "" if state.entrypoint is None else replace(state, entrypoint=None)
        case UnsetKind.USER:
            return replace(state, user="") if state.user else ""
        case UnsetKind.WORKDIR:
            return replace(state, workdir="/") if state.workdir not in ("", "/") else ""
        case UnsetKind.STOPSIGNAL:
            return replace(state, stop_signal="") if state.stop_signal else ""
        case _:
            assert_never(kind)


def names_of(state: ImageState, kind: UnsetKind) -> tuple[str, ...]:
    """What an UNSET of a kind could name, for hints."""
    match kind:
        case UnsetKind.ENV:
            return tuple(name for name, _ in state.env)
        case UnsetKind.LABEL:
            return tuple(name for name, _ in state.labels)
        case UnsetKind.VOLUME:
            return state.volumes
        case UnsetKind.EXPOSE:
            return state.exposed
        case _:
            return ()


def _without(state: ImageState, field: str, pairs: Pairs, names: tuple[str, ...]) -> ImageState | str:
    present = dict(pairs)
    for name in names:
        if name not in present:
            return name
    kept: dict[str, Pairs] = {field: tuple(pair for pair in pairs if pair[0] not in names)}
    return replace(state, **kept)  # type: ignore[arg-type]


def _less(state: ImageState, field: str, values: tuple[str, ...], names: tuple[str, ...]) -> ImageState | str:
    for name in names:
        if name not in values:
            return name
    kept: dict[str, tuple[str, ...]] = {field: tuple(value for value in values if value not in names)}
    return replace(state, **kept)  # type: ignore[arg-type]
