"""What each statement of a stage must keep to: one table, statement → rules.

Invariant: a rule judges only values that are known here; what waits for a base is judged by the evaluator,
with the same functions of `flags`.
"""

from collections.abc import Callable, Mapping

from metalor_lang.checker import flags
from metalor_lang.checker.files import SOURCE_CODES, check_copy, check_fetch, check_file, check_git
from metalor_lang.checker.flags import ValueProblem, parser_of
from metalor_lang.checker.report import Report
from metalor_lang.checker.scope import looks_secret, ships_argument
from metalor_lang.checker.steps import check_mounts, check_named_arguments
from metalor_lang.checker.walk import StageWalk
from metalor_lang.diagnostics.model import Label
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import Final
from metalor_lang.source import Span
from metalor_lang.syntax import ast

__all__ = ["SOURCE_CODES", "check_statement", "not_set", "unset_names"]

Kind = ast.UnsetKind


def stageless(report: Report, first: ast.Statement, *others: ast.Statement) -> None:
    """Report statements that stand before the first FROM."""
    labels = tuple(Label(span=node.word_span, text="also before it") for node in others)
    help = "only RECIPE, ARG, IMPORT and DEFINE may: move it behind the FROM of its stage"
    report.add("E0312", f"{first.word} stands before the first FROM", first.word_span, help, labels=labels)


def check_statement(walk: StageWalk, node: ast.Statement) -> None:
    """Check one statement of a stage, then let it act on what is known of the stage."""
    if node.expands:
        walk.notice(node)
    step = node.step if isinstance(node, ast.Test) else node
    for flag in step.flags:
        if flag.value is not None and (parser := parser_of(step.word, flag.name)) is not None:
            walk.read(flag.value, parser)
    for rule in _RULES[type(step)]:
        rule(walk, step)


# --- the image's configuration ------------------------------------------------------------------------------------


def _pairs_once(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Env | ast.Label | ast.Annotate)
    if len(node.pairs) == 1:
        return
    seen: dict[str, Span] = {}
    for pair in node.pairs:
        if pair.key in seen:
            label = Label(span=seen[pair.key], text="first here")
            message = f"`{pair.key}` is set twice in one statement"
            walk.report.add("E0364", message, pair.key_span, "keep one of the two", labels=(label,))
        seen.setdefault(pair.key, pair.key_span)


def _env(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Env)
    after: dict[str, str | None] = {}
    for pair in node.pairs:
        argument = walk.names.declared(pair.key, pair.key_span.start)
        shipped = argument is not None and ships_argument(pair)
        if argument is not None and not shipped:
            bound = argument is not walk.names.arguments.get(pair.key)
            labels = () if argument.span is None else (Label(span=argument.span, text="here" if bound else "the ARG"),)
            what = "an ARG of this recipe" if labels else "always defined"
            what = "a loop variable or parameter" if bound else what
            help = f"ENV {pair.key}=${{{pair.key}}} ships the argument; else take another name"
            walk.report.add("E0303", f"`{pair.key}` is {what}", pair.key_span, help, labels=labels)
        elif argument is None and looks_secret(pair.key):
            help = f"give it to the steps that need it: --secret={pair.key}; if it is none: ARG --public {pair.key}"
            message = f"`{pair.key}` looks like a secret, and ENV is for everyone to read"
            walk.report.add("E0305", message, pair.key_span, help)
        after[pair.key] = walk.value(pair.value)
        if shipped or argument is not None:
            walk.facts.shipped.add(pair.key)
        else:
            walk.facts.shipped.discard(pair.key)
    for name, value in after.items():
        walk.facts.values[name] = value
        walk.facts.set(Kind.ENV, name)


def _label(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Label)
    for pair in node.pairs:
        walk.facts.set(Kind.LABEL, pair.key)


def _workdir(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Workdir)
    walk.read(node.path, flags.absolute_path)
    walk.facts.set(Kind.WORKDIR)


def _user(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.User)
    walk.read(node.user, flags.user)
    walk.facts.set(Kind.USER)


def _stop_signal(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.StopSignal)
    walk.read(node.signal, flags.signal)
    walk.facts.set(Kind.STOPSIGNAL)


def _expose(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Expose)
    for word in node.ports:
        found = walk.read(word, flags.ports)
        if found is None:
            walk.facts.unsure.add(Kind.EXPOSE)
        for port in found or ():
            walk.facts.set(Kind.EXPOSE, port)


def _volume(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Volume)
    for word in node.paths:
        path = walk.read(word, flags.absolute_path)
        if path is None:
            walk.facts.unsure.add(Kind.VOLUME)
        else:
            walk.facts.set(Kind.VOLUME, path)


def unset_names(kind: Kind, text: str) -> tuple[str, ...]:
    """What an UNSET takes away, as the state names it.

    Raises:
        ValueProblem: the text is none of its kind.

    """
    match kind:
        case Kind.EXPOSE:
            return flags.ports(text)
        case Kind.VOLUME:
            return (flags.absolute_path(text),)
        case _:
            return (text,)


def not_set(kind: Kind, name: str, known: tuple[str, ...]) -> ValueProblem:
    """The error of an UNSET of something that is not set."""
    near = nearest(name, known) if name else None
    shown = f"{kind} {name}" if name else str(kind)
    help = f"did you mean UNSET {kind} {near}?" if near else "remove the line: there is nothing to take away"
    return ValueProblem("E0362", f"{shown} is not set here", help)


def _unset(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Unset)
    text = walk.value(node.name) if node.name is not None else ""
    if text is None:
        return
    span = node.name.span if node.name is not None else node.span
    try:
        for name in unset_names(node.kind, text):
            lost = "USE" in walk.names.vague or str(node.kind) in walk.names.lost
            if walk.facts.take_away(node.kind, name) is False and not lost:
                known = tuple(each for kind, each in walk.facts.present if kind is node.kind)
                raise not_set(node.kind, name, tuple(sorted(known)))
    except ValueProblem as error:
        walk.problem(error, span)


def _once(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Entrypoint | ast.Cmd)
    first = walk.firsts.get(node.word)
    if first is not None:
        label = Label(span=first, text="the first one")
        message = f"a second {node.word} in one stage"
        walk.report.add("E0361", message, node.span, "only one can count: remove the other", labels=(label,))
        return
    walk.firsts[node.word] = node.span
    if isinstance(node, ast.Cmd):
        walk.facts.set(Kind.CMD)
    else:
        walk.facts.set(Kind.ENTRYPOINT)
        if "CMD" not in walk.firsts:
            walk.facts.take_away(Kind.CMD)


def _program(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Run | ast.Shell | ast.Entrypoint)
    if walk.value(node.argv.items[0]) == "":
        message = "the name of the program is empty"
        walk.report.add("E0360", message, node.argv.items[0].span, f'write {node.word} ["/bin/program", "argument"]')


def _layer(walk: StageWalk, node: ast.Statement) -> None:
    assert isinstance(node, ast.Layer)
    name = walk.value(node.name)
    if name is None:
        return
    if not name.strip():
        walk.report.add("E0363", "a layer without a name", node.name.span, 'write LAYER "dependencies"')
    first = walk.firsts.setdefault(f"LAYER {name}", node.name.span)
    if first != node.name.span:
        label = Label(span=first, text="the first one")
        message = f"a second layer `{name}` in one stage"
        walk.report.add("E0363", message, node.name.span, "give each layer its own name", labels=(label,))


Rule = Callable[[StageWalk, ast.Statement], None]

_RULES: Final[Mapping[type, tuple[Rule, ...]]] = {
    ast.Env: (_pairs_once, _env),
    ast.Label: (_pairs_once, _label),
    ast.Annotate: (_pairs_once,),
    ast.Unset: (_unset,),
    ast.Workdir: (_workdir,),
    ast.User: (_user,),
    ast.Expose: (_expose,),
    ast.Volume: (_volume,),
    ast.StopSignal: (_stop_signal,),
    ast.Shell: (_program,),
    ast.Entrypoint: (_once, _program),
    ast.Cmd: (_once,),
    ast.Run: (check_named_arguments, check_mounts, _program),
    ast.Sh: (check_named_arguments, check_mounts),
    ast.Copy: (check_copy,),
    ast.File: (check_file,),
    ast.Fetch: (check_fetch,),
    ast.Git: (check_git,),
    ast.Layer: (_layer,),
}
