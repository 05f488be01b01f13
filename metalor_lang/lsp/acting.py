"""Code actions: the edits that diagnostics bring, one by one and all at once.

Invariant: an action is offered only where its edits stand in the text as it is.
"""

from collections.abc import Sequence
from typing import Final

from lsprotocol import types

from metalor_lang.diagnostics.edits import safe, title, together
from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.reporting import reported, shown_span
from metalor_lang.source import Span

FIX_ALL: Final = "source.fixAll.metalor"

KINDS: Final = (types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll, FIX_ALL)


def code_actions(
    document: Document, client: Client, params: types.CodeActionParams
) -> list[types.CodeAction | types.Command]:
    """`textDocument/codeAction`."""
    if not client.literal_actions:
        return []  # such a client runs commands alone, and the server has none
    only = params.context.only
    out: list[types.CodeAction | types.Command] = []
    asked = _meant(document.text, document.lines.span(params.range))
    found = document.diagnostics
    if _wanted(types.CodeActionKind.QuickFix, only):
        for each in found:
            if each.edits and _touches(document, each, asked):
                out.append(_fix(document, client, each))
    at_once = [edit for each in together(found) for edit in each.edits]
    if at_once and (_wanted(FIX_ALL, only) or (only is None and len(at_once) > 1)):
        out.append(
            types.CodeAction(
                title="fix all that is safe to fix",
                kind=FIX_ALL,
                edit=workspace_edit(document, client, at_once),
            )
        )
    return out


def _meant(text: str, asked: Span) -> Span:
    """What a range asks for: its lines. Editors send a caret or the word under it, and mean an error of that line."""
    end = text.find("\n", asked.end)
    return Span(text.rfind("\n", 0, asked.start) + 1, len(text) if end < 0 else end)


def _touches(document: Document, diagnostic: Diagnostic, asked: Span) -> bool:
    """Whether a range meets a diagnostic or what its edits change."""
    spans = (shown_span(document, diagnostic.span), *(edit.span for edit in diagnostic.edits))
    return min(span.start for span in spans) <= asked.end and asked.start <= max(span.end for span in spans)


def _wanted(kind: str, only: Sequence[types.CodeActionKind | str] | None) -> bool:
    """Whether a client that asks for some kinds (or all) wants this one; a kind holds those below it."""
    return (only is None and kind != FIX_ALL) or any(
        kind == each or kind.startswith(f"{each}.") or each == "" for each in only or ()
    )


def _fix(document: Document, client: Client, diagnostic: Diagnostic) -> types.CodeAction:
    return types.CodeAction(
        title=title(document.text, diagnostic.edits),
        kind=types.CodeActionKind.QuickFix,
        diagnostics=reported(document, client, (diagnostic,)),
        is_preferred=True if safe(diagnostic) else None,
        edit=workspace_edit(document, client, diagnostic.edits),
    )


def text_edits(document: Document, edits: Sequence[Edit]) -> list[types.TextEdit]:
    """Edits of a document as the protocol has them."""
    return [types.TextEdit(range=document.lines.range(edit.span), new_text=edit.text) for edit in edits]


def workspace_edit(document: Document, client: Client, edits: Sequence[Edit]) -> types.WorkspaceEdit:
    """Edits of this version of a document."""
    changes = text_edits(document, edits)
    if not client.changes:
        return types.WorkspaceEdit(changes={document.uri: changes})
    named = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(text_document=named, edits=list(changes))])
