"""Diagnostics one a line, in the form that editors and `grep -n` users know.

Invariant: `path:line:column: severity[code]: message (help: …)`, one line each, no control characters; columns count
code points.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.findings import Findings
from metalor_lang.diagnostics.render.human import visible


def render_short(files: Sequence[Findings]) -> str:
    """One line a diagnostic, the remedy behind the message."""
    out = []
    for file in files:
        for diagnostic in file.diagnostics:
            place, _ = file.place(diagnostic)
            help = f" (help: {diagnostic.help})" if diagnostic.help else ""
            line = f"{file.source.path}:{place}: {diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}{help}"
            out.append("".join(visible(char, 0) for char in line) + "\n")
    return "".join(out)
