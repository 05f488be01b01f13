"""Symbols, folding and selections of a document.

Invariant: the shape is `tooling.outline`'s; here it is only put into the protocol's records.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from lsprotocol import types

from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.positions import Lines
from metalor_lang.source import Span
from metalor_lang.tooling.outline import Fold, FoldKind, Part, folds, outline, surroundings
from metalor_lang.tooling.partners import partners

KINDS: Final = {
    "FROM": types.SymbolKind.Module,
    "ARG": types.SymbolKind.Constant,
    "ENV": types.SymbolKind.Variable,
    "LABEL": types.SymbolKind.Property,
    "ANNOTATE": types.SymbolKind.Property,
    "UNSET": types.SymbolKind.Null,
    "RUN": types.SymbolKind.Function,
    "SH": types.SymbolKind.Function,
    "TEST": types.SymbolKind.Event,
    "COPY": types.SymbolKind.File,
    "FILE": types.SymbolKind.File,
    "FETCH": types.SymbolKind.File,
    "GIT": types.SymbolKind.File,
    "LAYER": types.SymbolKind.Package,
    "ENTRYPOINT": types.SymbolKind.Method,
    "CMD": types.SymbolKind.Method,
    "IF": types.SymbolKind.Operator,
    "ELSE": types.SymbolKind.Operator,
    "FOR": types.SymbolKind.Array,
    "DEFINE": types.SymbolKind.Class,
    "USE": types.SymbolKind.Object,
    "IMPORT": types.SymbolKind.Namespace,
    "": types.SymbolKind.Key,
}
"""Of each statement what a list of symbols shows it as; of the others a field."""


def symbol_kind(part: Part) -> types.SymbolKind:
    """What a list of symbols shows a part as."""
    return KINDS.get(part.word, types.SymbolKind.Field)


def symbols(
    document: Document, client: Client, params: types.DocumentSymbolParams
) -> list[types.DocumentSymbol] | list[types.SymbolInformation]:
    """`textDocument/documentSymbol`: a tree, or a list for a client that has no trees."""
    parts = outline(document.recipe, document.diagnostics)
    if client.symbol_tree:
        return [_symbol(document.lines, part) for part in parts]
    return list(flat(document.lines, document.uri, parts))


def _symbol(lines: Lines, part: Part) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=part.title,
        detail=part.detail or None,
        kind=symbol_kind(part),
        range=lines.range(part.span),
        selection_range=lines.range(part.head),
        children=[_symbol(lines, each) for each in part.parts] or None,
    )


def flat(
    lines: Lines, uri: str, parts: Iterable[Part], container: str | None = None
) -> Iterator[types.SymbolInformation]:
    """Parts as a list, each with the name of what holds it."""
    for part in parts:
        yield types.SymbolInformation(
            name=part.title,
            kind=symbol_kind(part),
            location=types.Location(uri=uri, range=lines.range(part.span)),
            container_name=container,
        )
        yield from flat(lines, uri, part.parts, part.title)


def folding(document: Document, client: Client, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
    """`textDocument/foldingRange`."""
    found = folds(document.source, document.recipe, document.diagnostics)
    return [_folding(document.lines, client, fold) for fold in found[: client.fold_limit]]


def _folding(lines: Lines, client: Client, fold: Fold) -> types.FoldingRange:
    first, last = fold.first - 1, fold.last - 1
    found = types.FoldingRange(
        start_line=first,
        end_line=last,
        kind=types.FoldingRangeKind.Comment if fold.kind is FoldKind.COMMENT else types.FoldingRangeKind.Region,
    )
    if not client.whole_lines:
        found.start_character = lines.position(lines.end(first)).character
        found.end_character = lines.position(lines.end(last)).character
    return found


def words_of_block(document: Document, offset: int) -> tuple[Span, ...]:
    """The words of the block one of whose words is at an offset."""
    return partners(document.source, document.recipe.statements, document.diagnostics, offset)


def selections(document: Document, client: Client, params: types.SelectionRangeParams) -> list[types.SelectionRange]:
    """`textDocument/selectionRange`."""
    return [_selection(document, each) for each in params.positions]


def _selection(document: Document, position: types.Position) -> types.SelectionRange:
    spans = surroundings(document.source, document.recipe, document.lines.offset(position), document.diagnostics)
    found: types.SelectionRange | None = None
    for span in reversed(spans):
        found = types.SelectionRange(range=document.lines.range(span), parent=found)
    assert found is not None
    return found
