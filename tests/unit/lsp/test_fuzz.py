"""Ten thousand edits at the server's own documents and answers: the text stays the client's, the errors are those of a
fresh parse, and no answer fails.

Seeded; METALOR_FUZZ_SEED and METALOR_FUZZ_EDITS change what is tried.
"""

import asyncio
import inspect
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import converters, types

from metalor_lang.checker.live import LiveRecipe
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.features import FEATURES
from metalor_lang.lsp.naming import Refused
from metalor_lang.lsp.positions import BOM, Encoding
from metalor_lang.lsp.reporting import reported, settled
from metalor_lang.lsp.settings import Settings

SEED = int(os.environ.get("METALOR_FUZZ_SEED", "20260"))
EDITS = int(os.environ.get("METALOR_FUZZ_EDITS", "10000"))
PARTS = 4

EVERYTHING = Client(
    snippets=True, insert_replace=True, markdown=True, documentation_markdown=True, related=True, tags=True,
    code_descriptions=True, versions=True, symbol_tree=True, label_offsets=True, literal_actions=True, changes=True,
    annotations=True, location_links=True, whole_lines=True, tooltips=True,
)  # fmt: skip

LINES = re.split(
    r"[|\n]",
    """\
FROM scratch AS build|FROM build AS next|FROM ${BASE}|ARG VERSION=1.4|ARG BASE=scratch|ARG NAME
ENV A=1 B=${A} C=${VERSION}|ENV D="😀 ${A} 語"|RUN ["a", "${A}", "b 語"]|RUN make all|SH echo $A ${B}
SH '''|    echo $A|    '''|COPY --from=build /a /b|COPY site /x/|COPY *.md x|FILE /x \"\"\"|    \"\"\"|TEST SH true
UNSET ENV A|# a comment 😀||LABEL a.b=c|CMD [|    "x",|]|SH a && \\|  b|ADD a b|from x|ENV A b|RUN <<EOF|EOF
RUN --bind=build:/a:/b --arg=VERSION ["x"]|WORKDIR /x|USER nobody|COPY <<X /x|X|ENTRYPIONT ["x"]""",
)
PIECES = (
    "\\", "\n", "\r", "\t", " ", "$", "${", "}", '"', "'", "[", "]", ",", "=", "#", "A", "语", "😀", "é\u0301",
    "\ud83d", "\x00", "\u202e", "\ufeff", "\u2028", "\r\n", "'''", '"""', "--from=", "FROM ", "SH ", "RUN ",
    "RECIPE 1\n", "# syntax=x\n",
)  # fmt: skip


class Plain:
    """A client's text: lines and code units counted in the plainest way."""

    CODECS = {Encoding.UTF8: ("utf-8", 1), Encoding.UTF16: ("utf-16-le", 2), Encoding.UTF32: ("utf-32-le", 4)}

    def __init__(self, text: str, encoding: Encoding) -> None:
        self.text = text
        self.codec, self.size = self.CODECS[encoding]

    def place(self, offset: int) -> types.Position:
        before = re.split(r"\r\n|\n|\r", self.text[:offset])
        line = before[-1].encode(self.codec, "surrogatepass")
        return types.Position(line=len(before) - 1, character=len(line) // self.size)

    def change(self, start: int, end: int, new: str) -> types.TextDocumentContentChangePartial:
        around = types.Range(start=self.place(start), end=self.place(end))
        self.text = self.text[:start] + new + self.text[end:]
        return types.TextDocumentContentChangePartial(range=around, text=new)


def between(text: str, offset: int) -> bool:
    return text[offset - 1 : offset + 1] == "\r\n"


def start_text(chance: random.Random) -> str:
    end = chance.choice(("\n", "\n", "\r\n"))
    mark = BOM if chance.random() < 0.1 else ""
    return mark + end.join(chance.choice(LINES) for _ in range(chance.randrange(3, 14))) + end


def edit_of(chance: random.Random, plain: Plain) -> types.TextDocumentContentChangeEvent:
    if chance.random() < 0.01:
        plain.text = start_text(chance)
        return types.TextDocumentContentChangeWholeDocument(text=plain.text)
    start = chance.randrange(len(plain.text) + 1)
    length = 0 if chance.random() < 0.5 else min(int(chance.expovariate(0.2)), len(plain.text) - start)
    end = start + length
    if between(plain.text, start) or between(plain.text, end):
        start = end = 0
    kind = chance.random()
    new = chance.choice(PIECES) if kind < 0.5 else chance.choice(LINES) + "\n" if kind < 0.7 else ""
    if len(plain.text) > 800:
        start, end, new = 0, 400, ""
        while between(plain.text, end):
            end += 1
    return plain.change(start, end, new)


def params_of(chance: random.Random, method: str, plain: Plain, uri: str) -> object:
    """The parameters of a request about some place, perhaps one that is not there."""

    def place() -> types.Position:
        if chance.random() < 0.05:
            return types.Position(line=chance.randrange(99), character=chance.randrange(99))
        return plain.place(chance.randrange(len(plain.text) + 1))

    span = types.Range(start=place(), end=place())
    found = types.METHOD_TO_TYPES[method][2]
    names = inspect.signature(found).parameters if found is not None else ()
    every = {
        "text_document": types.TextDocumentIdentifier(uri=uri),
        "position": place(),
        "positions": [place(), place()],
        "range": span,
        "context": types.ReferenceContext(include_declaration=True)
        if method == types.TEXT_DOCUMENT_REFERENCES
        else types.CodeActionContext(diagnostics=[]),
        "new_name": chance.choice(("X", "build", "A", "x-y", "VERSION", "9", "")),
        "options": types.FormattingOptions(tab_size=4, insert_spaces=True),
        "previous_result_id": "1",
    }
    optional = {"context"} if method in (types.TEXT_DOCUMENT_COMPLETION, types.TEXT_DOCUMENT_SIGNATURE_HELP) else set()
    assert found is not None
    return found(**{name: every[name] for name in names if name in every and name not in optional})


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_edits(part: int, tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    chance = random.Random(SEED + part)
    converter = converters.get_converter()
    (tmp_path / "site").mkdir()
    settings = Settings(store=tmp_path / "store", args={"NAME": "given"})
    done = 0
    asked = 0
    while done < EDITS // PARTS:
        encoding = chance.choice(list(Encoding))
        client = chance.choice((Client(encoding=encoding), EVERYTHING))
        uri = (tmp_path / "a.metalor").as_uri()
        plain = Plain(start_text(chance), encoding)
        document = Document(uri, 0, plain.text, encoding=encoding, settings=settings)
        for version in range(1, 60):
            changes = [edit_of(chance, plain) for _ in range(chance.choice((1, 1, 1, 3)))]
            document.change(version, changes)
            done += len(changes)
            assert document.text == plain.text.removeprefix(BOM)
            fresh = LiveRecipe(document.source.path, document.text, document.ground, args=settings.args).diagnostics()
            assert document.diagnostics == fresh
            reported(document, client, document.diagnostics + settled(document))
            row = chance.choice(FEATURES)
            try:
                answer = row.answer(document, client, params_of(chance, row.method, plain, uri))
                if inspect.isawaitable(answer):
                    answer = loop.run_until_complete(answer)
            except Refused:
                continue
            asked += 1
            converter.unstructure(answer)
        document.close()
    assert asked > done / 3
    assert not (tmp_path / "store").exists()
