"""Diagnostics as SARIF 2.1.0 (OASIS), which code scanning services and IDEs read.

Invariant: valid for the standard's schema and its validator. Columns count UTF-16 code units, and `columnKind` says so:
readers that ignore it assume that. Rules are only those that were broken, each with its whole page.
"""

import json
from collections.abc import Sequence
from posixpath import isabs, normpath
from urllib.parse import quote

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.diagnostics.codes.model import Code
from metalor_lang.diagnostics.findings import Findings, fingerprints
from metalor_lang.diagnostics.model import Diagnostic, Edit, Label
from metalor_lang.diagnostics.render.hide import without_passwords
from metalor_lang.source import SourceFile, Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

JsonObject = dict[str, object]


def render_sarif(files: Sequence[Findings], *, version: str) -> str:
    """The log of one run of a version of metalor, ended by a newline; all but ASCII is escaped."""
    codes = sorted({diagnostic.code for file in files for diagnostic in file.diagnostics})
    places = {code: index for index, code in enumerate(codes)}
    run = {
        "tool": {
            "driver": {
                "name": "metalor",
                "version": version,
                "semanticVersion": version,
                "rules": [_rule(CODES[code]) for code in codes],
            }
        },
        "invocations": [{"executionSuccessful": True, "exitCode": 1 if codes else 0}],
        "artifacts": [
            {"location": _artifact(file.source.path), "sourceLanguage": "metalor", "encoding": "utf-8"}
            for file in files
        ],
        "columnKind": "utf16CodeUnits",
        "results": [
            _result(diagnostic, file.source, index, places[diagnostic.code], name)
            for index, (file, names) in enumerate(zip(files, fingerprints(files), strict=True))
            for diagnostic, name in zip(file.diagnostics, names, strict=True)
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(code: Code) -> JsonObject:
    why = code.why.strip()
    page = [why]
    for title, recipe in (("Wrong", code.wrong), ("Right", code.right)):
        if recipe:
            page.append(f"{title}:\n\n```metalor\n{recipe.rstrip()}\n```")
    return {
        "id": code.id,
        "shortDescription": {"text": _sentence(code.title)},
        "fullDescription": {"text": " ".join(why.split())},
        "help": {"text": "\n\n".join(page), "markdown": "\n\n".join(page)},
        "defaultConfiguration": {"level": "error"},
    }


def _result(diagnostic: Diagnostic, source: SourceFile, file: int, rule: int, name: str) -> JsonObject:
    help = f" {_sentence(f'Help: {diagnostic.help}')}" if diagnostic.help else ""
    result: JsonObject = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": str(diagnostic.severity),
        "message": {"text": _sentence(diagnostic.message) + help},
        "locations": [_location(source, file, diagnostic.span)],
        "partialFingerprints": {"markedLines/v1": name},
    }
    if diagnostic.labels:
        result["relatedLocations"] = [
            {"id": number, **_related(label, source, file), "message": {"text": _sentence(label.text)}}
            for number, label in enumerate(diagnostic.labels, 1)
        ]
    if diagnostic.edits:
        result["fixes"] = [_fix(diagnostic, source, file)]
    return result


def _related(label: Label, source: SourceFile, file: int) -> JsonObject:
    return _location(label.source or source, file if label.source is None else None, label.span)


def _location(source: SourceFile, file: int | None, span: Span) -> JsonObject:
    region = _region(source, span)
    if text := source.slice(span):
        region["snippet"] = {"text": without_passwords(text)}
    return {"physicalLocation": {"artifactLocation": _artifact(source.path, file), "region": region}}


def _region(source: SourceFile, span: Span) -> JsonObject:
    last = len(source.text)
    start = source.utf16_position(min(span.start, last))
    end = source.utf16_position(min(span.end, last))
    return {"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column}


def _fix(diagnostic: Diagnostic, source: SourceFile, file: int) -> JsonObject:
    def replacement(edit: Edit) -> JsonObject:
        return {"deletedRegion": _region(source, edit.span), "insertedContent": {"text": edit.text}}

    change = {
        "artifactLocation": _artifact(source.path, file),
        "replacements": [replacement(edit) for edit in diagnostic.edits],
    }
    return {"description": {"text": _sentence(diagnostic.help or diagnostic.message)}, "artifactChanges": [change]}


def _artifact(path: str, index: int | None = None) -> JsonObject:
    """A path as SARIF writes it: an URI, relative to the root of the repository unless it is absolute."""
    clean = quote(normpath(path), errors="surrogateescape")
    found: JsonObject = {"uri": f"file://{clean}"} if isabs(path) else {"uri": clean, "uriBaseId": "%SRCROOT%"}
    return found if index is None else {**found, "index": index}


def _sentence(text: str) -> str:
    """A message as the standard wants it (3.11): it begins with a capital and ends with a full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
