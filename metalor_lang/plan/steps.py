"""One statement → what it does and the state after it.

Invariant: values are read by the same functions as in the checker; nothing here looks at files.
"""

from collections.abc import Callable, Mapping

from metalor_lang.checker import flags
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.rules import not_set, unset_names
from metalor_lang.digest import Json
from metalor_lang.hints import Final, TypeVar, assert_never
from metalor_lang.plan.expand import Expansion
from metalor_lang.plan.graph import (
    Action,
    BindMount,
    CacheMount,
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
    Mount,
    SecretMount,
    TmpfsMount,
    WriteFile,
)
from metalor_lang.plan.state import added, merged, names_of, unset, with_entrypoint
from metalor_lang.record import dataclass, field, replace
from metalor_lang.syntax import ast

T = TypeVar("T")

DEFAULT_SHELL: Final = ("/bin/sh", "-eu", "-c")
"""The shell of SH; the runner adds pipefail where that shell has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A statement ready to become a step; `changes` is what a configuring one sets."""

    kind: Kind
    action: Action
    after: ImageState
    changes: Json = None


@dataclass(slots=True, kw_only=True)
class Drawing:
    """What is known of a stage beside its state: earlier stages by name, proxies, whether it has its own CMD."""

    stages: Mapping[str, int]
    proxies: tuple[tuple[str, str], ...]
    own_cmd: bool = field(default=False)


def draw(node: ast.Statement, state: ImageState, names: Expansion, drawing: Drawing) -> Drawn:
    """What a statement of a stage does.

    Raises:
        ValueProblem: a value that had to wait for the base is not what its place takes.

    """
    match node:
        case ast.Env(pairs=pairs):
            env = _pairs(pairs, names)
            return _config(replace(state, env=merged(state.env, env)), dict(env))
        case ast.Label(pairs=pairs):
            labels = _pairs(pairs, names)
            return _config(replace(state, labels=merged(state.labels, labels)), dict(labels))
        case ast.Annotate(pairs=pairs):
            annotations = _pairs(pairs, names)
            return _config(replace(state, annotations=merged(state.annotations, annotations)), dict(annotations))
        case ast.Unset(kind=kind):
            return _unset(node, kind, state, names)
        case ast.Workdir(path=word):
            path = _read(flags.absolute_path, word, names)
            after = replace(state, workdir=path)
            return Drawn(kind=Kind.WORKDIR, action=MakeWorkdir(path=path, user=state.user), after=after)
        case ast.User(user=word):
            user = _read(flags.user, word, names)
            return Drawn(kind=Kind.USER, action=CheckUser(user=user), after=replace(state, user=user))
        case ast.Expose(ports=words):
            ports = tuple(port for word in words for port in _read(flags.ports, word, names))
            return _config(replace(state, exposed=added(state.exposed, ports)), list(ports))
        case ast.Volume(paths=words):
            paths = tuple(_read(flags.absolute_path, word, names) for word in words)
            return _config(replace(state, volumes=added(state.volumes, paths)), list(paths))
        case ast.StopSignal(signal=word):
            signal = _read(flags.signal, word, names)
            return _config(replace(state, stop_signal=signal), signal)
        case ast.Shell(argv=array):
            argv = names.array(array)
            return _config(replace(state, shell=argv), list(argv))
        case ast.Entrypoint(argv=array):
            argv = names.array(array)
            return _config(with_entrypoint(state, argv, keep_cmd=drawing.own_cmd), list(argv))
        case ast.Cmd(argv=array):
            argv = names.array(array)
            drawing.own_cmd = True
            return _config(replace(state, cmd=argv), list(argv))
        case ast.Run() | ast.Sh():
            called = Kind.RUN if isinstance(node, ast.Run) else Kind.SH
            return Drawn(kind=called, action=_exec(node, state, names, drawing, network="host"), after=state)
        case ast.Test(step=step):
            return Drawn(kind=Kind.TEST, action=_exec(step, state, names, drawing, network="none"), after=state)
        case ast.Copy():
            return Drawn(kind=Kind.COPY, action=_copy(node, state, names, drawing), after=state)
        case ast.File():
            return Drawn(kind=Kind.FILE, action=_file(node, state, names), after=state)
        case ast.Fetch():
            return Drawn(kind=Kind.FETCH, action=_fetch(node, state, names), after=state)
        case ast.Git():
            return Drawn(kind=Kind.GIT, action=_git(node, state, names), after=state)
        case ast.Layer(name=word):
            return Drawn(kind=Kind.LAYER, action=CloseLayer(name=names.word(word)), after=state)
        case ast.RecipeVersion() | ast.Arg() | ast.From():
            raise TypeError(f"{node.word} is no statement of a stage")
        case ast.If() | ast.Else() | ast.End() | ast.For() | ast.Define() | ast.Use() | ast.Import():
            raise TypeError(f"{node.word} is gone before steps are drawn")
        case _:
            assert_never(node)


def _config(after: ImageState, changes: Json) -> Drawn:
    return Drawn(kind=Kind.CONFIG, action=Configure(), after=after, changes=changes)


def _read(parser: Callable[[str], T], word: ast.Word, names: Expansion) -> T:
    """A value as its parser reads it; an undefined name in it is the error, not what is left without it."""
    text = names.word(word)
    try:
        return parser(text)
    except ValueProblem as error:
        if names.undefined:
            raise ValueProblem("E0301", "a name is not defined", "") from None
        raise ValueProblem(error.code, error.message, error.help, word.span) from None


def _pairs(pairs: tuple[ast.Pair, ...], names: Expansion) -> tuple[tuple[str, str], ...]:
    return tuple((pair.key, names.word(pair.value)) for pair in pairs)


def _unset(node: ast.Unset, kind: ast.UnsetKind, state: ImageState, names: Expansion) -> Drawn:
    taken = ("",) if node.name is None else _read(lambda text: unset_names(kind, text), node.name, names)
    after = unset(state, kind, taken)
    if isinstance(after, str):
        error = not_set(kind, after, names_of(state, kind))
        error.span = node.name.span if node.name is not None else node.span
        raise error
    return _config(after, {"unset": str(kind), "names": list(taken)})


# --- commands -----------------------------------------------------------------------------------------------------


def _exec(node: ast.Run | ast.Sh, state: ImageState, names: Expansion, drawing: Drawing, *, network: str) -> Exec:
    environment = dict(state.env)
    default_shell = False
    if isinstance(node, ast.Sh):
        argv: tuple[str, ...] = (*(state.shell or DEFAULT_SHELL), node.text.text)
        default_shell = state.shell is None
        environment |= names.shell(node.text.text)
    else:
        argv = names.array(node.argv)
    for flag in node.all_flags("arg"):
        if flag.value is not None:
            name = names.word(flag.value)
            value = names.argument(name)
            if value is not None:
                environment[name] = value
    return Exec(
        argv=argv,
        environment=tuple(sorted(environment.items())),
        user=_flag(node, "user", flags.user, names) or state.user,
        workdir=_flag(node, "workdir", flags.absolute_path, names) or state.workdir,
        network=_flag(node, "network", flags.network, names) or network,
        mounts=_mounts(node, names, drawing),
        default_shell=default_shell,
        timeout=_flag(node, "timeout", flags.duration, names),
        fresh=_flag(node, "fresh", flags.duration, names),
        proxies=drawing.proxies,
    )


def _flag(node: ast.Node, name: str, parser: Callable[[str], T], names: Expansion) -> T | None:
    flag = node.flag(name)
    return None if flag is None or flag.value is None else _read(parser, flag.value, names)


def _mounts(node: ast.Node, names: Expansion, drawing: Drawing) -> tuple[Mount, ...]:
    mounts: list[Mount] = []
    for flag in node.flags:
        if flag.value is None or flag.name not in ("cache", "secret", "bind", "tmpfs"):
            continue
        match flag.name:
            case "cache":
                cache = _read(flags.cache, flag.value, names)
                mounts.append(CacheMount(path=cache.path, id=cache.id, sharing=cache.sharing))
            case "secret":
                secret = _read(flags.secret, flag.value, names)
                mounts.append(SecretMount(name=secret.name, path=secret.path))
            case "bind":
                bind = _read(flags.bind, flag.value, names)
                stage = drawing.stages.get(bind.origin)
                context = bind.origin if stage is None else ""
                mounts.append(BindMount(stage=stage, context=context, source=bind.source, destination=bind.destination))
            case _:
                mounts.append(TmpfsMount(path=_read(flags.mount_path, flag.value, names)))
    return tuple(mounts)


# --- files --------------------------------------------------------------------------------------------------------


def _copy(node: ast.Copy, state: ImageState, names: Expansion, drawing: Drawing) -> CopyFiles:
    origin = _flag(node, "from", flags.origin, names) or ""
    stage = drawing.stages.get(origin)
    return CopyFiles(
        stage=stage,
        context=origin if stage is None else "",
        sources=tuple(names.source(word) for word in node.sources),
        destination=_read(flags.some_path, node.destination, names),
        workdir=state.workdir,
        user=state.user,
        chown=_flag(node, "chown", flags.user, names),
        chmod=_flag(node, "chmod", flags.mode, names),
        excludes=tuple(
            _read(flags.glob, flag.value, names) for flag in node.all_flags("exclude") if flag.value is not None
        ),
        optional=node.flag("optional") is not None,
    )


def _file(node: ast.File, state: ImageState, names: Expansion) -> WriteFile:
    return WriteFile(
        destination=_read(flags.file_path, node.destination, names),
        content=names.parts(node.block.parts).encode(),
        workdir=state.workdir,
        user=state.user,
        chown=_flag(node, "chown", flags.user, names),
        chmod=_flag(node, "chmod", flags.mode, names),
    )


def _fetch(node: ast.Fetch, state: ImageState, names: Expansion) -> FetchFile:
    return FetchFile(
        url=_read(flags.fetch_url, node.url, names),
        sha256=_flag(node, "sha256", flags.sha256, names) or "",
        destination=_read(flags.some_path, node.destination, names),
        workdir=state.workdir,
        user=state.user,
        unpinned=node.flag("unpinned") is not None,
        unpack=node.flag("unpack") is not None,
        chown=_flag(node, "chown", flags.user, names),
        chmod=_flag(node, "chmod", flags.mode, names),
        fresh=_flag(node, "fresh", flags.duration, names),
    )


def _git(node: ast.Git, state: ImageState, names: Expansion) -> CloneGit:
    return CloneGit(
        url=_read(flags.git_url, node.url, names),
        commit=_flag(node, "commit", flags.commit, names) or "",
        branch=_flag(node, "unpinned", flags.branch, names) or "",
        destination=_read(flags.some_path, node.destination, names),
        workdir=state.workdir,
        user=state.user,
        chown=_flag(node, "chown", flags.user, names),
        chmod=_flag(node, "chmod", flags.mode, names),
        fresh=_flag(node, "fresh", flags.duration, names),
    )
