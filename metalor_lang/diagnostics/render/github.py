"""Diagnostics as GitHub's workflow commands: the runner shows each beside its line.

Invariant: one line a diagnostic, whatever it holds. Escapes as the runner undoes them: `%`, CR and LF everywhere, `:`
and `,` in properties, too (actions/toolkit, "workflow commands"). Columns count code points; GitHub takes them for one
line only.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.diagnostics.findings import Findings
from metalor_lang.diagnostics.model import Severity
from metalor_lang.diagnostics.render.human import visible

_COMMANDS = {Severity.ERROR: "error", Severity.NOTE: "notice"}


def render_github(files: Sequence[Findings]) -> str:
    """A command for each diagnostic; nothing for what is right."""
    out = []
    for file in files:
        for diagnostic in file.diagnostics:
            start, end = file.place(diagnostic)
            properties: dict[str, object] = {"file": file.source.path, "line": start.line}
            if end.line == start.line:
                properties |= {"col": start.column, "endColumn": max(end.column, start.column)}
            else:
                properties |= {"endLine": end.line}
            properties["title"] = f"{diagnostic.code}: {CODES[diagnostic.code].title}"
            text = f"{diagnostic.message}\nhelp: {diagnostic.help}" if diagnostic.help else diagnostic.message
            shown = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
            out.append(f"::{_COMMANDS[diagnostic.severity]} {shown}::{_data(text)}\n")
    return "".join(out)


def _data(text: str) -> str:
    # Other control characters would reach the terminal of whoever reads the log.
    shown = "".join(char if char in "\r\n" else visible(char, 0) for char in text)
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
