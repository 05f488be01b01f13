"""Fixtures of the language server: a recipe with requests in its comments, and the answers as a table.

A comment line below a line says with `^` where in it something is asked, and then what:

    FROM scratch AS build
    #               ^ hover references rename=base

A line `#: …` asks about the whole recipe; `#: 7:12 …` about a place (1-based, code points), for where a comment would
be no comment. The answers stand as `LINE:COLUMN REQUEST` with a row for each thing that came back; places are shown as
`LINE:COLUMN-COLUMN` with the text that is there, columns as the client counts them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.editor import Editor

EVERYTHING = {
    "general": {"positionEncodings": ["utf-16"]},
    "workspace": {
        "workspaceEdit": {"documentChanges": True, "changeAnnotationSupport": {"groupsOnLabel": True}},
        "symbol": {},
    },
    "textDocument": {
        "completion": {
            "completionItem": {
                "snippetSupport": True,
                "documentationFormat": ["markdown"],
                "insertReplaceSupport": True,
                "resolveSupport": {"properties": ["documentation"]},
            }
        },
        "hover": {"contentFormat": ["markdown"]},
        "publishDiagnostics": {
            "relatedInformation": True,
            "tagSupport": {"valueSet": [1, 2]},
            "versionSupport": True,
            "codeDescriptionSupport": True,
        },
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": True},
        "signatureHelp": {"signatureInformation": {"parameterInformation": {"labelOffsetSupport": True}}},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix", "source"]}}},
        "rename": {"prepareSupport": True},
        "documentLink": {"tooltipSupport": True},
        "foldingRange": {"lineFoldingOnly": True},
    },
}
"""A client that shows all that there is."""

LIMIT = 12
"""Completion items that a table shows."""


class Asked:
    """A request of a fixture: where (0-based, code points) and what; no place for the whole recipe."""

    def __init__(self, what: str, line: int = -1, column: int = -1) -> None:
        self.name, _, self.value = what.partition("=")
        self.what, self.line, self.column = what, line, column

    @property
    def title(self) -> str:
        return self.what if self.line < 0 else f"{self.line + 1}:{self.column + 1} {self.what}"


def requests(text: str) -> Iterator[Asked]:
    """The requests in a recipe's comments."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        line = line.rstrip("\r")
        placed = re.fullmatch(r"#: (\d+):(\d+) (.+)", line)
        if placed:
            yield from (Asked(what, int(placed[1]) - 1, int(placed[2]) - 1) for what in placed[3].split())
        elif line.startswith("#: "):
            yield from map(Asked, line[3:].split())
        elif re.match(r"[ \t]*#[ \t]*\^", line):
            above = number - 1
            while lines[above].lstrip().startswith("#"):
                above -= 1
            words = line[line.index("^") :].lstrip("^").split()
            yield from (Asked(what, above, line.index("^")) for what in words)


class Table:
    """Answers about one open recipe, as text."""

    def __init__(self, editor: Editor, uri: str, text: str, wrong: list[dict[str, Any]]) -> None:
        self.editor, self.uri, self.wrong = editor, uri, wrong
        self.lines = [line.removesuffix("\r") for line in text.split("\n")]
        self.document = {"textDocument": {"uri": uri}}

    def answers(self, asked: Asked) -> str:
        rows = [row for text in self._rows(asked) for row in text.split("\n")]
        return f"{asked.title}\n" + "".join(f"    {row}".rstrip() + "\n" for row in rows or ["nothing"])

    def _rows(self, asked: Asked) -> Iterator[str]:
        if asked.name == "diagnostics":
            yield from map(self._diagnostic, self.wrong)
            return
        show, method, more = REQUESTS[asked.name]
        params: dict[str, Any] = {**self.document, **more}
        if asked.line >= 0:
            params["position"] = self.position(asked)
        if asked.name == "rename":
            params["newName"] = asked.value
        if asked.name == "selection":
            params["positions"] = [params.pop("position")]
        if asked.name in ("actions", "formatrange", "tokensrange") and asked.line >= 0:
            params["range"] = {"start": params["position"], "end": params.pop("position")}
        if asked.name == "tokensrange":
            params["range"] = {"start": params["range"]["start"], "end": {"line": asked.line + 1, "character": 0}}
        answer = self.editor.answer(self.editor.send(method, params))
        if "error" in answer:
            yield f"refused: {answer['error']['message']}"
            return
        result = answer["result"]
        if result is not None:
            yield from show(self, result)

    def position(self, asked: Asked) -> dict[str, int]:
        before = self.lines[asked.line][: asked.column]
        return {"line": asked.line, "character": len(before.encode("utf-16-le")) // 2}

    def place(self, found: Mapping[str, Any]) -> str:
        """A range with the text in it."""
        start, end = found["start"], found["end"]
        first = f"{start['line'] + 1}:{start['character'] + 1}"
        if start["line"] != end["line"]:
            return f"{first}-{end['line'] + 1}:{end['character'] + 1}"
        text = self.lines[start["line"]].encode("utf-16-le") if start["line"] < len(self.lines) else b""
        shown = text[start["character"] * 2 : end["character"] * 2].decode("utf-16-le")
        return f"{first}-{end['character'] + 1} {shown!r}" if start != end else first

    def _diagnostic(self, found: Mapping[str, Any]) -> str:
        tags = {1: " unnecessary", 2: " deprecated"}
        rows = [f"{self.place(found['range'])} {found['code']}{''.join(tags[tag] for tag in found.get('tags', ()))}"]
        folder = self.uri.removeprefix("file://").rpartition("/")[0] + "/"
        rows += [f"  {line}" for line in found["message"].replace(folder, "").split("\n")]
        for each in found.get("relatedInformation", ()):
            uri = each["location"]["uri"]
            start = each["location"]["range"]["start"]
            elsewhere = f"{uri.removeprefix('file://' + folder)}:{start['line'] + 1}:{start['character'] + 1}"
            place = self.place(each["location"]["range"]) if uri == self.uri else elsewhere
            rows.append(f"  {place}: {each['message']}")
        return "\n".join(rows)

    def edit(self, found: Mapping[str, Any]) -> Iterator[str]:
        for change in found["documentChanges"]:
            for each in change["edits"]:
                asks = f" (asks: {each['annotationId']})" if "annotationId" in each else ""
                yield f"{self.place(each['range'])} -> {each['newText']!r}{asks}"


def _hover(table: Table, found: Any) -> Iterator[str]:
    yield table.place(found["range"])
    yield from ("| " + line for line in found["contents"]["value"].split("\n"))


def _places(table: Table, found: Any) -> Iterator[str]:
    yield from (table.place(each["range"]) for each in found)


def _highlights(table: Table, found: Any) -> Iterator[str]:
    kinds = {1: "text", 2: "read", 3: "write"}
    yield from (f"{kinds[each['kind']]:<5} {table.place(each['range'])}" for each in found)


def _prepare(table: Table, found: Any) -> Iterator[str]:
    yield f"{table.place(found['range'])} as {found['placeholder']}"


def _symbols(table: Table, found: Any, depth: int = 0) -> Iterator[str]:
    for each in found:
        detail = f" ({each['detail']})" if each.get("detail") else ""
        whole = table.place(each["range"]).partition(" ")[0]
        head = table.place(each["selectionRange"])
        yield f"{'  ' * depth}{each['name']}{detail} kind {each['kind']} {whole} at {head}"
        yield from _symbols(table, each.get("children") or (), depth + 1)


def _folding(table: Table, found: Any) -> Iterator[str]:
    for each in found:
        yield f"{each['startLine'] + 1}-{each['endLine'] + 1} {each['kind']}"


def _selection(table: Table, found: Any) -> Iterator[str]:
    for each in found:
        while each is not None:
            yield table.place(each["range"])
            each = each.get("parent")


def _tokens(table: Table, found: Any) -> Iterator[str]:
    legend = table.editor.said["capabilities"]["semanticTokensProvider"]["legend"]["tokenTypes"]
    line = character = 0
    data = found["data"]
    for at in range(0, len(data), 5):
        down, right, length, kind, modifiers = data[at : at + 5]
        line, character = line + down, right if down else character + right
        place = table.place(
            {"start": {"line": line, "character": character}, "end": {"line": line, "character": character + length}}
        )
        yield f"{place} {legend[kind]}{' declaration' if modifiers else ''}"


def _hints(table: Table, found: Any) -> Iterator[str]:
    for each in found:
        place = each["position"]
        yield f"{place['line'] + 1}:{place['character'] + 1} {each['label']}"


def _links(table: Table, found: Any) -> Iterator[str]:
    for each in found:
        target = each["target"].replace(Path(table.uri.removeprefix("file://")).parent.as_uri(), "FOLDER")
        yield f"{table.place(each['range'])} -> {target}"


def _completion(table: Table, found: Any) -> Iterator[str]:
    items = found["items"]
    for each in items[:LIMIT]:
        edit = each["textEdit"]
        snippet = " snippet" if each["insertTextFormat"] == 2 else ""
        insert = table.place(edit["insert"]).partition(" ")[0]
        end = edit["replace"]["end"]["character"] + 1
        more = f" replaces to {end}" if edit["replace"] != edit["insert"] else ""
        yield f"{each['label']} | {insert} {edit['newText']!r}{snippet}{more} | {each.get('detail', '')}".rstrip("| ")
    if len(items) > LIMIT:
        yield f"… {len(items) - LIMIT} more"


def _signature(table: Table, found: Any) -> Iterator[str]:
    for number, each in enumerate(found["signatures"]):
        mark = ">" if number == found["activeSignature"] else " "
        label = each["label"]
        for parameter in each["parameters"]:
            start, end = parameter["label"]
            label = f"{label[:start]}[{label[start:end]}]{label[end:]}"
        yield f"{mark} {label} | {each.get('documentation', '')}".rstrip("| ")


def _actions(table: Table, found: Any) -> Iterator[str]:
    for each in found:
        preferred = " (preferred)" if each.get("isPreferred") else ""
        yield f"{each['kind']}: {each['title']}{preferred}"
        yield from (f"  {row}" for row in table.edit(each["edit"]))


def _edits(table: Table, found: Any) -> Iterator[str]:
    yield from (f"{table.place(each['range'])} -> {each['newText']!r}" for each in found)


def _renamed(table: Table, found: Any) -> Iterator[str]:
    yield from table.edit(found)


_ALL = {"start": {"line": 0, "character": 0}, "end": {"line": 1_000, "character": 0}}
_OPTIONS = {"options": {"tabSize": 4, "insertSpaces": True}}
_ASK = {"context": {"diagnostics": []}}

REQUESTS: Mapping[str, tuple[Callable[[Table, Any], Iterator[str]], str, Mapping[str, Any]]] = {
    "hover": (_hover, "textDocument/hover", {}),
    "definition": (_places, "textDocument/definition", {}),
    "references": (_places, "textDocument/references", {"context": {"includeDeclaration": True}}),
    "reads": (_places, "textDocument/references", {"context": {"includeDeclaration": False}}),
    "highlight": (_highlights, "textDocument/documentHighlight", {}),
    "prepare": (_prepare, "textDocument/prepareRename", {}),
    "rename": (_renamed, "textDocument/rename", {}),
    "symbols": (_symbols, "textDocument/documentSymbol", {}),
    "folding": (_folding, "textDocument/foldingRange", {}),
    "selection": (_selection, "textDocument/selectionRange", {}),
    "tokens": (_tokens, "textDocument/semanticTokens/full", {}),
    "tokensrange": (_tokens, "textDocument/semanticTokens/range", {}),
    "hints": (_hints, "textDocument/inlayHint", {"range": _ALL}),
    "links": (_links, "textDocument/documentLink", {}),
    "complete": (_completion, "textDocument/completion", {}),
    "signature": (_signature, "textDocument/signatureHelp", {}),
    "actions": (_actions, "textDocument/codeAction", {**_ASK, "range": _ALL}),
    "fixall": (
        _actions, "textDocument/codeAction", {"context": {"diagnostics": [], "only": ["source.fixAll"]}, "range": _ALL}
    ),
    "format": (_edits, "textDocument/formatting", _OPTIONS),
    "formatrange": (_edits, "textDocument/rangeFormatting", _OPTIONS),
}  # fmt: skip
"""By the word in a fixture: how its answer is shown, the method, and what else is sent."""
