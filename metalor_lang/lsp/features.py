"""The table of features: a method of the protocol, what answers it, and what is said of it in the beginning.

Invariant: an answer is a function of a document, the client and the request; it knows no server.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from lsprotocol import types

from metalor_lang.lsp import acting, colouring, completing, formatting, hovering, linking, naming, structure
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A request about one document.

    Args:
        method: its name in the protocol.
        answer: gives the result; may be a coroutine.
        options: what the server says of it in the beginning.
        remark: what is to be said to the user besides, "" for nothing.

    """

    method: str
    answer: Callable[[Document, Client, Any], object]
    options: object = None
    remark: Callable[[Document, Client, Any], str] | None = None


FEATURES: Final = (
    Feature(
        method=types.TEXT_DOCUMENT_COMPLETION,
        answer=completing.completion,
        options=types.CompletionOptions(trigger_characters=list(completing.TRIGGERS), resolve_provider=True),
    ),
    Feature(
        method=types.TEXT_DOCUMENT_SIGNATURE_HELP,
        answer=completing.signature_help,
        options=types.SignatureHelpOptions(trigger_characters=list(completing.SIGNATURE_TRIGGERS)),
    ),
    Feature(
        method=types.TEXT_DOCUMENT_CODE_ACTION,
        answer=acting.code_actions,
        options=types.CodeActionOptions(code_action_kinds=list(acting.KINDS)),
    ),
    Feature(method=types.TEXT_DOCUMENT_HOVER, answer=hovering.hover),
    Feature(method=types.TEXT_DOCUMENT_DEFINITION, answer=naming.definition),
    Feature(method=types.TEXT_DOCUMENT_REFERENCES, answer=naming.references),
    Feature(method=types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, answer=naming.highlights),
    Feature(method=types.TEXT_DOCUMENT_PREPARE_RENAME, answer=naming.prepare_rename),
    Feature(method=types.TEXT_DOCUMENT_RENAME, answer=naming.rename_name, remark=naming.left_in_shell),
    Feature(method=types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, answer=structure.symbols),
    Feature(method=types.TEXT_DOCUMENT_FOLDING_RANGE, answer=structure.folding),
    Feature(method=types.TEXT_DOCUMENT_SELECTION_RANGE, answer=structure.selections),
    Feature(method=types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, answer=colouring.tokens, options=colouring.LEGEND),
    Feature(method=types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL_DELTA, answer=colouring.tokens_delta),
    Feature(method=types.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE, answer=colouring.tokens_within),
    Feature(method=types.TEXT_DOCUMENT_FORMATTING, answer=formatting.formatting),
    Feature(method=types.TEXT_DOCUMENT_RANGE_FORMATTING, answer=formatting.range_formatting),
    Feature(method=types.TEXT_DOCUMENT_DOCUMENT_LINK, answer=linking.document_links),
    Feature(method=types.TEXT_DOCUMENT_INLAY_HINT, answer=linking.inlay_hints),
)

ITEMS: Final[Mapping[str, Callable[[Client, Any], object]]] = {
    types.COMPLETION_ITEM_RESOLVE: completing.resolve,
}
"""Requests about something that was sent before."""
