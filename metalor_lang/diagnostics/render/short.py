"""Diagnostics one a line, in the form that editors and `grep -n` users know.

Invariant: `path:line:column: severity[code]: message`, one line each, no control characters.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.render.human import visible
from metalor_lang.source import SourceFile


def render_short(diagnostics: Sequence[Diagnostic], source: SourceFile) -> str:
    """One line a diagnostic, the remedy behind the message."""
    out = []
    for diagnostic in diagnostics:
        place = source.position(min(diagnostic.span.start, len(source.text)))
        help = f" ({diagnostic.help})" if diagnostic.help else ""
        line = f"{source.path}:{place}: {diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}{help}"
        out.append("".join(visible(char, 0) for char in line) + "\n")
    return "".join(out)
