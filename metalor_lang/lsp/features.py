"""The table of features: a method of the protocol, what answers it, and what is said of it in the beginning.

Invariant: an answer is a function of a document, the client and the request; it knows no server.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from lsprotocol import types

from metalor_lang.lsp import acting, completing
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A request about one document."""

    method: str
    answer: Callable[[Document, Client, Any], object]
    options: object = None


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
)

ITEMS: Final[Mapping[str, Callable[[Client, Any], object]]] = {
    types.COMPLETION_ITEM_RESOLVE: completing.resolve,
}
"""Requests about something that was sent before."""
