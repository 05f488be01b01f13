"""Completion and signature help: what the tooling says, as edits and documents of the protocol.

Invariant: an item's edit lies in the line of the cursor and gives the text that the tooling gives; nothing is added to
what it offers but skeletons of the same statements.
"""

from collections.abc import Mapping
from typing import Final

from lsprotocol import types

from metalor_lang.editors.snippets import OPENERS
from metalor_lang.lsp.around import FileAround
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.source import Span
from metalor_lang.syntax.statements import BY_WORD, FlagSpec
from metalor_lang.tooling.complete import complete
from metalor_lang.tooling.describe import describe_flag, describe_statement
from metalor_lang.tooling.items import Item, ItemKind
from metalor_lang.tooling.signature import signature

TRIGGERS: Final = (" ", "-", "=", "$", "{", "/", "[", '"', "'", ":", ",")
SIGNATURE_TRIGGERS: Final = (" ", "=", "[", ",")

MOST: Final = 1_000
"""Items of one answer; a longer list is asked for again as more is typed."""

KINDS: Final[Mapping[ItemKind, types.CompletionItemKind]] = {
    ItemKind.STATEMENT: types.CompletionItemKind.Keyword,
    ItemKind.KEYWORD: types.CompletionItemKind.Keyword,
    ItemKind.FLAG: types.CompletionItemKind.Property,
    ItemKind.VALUE: types.CompletionItemKind.Value,
    ItemKind.ARGUMENT: types.CompletionItemKind.Constant,
    ItemKind.VARIABLE: types.CompletionItemKind.Variable,
    ItemKind.KEY: types.CompletionItemKind.Field,
    ItemKind.STAGE: types.CompletionItemKind.Module,
    ItemKind.GROUP: types.CompletionItemKind.Class,
    ItemKind.CONTEXT: types.CompletionItemKind.Folder,
    ItemKind.IMAGE: types.CompletionItemKind.Reference,
    ItemKind.FOLDER: types.CompletionItemKind.Folder,
    ItemKind.FILE: types.CompletionItemKind.File,
    ItemKind.PROGRAM: types.CompletionItemKind.Function,
    ItemKind.USER: types.CompletionItemKind.Value,
    ItemKind.COMMAND: types.CompletionItemKind.Event,
    ItemKind.MARK: types.CompletionItemKind.Operator,
}

SNIPPETS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "ARG": (("ARG NAME=value", "ARG ${1:NAME}=${2:value}"),),
    "FROM": (("FROM … AS stage", "FROM ${1:debian:12} AS ${2:build}"),),
    "ENV": (("ENV NAME=value", "ENV ${1:NAME}=${2:value}"),),
    "RUN": (('RUN ["program", …]', 'RUN ["${1:program}", "${2:argument}"]'),),
    "SH": (("SH ''' block '''", "SH '''\n    ${1:command}\n    '''"),),
    "COPY": (("COPY source destination", "COPY ${1:source} ${2:/destination}"),),
    "FILE": (("FILE path ''' block '''", "FILE ${1:/path} '''\n    ${2:text}\n    '''"),),
    "TEST": (('TEST RUN ["program", …]', 'TEST RUN ["${1:program}", "${2:argument}"]'),),
    "CMD": (('CMD ["program", …]', 'CMD ["${1:program}", "${2:argument}"]'),),
    "ENTRYPOINT": (('ENTRYPOINT ["program"]', 'ENTRYPOINT ["${1:program}"]'),),
}
"""Skeletons of statements for clients that fill them in: label and body."""


def completion(document: Document, client: Client, params: types.CompletionParams) -> types.CompletionList:
    """`textDocument/completion`."""
    cursor = document.lines.offset(params.position)
    found = complete(document.text, cursor, FileAround(document, cursor))
    line = document.lines.start(document.lines.line_of(cursor))
    items: list[types.CompletionItem] = []
    for number, item in enumerate(found):
        if item.span.start < line:
            continue  # an edit of another line is not allowed, and what is typed on this one does not begin it
        if len(items) == MOST:
            break
        items.append(_item(document, client, item, number))
        if client.snippets and item.kind is ItemKind.STATEMENT:
            items += _snippets(document, client, item, number)
    return types.CompletionList(is_incomplete=True, items=items)


def _item(document: Document, client: Client, item: Item, number: int) -> types.CompletionItem:
    return types.CompletionItem(
        label=item.shown,
        kind=KINDS[item.kind],
        detail=item.help or None,
        sort_text=f"{number:05}",
        filter_text=item.text,
        insert_text_format=types.InsertTextFormat.PlainText,
        text_edit=_edit(document, client, item.span, _text(document, item)),
        data=_about(document, item),
    )


def _text(document: Document, item: Item) -> str:
    """What an item puts in: without its suffix where an editor that pairs has put that there already."""
    return item.text if item.suffix and document.text.startswith(item.suffix, item.span.end) else item.insert


def _snippets(document: Document, client: Client, item: Item, number: int) -> list[types.CompletionItem]:
    return [
        types.CompletionItem(
            label=label,
            kind=types.CompletionItemKind.Snippet,
            detail=item.help or None,
            sort_text=f"{number:05}s",
            filter_text=item.text,
            insert_text_format=types.InsertTextFormat.Snippet,
            # The lines of a block of text stand where they stand; those of an IF follow it.
            insert_text_mode=types.InsertTextMode.AdjustIndentation
            if item.text in OPENERS
            else types.InsertTextMode.AsIs,
            text_edit=_edit(document, client, item.span, body),
            data=_about(document, item),
        )
        for label, body in SNIPPETS.get(item.text, ())
    ]


def _edit(document: Document, client: Client, span: Span, text: str) -> types.TextEdit | types.InsertReplaceEdit:
    insert = document.lines.range(span)
    if not client.insert_replace:
        return types.TextEdit(range=insert, new_text=text)
    end = span.end
    line_end = document.lines.end(document.lines.line_of(end))
    while end < line_end and (document.text[end].isalnum() or document.text[end] in "_-"):
        end += 1
    replace = document.lines.range(Span(span.start, end))
    return types.InsertReplaceEdit(new_text=text, insert=insert, replace=replace)


def _about(document: Document, item: Item) -> dict[str, str] | None:
    """What `resolve` needs to describe an item."""
    if item.kind in (ItemKind.STATEMENT, ItemKind.KEYWORD) and item.text in BY_WORD:
        return {"statement": item.text}
    if item.kind is ItemKind.FLAG:
        found = signature(document.text, item.span.start)
        word = found.form.split()[1 if found.form.startswith("TEST ") else 0] if found else ""
        return {"statement": word, "flag": item.text.removeprefix("--")}
    return None


def resolve(client: Client, item: types.CompletionItem) -> types.CompletionItem:
    """`completionItem/resolve`: the documentation."""
    about = item.data if isinstance(item.data, dict) else {}
    spec = BY_WORD.get(str(about.get("statement", "")))
    if spec is None:
        return item
    flag: FlagSpec | None = spec.flag(str(about["flag"])) if "flag" in about else None
    text = describe_statement(spec) if "flag" not in about else describe_flag(spec, flag) if flag else ""
    if text:
        item.documentation = markup(text, markdown=client.documentation_markdown)
    return item


def markup(text: str, *, markdown: bool) -> types.MarkupContent:
    """A text of Markdown, without its fences and quotes for a client that shows plain text."""
    if markdown:
        return types.MarkupContent(kind=types.MarkupKind.Markdown, value=text)
    lines = [line for line in text.split("\n") if not line.startswith("```")]
    plain = "\n".join(lines).replace("**", "").replace("`", "")
    return types.MarkupContent(kind=types.MarkupKind.PlainText, value=plain)


def signature_help(document: Document, client: Client, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
    """`textDocument/signatureHelp`."""
    offset = document.lines.offset(params.position)
    found = signature(document.text, offset, FileAround(document, offset).recipe)
    if found is None:
        return None
    active = found.forms.index(found.form)
    part = found.form[found.active.start : found.active.end]
    label: str | tuple[int, int] = (found.active.start, found.active.end) if client.label_offsets else part
    shown = types.SignatureInformation(
        label=found.form,
        documentation=found.help,
        parameters=[types.ParameterInformation(label=label)] if part else [],
        active_parameter=0,
    )
    others = [types.SignatureInformation(label=form, parameters=[], active_parameter=0) for form in found.forms]
    others[active] = shown
    return types.SignatureHelp(signatures=others, active_signature=active, active_parameter=0)
