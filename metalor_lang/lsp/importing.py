"""The files that a recipe imports, as an editor shows them.

Invariant: a file is read as a check reads it, and what cannot be read or parsed is simply not known.
"""

from lsprotocol import types

from metalor_lang.errors import MetalorError
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.positions import Lines
from metalor_lang.record import dataclass, replace
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.parser import parse
from metalor_lang.tooling.hover import body_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A group of an imported file, or one of its parameters.

    Args:
        span: of the name where it is used.
        source: the file; its path is relative to the recipe's folder.
        node: the DEFINE in it.
        place: where the name is declared in that file.

    """

    span: Span
    source: SourceFile
    node: ast.Define
    place: Span


def imported_text(document: Document, path: str) -> SourceFile | None:
    """The text of a file that is imported by a path; None where it cannot be read."""
    try:
        data = document.ground.recipe(path)
    except MetalorError:
        return None
    return decode(path, data)[0]


def group_at(document: Document, offset: int) -> Elsewhere | None:
    """The imported group that a USE names at an offset."""
    for node in document.recipe.statements:
        if isinstance(node, ast.Use) and node.space and node.name_span.start <= offset <= node.name_span.end:
            start = node.name_span.start + len(node.space) + 1
            return _find(document, node, Span(start, node.name_span.end)) if offset >= start else None
    return None


def parameter_at(document: Document, offset: int) -> Elsewhere | None:
    """The parameter of an imported group that a USE gives at an offset."""
    for node in document.recipe.statements:
        if not isinstance(node, ast.Use) or not node.space or not node.span.start <= offset <= node.span.end:
            continue
        pair = next((each for each in node.pairs if each.key_span.start <= offset <= each.key_span.end), None)
        group = _find(document, node, node.name_span) if pair is not None else None
        for each in group.node.parameters if group is not None and pair is not None else ():
            if group is not None and pair is not None and each.name == pair.key:
                return replace(group, span=pair.key_span, place=Span(each.span.start, each.span.start + len(each.name)))
    return None


def _find(document: Document, use: ast.Use, span: Span) -> Elsewhere | None:
    imports = [each for each in document.recipe.statements if isinstance(each, ast.Import) and each.space == use.space]
    path = imports[0].path.literal if imports else None
    source = imported_text(document, path) if path is not None else None
    if source is None:
        return None
    for node in parse(source)[0].statements:
        if isinstance(node, ast.Define) and node.name == use.name:
            return Elsewhere(span=span, source=source, node=node, place=node.name_span)
    return None


def location(document: Document, source: SourceFile, span: Span) -> types.Location | None:
    """A place in an imported file."""
    if document.ground.folder is None:
        return None
    path = document.ground.folder / source.path
    return types.Location(uri=path.resolve().as_uri(), range=Lines(source, document.encoding).range(span))


def group_text(found: Elsewhere) -> str:
    """What a hover says of an imported group."""
    nodes = parse(found.source)[0].statements
    inside, end = 0, found.node.span.end
    for node in nodes:
        if node.span.start < found.node.span.start:
            continue
        inside += isinstance(node, ast.If | ast.For | ast.Define) - isinstance(node, ast.End)
        end = node.span.end
        if inside <= 0:
            break
    return body_text(found.source, Span(found.node.span.start, end), f" of {found.source.path}")
