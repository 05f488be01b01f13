"""The arguments of a build: what the recipe declares, what was given, what is always defined.

Invariant: a default sees only arguments above it; a wrong declaration still declares its name: one mistake, one error.
"""

from collections.abc import Mapping, Set

from metalor_lang.checker.broken import NOTHING_BROKEN, Broken
from metalor_lang.checker.platforms import host_platform
from metalor_lang.checker.program import Platform
from metalor_lang.checker.report import Report
from metalor_lang.checker.scope import (
    ALWAYS,
    EPOCH,
    PROXIES,
    RESERVED_ARGS,
    Known,
    always_defined,
    expand,
    looks_secret,
)
from metalor_lang.checker.undefined import ARGUMENTS, OF_ARGUMENTS, Sought, no_epoch, undefined
from metalor_lang.diagnostics.model import Edit, Label
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast

_START: Final = Span(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """Every argument by name, in order, and the proxies that no ARG declares."""

    known: Mapping[str, Known]
    proxies: tuple[tuple[str, str], ...]


def declare(
    recipe: ast.Recipe,
    given: Mapping[str, str],
    platform: Platform,
    epoch: int | None,
    report: Report,
    *,
    strict: bool,
    broken: Broken = NOTHING_BROKEN,
) -> Arguments:
    """The arguments of a recipe without blocks, with their values; what is wrong with them goes to `report`.

    Args:
        recipe: as parsed.
        given: values from outside.
        platform: what is built for.
        epoch: as given, or None.
        report: where errors go.
        strict: whether arguments without a default must be given, and given ones declared.
        broken: what refused statements may declare.

    """
    declaring = Declaring(recipe, given, platform, epoch, report, strict=strict, broken=broken)
    for node in recipe.statements:
        if isinstance(node, ast.Arg):
            declaring.add(node)
    return declaring.finish()


class Declaring:
    """Declares one ARG after the other; the arguments are those of `declare`."""

    def __init__(
        self,
        recipe: ast.Recipe,
        given: Mapping[str, str],
        platform: Platform,
        epoch: int | None,
        report: Report,
        *,
        strict: bool,
        broken: Broken,
    ) -> None:
        self.known = {
            name: Known(name=name, value=None if name == EPOCH and epoch is None else value)
            for name, value in always_defined(platform, host_platform(), epoch).items()
        }
        """Every argument so far."""
        self._recipe = recipe
        self._given = given
        self._report = report
        self._strict = strict
        self._broken = broken

    def add(self, node: ast.Arg, by: int = 0) -> None:
        """Declare an ARG; `by` is how far it stands behind its place in the recipe."""
        known, report = self.known, self._report
        value = _value(
            node, self._given, known, self._recipe, report, strict=self._strict, broken=self._broken
        )  # fmt: skip
        if _acceptable(node, known, report, self._recipe.source, by):
            known[node.name] = Known(
                name=node.name, value=value, public=node.flag("public") is not None, span=node.span
            )

    def finish(self, elsewhere: Set[str] = frozenset()) -> Arguments:
        """All arguments, when each ARG is declared; `elsewhere` are those of branches that are not built."""
        known, given = self.known, self._given
        proxies = tuple(sorted((name, value) for name, value in given.items() if name in PROXIES and name not in known))
        if self._strict:
            declared = tuple(name for name, each in known.items() if each.span is not None)
            for name in given:
                known_here = name in known and name not in ALWAYS
                if not known_here and name not in PROXIES and name not in self._broken.names and name not in elsewhere:
                    _undeclared(name, declared, self._report)
        return Arguments(known=known, proxies=proxies)


def _acceptable(node: ast.Arg, known: Mapping[str, Known], report: Report, source: SourceFile, by: int) -> bool:
    """Whether an ARG declares its name; one that looks like a secret does, though it is refused."""
    name, before = node.name, known.get(node.name)
    if name in ALWAYS:
        help = "remove the line: the build sets it" + (", by --epoch" if name == EPOCH else ", by --platform")
        start, end = node.span.start - by, node.span.end - by
        line = source.position(end).line
        behind = source.line_span(line + 1).start if line < source.line_count else len(source.text)
        # Without a default the line says nothing that is not so without it; a comment behind it may.
        says_nothing = node.default is None and not source.text[end:behind].strip()
        edit = Edit(span=Span(start + by, behind + by), text="", safe=says_nothing)
        report.add("E0304", f"`{name}` is always defined", node.name_span, help, edits=(edit,))
        return False
    if name in RESERVED_ARGS:
        help = f"write ENV {name}=… in the stage that needs it" if name == "PATH" else "HOME is the user's, from passwd"
        report.add("E0304", f"`{name}` cannot be an argument: every step has its own", node.name_span, help)
        return True
    if before is not None and before.span is not None:
        label = Label(span=before.span, text="the first one")
        help = "remove this one: an ARG is visible to the end of the file, in every stage"
        report.add("E0302", f"`{name}` is declared twice", node.name_span, help, labels=(label,))
        return False
    if looks_secret(name) and node.flag("public") is None:
        edit = Edit(span=Span(node.name_span.start, node.name_span.start), text="--public ")
        message = f"`{name}` looks like a secret, and arguments end up in keys and histories"
        help = f"use --secret={name} on the step that needs it; if it is none: ARG --public {name}"
        report.add("E0305", message, node.name_span, help, edits=(edit,))
    return True


def _value(
    node: ast.Arg,
    given: Mapping[str, str],
    known: Mapping[str, Known],
    recipe: ast.Recipe,
    report: Report,
    *,
    strict: bool,
    broken: Broken,
) -> str | None:
    def value_of(ref: ast.Ref) -> str | None:
        argument = known.get(ref.name)
        if argument is None:
            _unseen(ref, node, known, recipe, report, broken)
        elif argument.value is None and ref.name == EPOCH:
            no_epoch(report, ref)
        return None if argument is None else argument.value

    default = None if node.default is None else expand(node.default.parts, value_of)
    if node.name in given:
        return given[node.name]
    refused = looks_secret(node.name) and node.flag("public") is None  # then to give it is no remedy
    asked = strict and not refused and node.name not in (*ALWAYS, *RESERVED_ARGS) and node.name not in known
    if node.default is None and asked:
        help = f"give it: --arg {node.name}=VALUE; or write a default: ARG {node.name}=VALUE"
        report.add("E0307", f"the argument `{node.name}` is not given, and it has no default", node.name_span, help)
    return default


def _unseen(
    ref: ast.Ref,
    node: ast.Arg,
    known: Mapping[str, Known],
    recipe: ast.Recipe,
    report: Report,
    broken: Broken,
) -> None:
    if ref.name in broken.names:
        return
    below = next((each for each in recipe.statements if isinstance(each, ast.Arg) and each.name == ref.name), None)
    sought = Sought(
        seen=known,
        only=ARGUMENTS,
        itself=ref.name == node.name,
        vague=not broken.vague.isdisjoint(OF_ARGUMENTS),
        line=None if below is None else recipe.source.position(below.span.start).line,
    )
    undefined(report, ref, sought)


def _undeclared(name: str, declared: tuple[str, ...], report: Report) -> None:
    near = nearest(name, declared)
    if name in ALWAYS:
        message = f"`{name}` cannot be given as an argument"
        help = "give --epoch N" if name == EPOCH else "give --platform os/arch"
    else:
        message = f"the argument `{name}` is given, but no ARG declares it"
        listed = "the recipe declares " + ", ".join(declared) if declared else f"declare it: ARG {name}"
        help = f"did you mean `{near}`? {listed}" if near else listed
    report.add("E0306", message, _START, help)
