"""Diagnostics as the protocol has them.

Invariant: what `metalor check` would say of the text is said, with the same words, codes and places.
"""

import re
from collections.abc import Iterable
from typing import Final

from lsprotocol import types

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.diagnostics.model import Diagnostic, Label, Severity
from metalor_lang.errors import MetalorError
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.importing import location
from metalor_lang.source import Span
from metalor_lang.syntax import ast

SOURCE: Final = "metalor"

_UNNECESSARY: Final = frozenset({"E0207", "E0114", "E0115", "E0116", "E0106"})
"""Errors whose place holds what does nothing."""
_DEPRECATED: Final = frozenset({"E0203", "E0204", "E0205", "E0206"})
"""Errors whose place holds a word of another build language."""


def reported(document: Document, client: Client, found: Iterable[Diagnostic]) -> list[types.Diagnostic]:
    """The diagnostics of a document for a client."""
    return [_one(document, client, each) for each in found]


def _one(document: Document, client: Client, each: Diagnostic) -> types.Diagnostic:
    lines = document.lines
    text = [each.message]
    if each.help:
        text.append(f"help: {each.help}")
    related = None
    if each.labels and client.related:
        related = [
            types.DiagnosticRelatedInformation(location=_place(document, label), message=label.text)
            for label in each.labels
        ]
    elif each.labels:
        text += [f"{_line(document, label)}: {label.text}" for label in each.labels]
    tags = None
    if client.tags and each.code in _UNNECESSARY:
        tags = [types.DiagnosticTag.Unnecessary]
    elif client.tags and each.code in _DEPRECATED:
        tags = [types.DiagnosticTag.Deprecated]
    page = document.settings.documentation
    return types.Diagnostic(
        range=lines.range(shown_span(document, each.span)),
        severity=types.DiagnosticSeverity.Error
        if each.severity is Severity.ERROR
        else types.DiagnosticSeverity.Information,
        code=each.code,
        code_description=types.CodeDescription(href=f"{page}#{anchor(each.code)}")
        if page and client.code_descriptions
        else None,
        source=SOURCE,
        message="\n".join(text),
        tags=tags,
        related_information=related,
    )


def _place(document: Document, label: Label) -> types.Location:
    """Where a label is: it may be in an imported file."""
    found = None if label.source is None else location(document, label.source, label.span)
    return found or types.Location(uri=document.uri, range=document.lines.range(label.span))


def _line(document: Document, label: Label) -> str:
    if label.source is None:
        return f"line {document.lines.line_of(label.span.start) + 1}"
    return f"line {label.source.position(label.span.start).line} of {label.source.path}"


def anchor(code: str) -> str:
    """The anchor of a code's heading on the page of codes, as renderers of Markdown make it."""
    known = CODES.get(code)
    heading = code if known is None else f"{code}: {known.title}"
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def shown_span(document: Document, span: Span) -> Span:
    """A span that an editor can show: the whole first line's text where an error stands for the file as such."""
    if span.start == span.end == 0 and document.text:
        return Span(0, document.lines.end(0))
    return span


def settled(document: Document) -> tuple[Diagnostic, ...]:
    """What the bases that are here say against a recipe that has no other error."""
    program = document.program
    if program is None or not document.remember(all_given):
        return ()
    try:
        return document.ground.settled(program).wrong
    except MetalorError:
        return ()  # this machine cannot read what is there: a build will say so


def all_given(document: Document) -> bool:
    """Whether every argument has a value, so that a build could be planned."""
    return all(
        each.default is not None or each.name in document.settings.args
        for each in document.recipe.statements
        if isinstance(each, ast.Arg)
    )
