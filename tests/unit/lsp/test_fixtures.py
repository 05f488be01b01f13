"""The language server's answers to the requests in the comments of recipes, as goldens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.editor import Editor
from tests.support.goldens import check_golden, golden_inputs
from tests.support.lspfixtures import EVERYTHING, REQUESTS, Table, requests

INPUTS = golden_inputs("lsp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("lsp")
    for name in ("site/index.html", "site/style.css", "siete.txt", "my file.txt", "assets/logo 語.svg", "tree/bin/sh"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("")
    (top / "lib").mkdir(exist_ok=True)
    (top / "lib" / "common.metalor").write_text(COMMON)
    (top / ".metalorignore").write_text("*.css\n")
    return top


COMMON = """\
# tools
DEFINE tools version=1
    SH tools $version
END
DEFINE port number
    EXPOSE ${number}
END
"""


@pytest.fixture(scope="module")
def editor(folder: Path) -> Iterator[Editor]:
    with Editor(folder) as found:
        found.initialize(EVERYTHING, {"contexts": {"assets": "assets"}, "args": {"GIVEN": "from the settings"}}, folder)
        yield found


def answers(editor: Editor, uri: str, text: str) -> str:
    table = Table(editor, uri, text, editor.open(uri, text))
    try:
        return "".join(table.answers(asked) for asked in requests(text))
    finally:
        editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        editor.diagnostics(uri)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_answers(path: Path, editor: Editor, folder: Path, update_goldens: bool) -> None:
    text = path.read_text(encoding="utf-8")
    found = answers(editor, (folder / path.name).as_uri(), text)
    check_golden(found, path.with_suffix(".expected"), update=update_goldens)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_line_ends_change_no_answer(path: Path, editor: Editor, folder: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
    found = answers(editor, (folder / path.name).as_uri(), text).replace("\\r\\n", "\\n")
    assert found == path.with_suffix(".expected").read_text(encoding="utf-8")


def test_every_request_is_asked() -> None:
    asked = {each.name for path in INPUTS for each in requests(path.read_text(encoding="utf-8"))}
    assert asked == {*REQUESTS, "diagnostics"}
