"""Rules of RUN and SH: the arguments they take by flag, and their mounts.

Invariant: a stage that a mount names becomes one that the stage needs.
"""

from metalor_lang.checker import flags
from metalor_lang.checker.files import find_source, missing_source
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.scope import PROXIES
from metalor_lang.checker.undefined import of_the_recipe
from metalor_lang.checker.walk import SecretUse, StageWalk
from metalor_lang.diagnostics.model import Label
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.source import Span
from metalor_lang.syntax import ast


def check_named_arguments(walk: StageWalk, node: ast.Statement) -> None:
    """Each `--arg` names an ARG that is visible here."""
    for flag in node.flags:
        if flag.name != "arg" or flag.value is None:
            continue
        name = walk.value(flag.value)
        if name is None or walk.names.argument(name, flag.span.start) is not None or walk.names.lost_argument(name):
            continue
        if name in walk.names.arguments and walk.names.sealed(flag.span.start):
            message, help = of_the_recipe(name)
        elif name in walk.names.arguments:
            message, help = f"`{name}` is declared below", "move the ARG up: it is visible from its line on"
        elif name in walk.facts.values:
            message, help = f"`{name}` is an ENV, not an ARG", "remove the flag: every step sees the ENV of its stage"
        elif name in PROXIES:
            message, help = f"`{name}` is not declared", "remove the flag: proxies reach every step by themselves"
        else:
            near = nearest(name, walk.names.arguments)
            message = f"there is no ARG `{name}`"
            help = f"did you mean --arg={near}?" if near else f"declare it above: ARG {name}"
        walk.report.add("E0358", message, flag.value.span, help, cause=name)


def check_mounts(walk: StageWalk, node: ast.Statement) -> None:
    """Mounts have each its own place; what binds show is there; secrets are noted."""
    taken: dict[str, Span] = {}
    for flag in node.flags:
        text = walk.value(flag.value) if flag.value is not None else None
        if flag.value is None or text is None:
            continue
        try:
            match flag.name:
                case "cache":
                    place = flags.cache(text).path
                case "tmpfs":
                    place = flags.mount_path(text)
                case "secret":
                    secret = flags.secret(text)
                    walk.secrets.append(SecretUse(name=secret.name, stage=walk.index, span=flag.value.span))
                    place = secret.path
                case "bind":
                    bound = flags.bind(text)
                    place = bound.destination
                    _bound(walk, bound, flag.value.span)
                case _:
                    continue
        except ValueProblem as error:
            walk.problem(error, flag.value.span)
            continue
        first = taken.setdefault(place, flag.value.span)
        if first != flag.value.span:
            label = Label(span=first, text="the first one")
            message = f"two mounts on `{place}`"
            walk.report.add("E0359", message, flag.value.span, "give each its own place", labels=(label,))


def _bound(walk: StageWalk, bound: flags.BindValue, span: Span) -> None:
    stage = walk.origin(bound.origin, "--bind") if bound.origin else None
    if stage is None and (not bound.origin or bound.origin in walk.contexts):
        walk.contexts.add(bound.origin)
        miss = find_source(walk, bound.origin, bound.source, glob=False, excludes=(), span=span)
        if miss is not None:
            help = "paths are relative to the context's folder"
            walk.problem(missing_source(bound.source, miss, "shown", help), span)
