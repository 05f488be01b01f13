"""Definition, references, highlights and renaming of names.

Invariant: places are the checker's (`tooling.names`); what shell text names is shown as such, and never changed unseen.
"""

from typing import Final

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from metalor_lang.checker.live import LiveRecipe
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.lsp.acting import text_edits, workspace_edit
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.importing import group_at, location, parameter_at
from metalor_lang.lsp.structure import words_of_block
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from metalor_lang.tooling.names import How, NameKind, Names, Use
from metalor_lang.tooling.naming import read_names
from metalor_lang.tooling.rename import Renaming, renamable, rename

_SHELL: Final = "shell text"


class Refused(JsonRpcException):
    """A request that is right and cannot be fulfilled; the message says why."""

    CODE = types.LSPErrorCodes.RequestFailed

    def __init__(self, message: str) -> None:
        super().__init__(message=message, code=types.LSPErrorCodes.RequestFailed)


def _use(document: Document, position: types.Position) -> Use | None:
    return document.names.at(document.lines.offset(position))


def definition(
    document: Document, client: Client, params: types.DefinitionParams
) -> list[types.Location] | list[types.LocationLink] | None:
    """`textDocument/definition`: where the name is declared; of a context its folder."""
    offset = document.lines.offset(params.position)
    other = group_at(document, offset) or parameter_at(document, offset)
    if other is not None:
        place = location(document, other.source, other.place)
        return None if place is None else [place]
    use = _use(document, params.position)
    if use is None:
        return None
    if use.symbol.kind is NameKind.CONTEXT:
        folder = document.ground.folders.get(use.symbol.name)
        nowhere = types.Range(start=types.Position(line=0, character=0), end=types.Position(line=0, character=0))
        return None if folder is None else [types.Location(uri=folder.as_uri(), range=nowhere)]
    found = _declared_before(document.names, use)
    lines = document.lines
    if client.location_links:
        return [
            types.LocationLink(
                target_uri=document.uri,
                target_range=lines.range(each.statement),
                target_selection_range=lines.range(each.span),
                origin_selection_range=lines.range(use.span),
            )
            for each in found
        ]
    return [types.Location(uri=document.uri, range=lines.range(each.span)) for each in found]


def _declared_before(names: Names, use: Use) -> tuple[Use, ...]:
    """The declaration that counts at a place: the last one above it, else every one."""
    every = names.declarations(use.symbol)
    if use.how is How.DECLARES or use.symbol.kind is not NameKind.VARIABLE:
        return every
    above = [each for each in every if each.statement.end <= use.statement.start]
    return (above[-1],) if above else every


def references(document: Document, client: Client, params: types.ReferenceParams) -> list[types.Location] | None:
    """`textDocument/references`, those in shell text too."""
    use = _use(document, params.position)
    if use is None:
        return None
    return [
        types.Location(uri=document.uri, range=document.lines.range(each.span))
        for each in document.names.of(use.symbol)
        if params.context.include_declaration or each.how is not How.DECLARES
    ]


def highlights(
    document: Document, client: Client, params: types.DocumentHighlightParams
) -> list[types.DocumentHighlight] | None:
    """`textDocument/documentHighlight`: the places of a name; of a block's word those of its other ones."""
    use = _use(document, params.position)
    if use is None:
        block = words_of_block(document, document.lines.offset(params.position))
        kind = types.DocumentHighlightKind.Text
        return [types.DocumentHighlight(range=document.lines.range(each), kind=kind) for each in block] or None
    kinds = {
        How.DECLARES: types.DocumentHighlightKind.Write,
        How.TAKES_AWAY: types.DocumentHighlightKind.Write,
        How.READS: types.DocumentHighlightKind.Read,
        How.SHELL: types.DocumentHighlightKind.Text,
    }
    return [
        types.DocumentHighlight(range=document.lines.range(each.span), kind=kinds[each.how])
        for each in document.names.of(use.symbol)
    ]


def prepare_rename(
    document: Document, client: Client, params: types.PrepareRenameParams
) -> types.PrepareRenamePlaceholder:
    """`textDocument/prepareRename`."""
    use = renamable(document.names, document.lines.offset(params.position))
    if isinstance(use, str):
        raise Refused(use)
    return types.PrepareRenamePlaceholder(range=document.lines.range(use.span), placeholder=use.symbol.name)


def rename_name(document: Document, client: Client, params: types.RenameParams) -> types.WorkspaceEdit:
    """`textDocument/rename`."""
    found = rename(
        document.names,
        document.lines.offset(params.position),
        params.new_name,
        read=lambda text: _names(document, text),
        check=lambda text: _errors(document, text),
    )
    if isinstance(found, str):
        raise Refused(found)
    return _edit(document, client, found)


def left_in_shell(document: Document, client: Client, params: types.RenameParams) -> str:
    """What is to be said of a renaming to a client that cannot ask for each place in shell text; "" for nothing."""
    use = _use(document, params.position)
    if client.annotations or use is None or use.symbol.kind is not NameKind.VARIABLE:
        return ""
    places = [each for each in document.names.of(use.symbol) if each.how is How.SHELL]
    lines = sorted({document.lines.line_of(each.span.start) + 1 for each in places})
    if not lines:
        return ""
    listed = ", ".join(map(str, lines))
    word = "line" if len(lines) == 1 else "lines"
    return f"`{use.symbol.name}` stands in shell text too, and was left there: {word} {listed}"


def _edit(document: Document, client: Client, found: Renaming) -> types.WorkspaceEdit:
    edit = workspace_edit(document, client, found.edits)
    if not client.annotations or not found.unsure or not edit.document_changes:
        return edit
    change = edit.document_changes[0]
    assert isinstance(change, types.TextDocumentEdit)
    unsure = [
        types.AnnotatedTextEdit(range=each.range, new_text=each.new_text, annotation_id=_SHELL)
        for each in text_edits(document, found.unsure)
    ]
    change.edits = [*change.edits, *unsure]
    edit.change_annotations = {
        _SHELL: types.ChangeAnnotation(
            label="in shell text",
            needs_confirmation=True,
            description="the shell may have a variable of its own of this name",
        )
    }
    return edit


def _names(document: Document, text: str) -> Names:
    return read_names(
        parse(SourceFile(document.source.path, text))[0],
        args=document.settings.args,
        platform=document.settings.platform,
        contexts=document.ground.names(),
        environment=document.ground.environment,
    )


def _errors(document: Document, text: str) -> tuple[Diagnostic, ...]:
    settings = document.settings
    return LiveRecipe(document.source.path, text, document.ground, settings.platform, settings.args).diagnostics()
