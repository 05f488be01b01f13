"""What the language has and the builder of this version does not carry out.

Invariant: the list here is the whole of it; a plan without them can be built.
"""

from collections.abc import Mapping

from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.hints import Final
from metalor_lang.plan.graph import CloseLayer, Plan
from metalor_lang.source import Span

STATEMENTS: Final[Mapping[type, str]] = {
    CloseLayer: "remove the line: a stage ships one layer until then",
}
"""Actions that are not carried out yet, and what to do meanwhile."""


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
    if not found:
        return ()
    span, what, help = found[0]
    labels = tuple(Label(span=place, text=f"nor {other}") for place, other, _ in found[1:])
    message = f"this version cannot build {what} yet"
    return (Diagnostic(code="E0607", message=message, span=span, labels=labels, help=help),)
