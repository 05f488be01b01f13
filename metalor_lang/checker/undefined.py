"""The words for a `${NAME}` that means nothing, or nothing yet, wherever it stands.

Invariant: one name is reported once, with a label on each further place.
"""

from collections.abc import Iterable

from metalor_lang.checker.report import Report
from metalor_lang.checker.scope import EPOCH
from metalor_lang.diagnostics.model import Label
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.source import Span
from metalor_lang.syntax import ast

ARGUMENTS: Final = "ARGs"
"""What is seen in a recipe without blocks where no environment is."""

BINDINGS: Final = "ARGs, loop variables and parameters"
"""The same in a recipe with blocks."""

OF_ARGUMENTS: Final = frozenset(("ARG", "FOR"))
"""Statements that bring what is seen everywhere."""

OF_STAGES: Final = frozenset(("ARG", "FOR", "ENV", "USE"))
"""Statements that bring what a step sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is known of a name that was looked for in vain.

    Args:
        seen: the names that could be meant.
        only: what is seen there, `ARGUMENTS` or `BINDINGS`; "" where an ENV would be, too.
        hidden: whether it is an ARG that a group of another file does not see.
        sealed: whether it stands in a group of another file.
        line: of the ARG below that declares it.
        below: where that ARG is, if it has its place already.
        elsewhere: the ARG that declares it in a branch that is not built.
        itself: whether it stands in its own default.
        vague: whether a refused statement may be the one that declares it.

    """

    seen: Iterable[str]
    only: str = ""
    hidden: bool = False
    sealed: bool = False
    line: int | None = None
    below: Span | None = None
    elsewhere: Span | None = None
    itself: bool = False
    vague: bool = False


def undefined(report: Report, ref: ast.Ref, sought: Sought) -> None:
    """Report a `${NAME}` that means nothing."""
    name = ref.name
    if sought.vague and sought.line is None and sought.elsewhere is None:
        return
    labels: tuple[Label, ...] = ()
    if sought.itself:
        message, help = f"`{name}` is its own default", f"write the value: ARG {name}=value"
    elif sought.elsewhere is not None:
        message, help = f"`{name}` is not declared in this build", "declare it above the IF"
        labels = (Label(span=sought.elsewhere, text="declared here, in a branch that is not built"),)
    elif sought.hidden:
        message, help = of_the_recipe(name)
    elif sought.line is not None:
        message = f"`{name}` is declared only in line {sought.line}, below its use"
        help = "move the ARG up: it is visible from its line on"
        labels = () if sought.below is None else (Label(span=sought.below, text="declared here"),)
    elif name == "HOME":
        message = "`HOME` is known only while a step runs"
        help = 'use it in shell text, such as SH echo "$HOME", or write the path'
    elif name == "PATH":
        message, help = "`PATH` is each stage's own, and not known here", "use it in a step, or write the folders"
    elif (near := nearest(name, sought.seen)) is not None:
        message, help = f"`{name}` is not defined", f"did you mean ${{{near}}}?"
    elif sought.only:
        message = f"`{name}` is not defined: only {sought.only} are seen here"
        help = f"make it a parameter: DEFINE … {name}" if sought.sealed else f"declare it above: ARG {name}"
    else:
        message, help = f"`{name}` is not defined", f"declare it above: ARG {name}, or ENV {name}=value"
    report.add("E0301", message, ref.span, help, labels=labels, cause=name)


def of_the_recipe(name: str) -> tuple[str, str]:
    """Message and help for an ARG that a group of another file does not see."""
    message = f"`{name}` is an ARG of the recipe, and a group of another file sees its parameters only"
    return message, f"give the group a parameter for it: USE … {name}=${{{name}}}"


def no_epoch(report: Report, ref: ast.Ref) -> None:
    """Report that SOURCE_DATE_EPOCH is asked for before a stage has it."""
    message = f"`{EPOCH}` is each stage's own, and known here only when it is given"
    report.add("E0308", message, ref.span, "give it: --epoch N; or write a fixed value")
