"""Document links and inlay hints.

Invariant: a link to a file is given only where the file is there.
"""

from pathlib import Path

from lsprotocol import types

from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.tooling.items import Where
from metalor_lang.tooling.links import Link, hints, links

_LONGEST = 40


def document_links(document: Document, client: Client, params: types.DocumentLinkParams) -> list[types.DocumentLink]:
    """`textDocument/documentLink`: sources of COPY and --bind, local bases, imports, addresses."""
    out = []
    for link in links(document.names, document.recipe):
        target = _target(document, link)
        if target:
            tooltip = link.target if client.tooltips else None
            out.append(types.DocumentLink(range=document.lines.range(link.span), target=target, tooltip=tooltip))
    return out


def _target(document: Document, link: Link) -> str:
    if link.place is None:
        return link.target
    ground = document.ground
    top: Path | None
    if link.place.where is Where.MACHINE:
        top = ground.folder
    else:
        top = ground.folders.get(link.place.name)
    if top is None:
        return ""
    try:
        path = (top / link.target).resolve()
        return path.as_uri() if path.exists() else ""
    except (OSError, ValueError, RuntimeError):
        return ""


def inlay_hints(document: Document, client: Client, params: types.InlayHintParams) -> list[types.InlayHint]:
    """`textDocument/inlayHint`: the values of `${NAME}`."""
    if not document.settings.hints:
        return []
    out = []
    for hint in hints(document.names, document.lines.span(params.range)):
        shown = " ".join(hint.value.split()) or '""'
        out.append(
            types.InlayHint(
                position=document.lines.position(hint.offset),
                label=f"={shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + '…'}",
                tooltip=f"{hint.name}={hint.value}",
                padding_left=False,
            )
        )
    return out
