"""Diagnostics as GitLab's code quality report.

Invariant: one JSON list with the fields that GitLab reads; paths are relative to the repository when the ones on the
command line are; a fingerprint stays when lines move (`diagnostics.findings`), so a merge request shows what is new.
"""

import json
from collections.abc import Sequence
from posixpath import normpath

from metalor_lang.diagnostics.findings import Findings, fingerprints
from metalor_lang.diagnostics.model import Severity

_SEVERITIES = {Severity.ERROR: "blocker", Severity.NOTE: "info"}
"""A recipe with an error builds nothing."""


def render_gitlab(files: Sequence[Findings]) -> str:
    """The report, ended by a newline; all but ASCII is escaped."""
    issues = []
    for file, names in zip(files, fingerprints(files), strict=True):
        for diagnostic, name in zip(file.diagnostics, names, strict=True):
            start, end = file.place(diagnostic)
            help = f" ({diagnostic.help})" if diagnostic.help else ""
            issues.append(
                {
                    "description": f"{diagnostic.message}{help}",
                    "check_name": diagnostic.code,
                    "fingerprint": name,
                    "severity": _SEVERITIES[diagnostic.severity],
                    "location": {
                        "path": normpath(file.source.path),
                        "positions": {
                            "begin": {"line": start.line, "column": start.column},
                            "end": {"line": end.line, "column": end.column},
                        },
                        "lines": {"begin": start.line, "end": end.line},
                    },
                }
            )
    return json.dumps(issues, indent=2) + "\n"
