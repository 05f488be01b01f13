"""What the client at the other end can show.

Invariant: what a client does not say that it can, it is not sent.
"""

from lsprotocol import types

from metalor_lang.lsp.positions import Encoding
from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The capabilities that answers depend on; those of a client that said nothing by default."""

    encoding: Encoding = Encoding.UTF16
    snippets: bool = False
    insert_replace: bool = False
    markdown: bool = False
    documentation_markdown: bool = False
    related: bool = False
    tags: bool = False
    code_descriptions: bool = False
    versions: bool = False
    symbol_tree: bool = False
    label_offsets: bool = False
    literal_actions: bool = False
    changes: bool = False
    annotations: bool = False
    location_links: bool = False
    whole_lines: bool = False
    fold_limit: int = 5_000
    configuration: bool = False
    watches: bool = False
    tooltips: bool = False


def client_of(given: types.ClientCapabilities, encoding: str) -> Client:
    """What a client says in its `initialize`.

    Args:
        given: its capabilities.
        encoding: the encoding of positions that was agreed on.

    """
    text = given.text_document or types.TextDocumentClientCapabilities()
    space = given.workspace or types.WorkspaceClientCapabilities()
    item = text.completion.completion_item if text.completion else None
    hover = (text.hover.content_format if text.hover else None) or []
    shown = (item.documentation_format if item else None) or []
    wrong = text.publish_diagnostics
    signature = text.signature_help.signature_information if text.signature_help else None
    parameter = signature.parameter_information if signature else None
    edit = space.workspace_edit
    folding = text.folding_range
    return Client(
        encoding=Encoding(encoding),
        snippets=bool(item and item.snippet_support),
        insert_replace=bool(item and item.insert_replace_support),
        markdown=types.MarkupKind.Markdown in hover,
        documentation_markdown=types.MarkupKind.Markdown in shown,
        related=bool(wrong and wrong.related_information),
        tags=bool(wrong and wrong.tag_support),
        code_descriptions=bool(wrong and wrong.code_description_support),
        versions=bool(wrong and wrong.version_support),
        symbol_tree=bool(text.document_symbol and text.document_symbol.hierarchical_document_symbol_support),
        label_offsets=bool(parameter and parameter.label_offset_support),
        literal_actions=bool(text.code_action and text.code_action.code_action_literal_support),
        changes=bool(edit and edit.document_changes),
        annotations=bool(edit and edit.document_changes and edit.change_annotation_support),
        location_links=bool(text.definition and text.definition.link_support),
        whole_lines=bool(folding and folding.line_folding_only),
        fold_limit=(folding.range_limit if folding and folding.range_limit is not None else 5_000),
        configuration=bool(space.configuration),
        watches=bool(space.did_change_watched_files and space.did_change_watched_files.dynamic_registration),
        tooltips=bool(text.document_link and text.document_link.tooltip_support),
    )
