"""Diagnostics for programs.

Invariant: one JSON document a run, as docs/reference/check.schema.json says; fields are added, never renamed. Lines and
columns are 1-based and count code points, offsets are 0-based code points of the text without a byte order mark; an end
is exclusive.
"""

import json
from collections.abc import Sequence

from metalor_lang.diagnostics.findings import Findings
from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.source import SourceFile, Span

SCHEMA_VERSION = 2

JsonObject = dict[str, object]


def _place(source: SourceFile, offset: int) -> JsonObject:
    position = source.position(offset)
    return {"line": position.line, "column": position.column, "offset": offset}


def _span(source: SourceFile, span: Span) -> JsonObject:
    return {"start": _place(source, span.start), "end": _place(source, span.end)}


def _label(label: Label, source: SourceFile) -> JsonObject:
    if label.source is None:
        return {"text": label.text, "span": _span(source, label.span)}
    return {"text": label.text, "path": label.source.path, "span": _span(label.source, label.span)}


def diagnostic_json(diagnostic: Diagnostic, source: SourceFile) -> JsonObject:
    """One diagnostic as a JSON object."""
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "help": diagnostic.help,
        "span": _span(source, diagnostic.span),
        "labels": [_label(label, source) for label in diagnostic.labels],
        "edits": [
            {"text": edit.text, "safe": edit.safe, "span": _span(source, edit.span)} for edit in diagnostic.edits
        ],
    }


def render_json(files: Sequence[Findings]) -> str:
    """The document, ended by a newline; all but ASCII is escaped, so any terminal and pipe carries it."""
    document = {
        "version": SCHEMA_VERSION,
        "files": [
            {
                "path": file.source.path,
                "diagnostics": [diagnostic_json(diagnostic, file.source) for diagnostic in file.diagnostics],
                "waiting": list(file.waiting),
            }
            for file in files
        ],
    }
    return json.dumps(document, indent=2) + "\n"
