"""What the language has and the builder of this version does not carry out.

Invariant: the lists here are the whole of it; a plan without them can be built.
"""

from collections.abc import Mapping

from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.hints import Final
from metalor_lang.plan.graph import CloneGit, CloseLayer, Exec, Plan
from metalor_lang.source import Span
from metalor_lang.syntax import ast

STATEMENTS: Final[Mapping[type, str]] = {
    CloneGit: "clone it beside the recipe, give it by --context NAME=DIR and COPY --from=NAME until then",
    CloseLayer: "remove the line: a stage ships one layer until then",
}
"""Actions that are not carried out yet, and what to do meanwhile."""

FLAGS: Final[Mapping[str, str]] = {
    "cache": "remove the flag: the step runs without the cache until then",
    "secret": "there is no other way yet: leave the step out until then",
}
"""Flags of RUN and SH that are not carried out yet, and what to do meanwhile."""


def unsupported(plan: Plan) -> tuple[Diagnostic, ...]:
    """One error that names everything in a plan that cannot be built yet, or nothing."""
    found: list[tuple[Span, str, str]] = []
    for index in sorted(plan.stages):
        nodes = {node.span: node for node in plan.program.stages[index].statements}
        for step in plan.stages[index].steps:
            node = nodes.get(step.span)
            if type(step.action) in STATEMENTS:
                word = node.word if node is not None else str(step.kind).upper()
                span = node.word_span if node is not None else step.span
                found.append((span, word, STATEMENTS[type(step.action)]))
            elif isinstance(step.action, Exec) and node is not None:
                inner = node.step if isinstance(node, ast.Test) else node
                found += [
                    (flag.span, f"--{flag.name}", FLAGS[flag.name]) for flag in inner.flags if flag.name in FLAGS
                ]  # fmt: skip
    if not found:
        return ()
    span, what, help = found[0]
    labels = tuple(Label(span=place, text=f"nor {other}") for place, other, _ in found[1:])
    message = f"this version cannot build {what} yet"
    return (Diagnostic(code="E0607", message=message, span=span, labels=labels, help=help),)
