"""Formatting of a document, or of a part of it.

Invariant: all edits together are what `metalor fmt` does, line ends apart: those stay as the file has them.
"""

from lsprotocol import types

from metalor_lang.lsp.acting import text_edits
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.naming import Refused
from metalor_lang.source import Span
from metalor_lang.syntax.parser import parse
from metalor_lang.tooling.layout import format_edits


def formatting(document: Document, client: Client, params: types.DocumentFormattingParams) -> list[types.TextEdit]:
    """`textDocument/formatting`."""
    return _edits(document, None)


def range_formatting(
    document: Document, client: Client, params: types.DocumentRangeFormattingParams
) -> list[types.TextEdit]:
    """`textDocument/rangeFormatting`: of the statements that the range touches."""
    return _edits(document, document.lines.span(params.range))


def _edits(document: Document, within: Span | None) -> list[types.TextEdit]:
    wrong = parse(document.source)[1]
    if wrong:
        line = document.lines.line_of(wrong[0].span.start) + 1
        raise Refused(f"line {line} cannot be read, so nothing is laid out: {wrong[0].message}")
    return text_edits(document, format_edits(document.source, within))
