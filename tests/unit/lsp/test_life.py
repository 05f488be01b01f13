"""The life of the server: how it begins and ends, what it says where, what a request that fails leaves behind."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from tests.support.editor import Editor

WRONG = "FROM scratch\nCOPY later.txt /x\n"


def messages(editor: Editor) -> list[str]:
    """What the user was shown so far."""
    editor.ask("textDocument/hover", {"textDocument": {"uri": "x:y"}, "position": {"line": 0, "character": 0}})
    return [each["params"]["message"] for each in editor.heard if each.get("method") == "window/showMessage"]


def codes(found: list[dict[str, Any]]) -> list[str]:
    return [each["code"] for each in found]


def test_after_a_shutdown_it_leaves_with_0_and_has_made_no_store(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        editor.initialize()
        editor.open((tmp_path / "a.metalor").as_uri(), "FROM scratch\nCOPY . /\n")
        assert editor.leave() == 0
        assert editor.process.stderr is not None and editor.process.stderr.read() == b""
    assert not list(tmp_path.iterdir())


def test_without_a_shutdown_it_leaves_with_1(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        editor.initialize()
        editor.notify("exit", None)
        assert editor.process.wait(10) == 1


def test_when_the_client_dies_it_leaves_too(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        editor.initialize()
        assert editor.process.stdin is not None
        editor.process.stdin.close()
        assert editor.process.wait(10) == 1


def test_a_request_that_fails_answers_its_error_and_the_next_is_answered(tmp_path: Path) -> None:
    uri = (tmp_path / "a.metalor").as_uri()
    with Editor(tmp_path) as editor:
        editor.initialize()
        editor.open(uri, WRONG)
        malformed = editor.answer(editor.send("textDocument/hover", {"nonsense": True}))
        unknown = editor.answer(editor.send("textDocument/nonsense", {}))
        assert (malformed["error"]["code"], unknown["error"]["code"]) == (-32602, -32601)
        document = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 1}}
        assert "Starts a stage" in editor.ask("textDocument/hover", document)["contents"]["value"]


def test_a_bug_in_one_answer_leaves_the_server_alive(tmp_path: Path) -> None:
    code = (
        "from metalor_lang.lsp import server, run\n"
        "from metalor_lang.lsp import checking\n"
        "checking.settled = lambda document: 1 / ('bug' not in document.text)\n"
        "before = server.Server.__init__\n"
        "def init(self):\n"
        "    before(self)\n"
        "    self.feature('metalor/bug')(lambda params: 1 / 0)\n"
        "    self.feature('metalor/noise')(lambda params: print('noise'))\n"
        "server.Server.__init__ = init\n"
        "run.serve()\n"
    )
    with Editor(tmp_path, command=[sys.executable, "-c", code]) as editor:
        editor.initialize()
        failed = editor.answer(editor.send("metalor/bug", {}))
        assert failed["error"]["code"] == -32603 and "ZeroDivisionError" in failed["error"]["message"]
        assert editor.ask("metalor/noise", {}) is None
        text = {"languageId": "metalor", "version": 1, "text": "FROM scratch\n# bug\n"}
        editor.notify("textDocument/didOpen", {"textDocument": {"uri": "untitled:bug", **text}})
        assert "a bug of metalor: untitled:bug could not be checked" in editor.wait_for("window/showMessage")["message"]
        assert codes(editor.open((tmp_path / "a.metalor").as_uri(), WRONG)) == ["E0401"]
        editor.leave()
        assert editor.process.stderr is not None
        said = editor.process.stderr.read().decode()
        assert "noise" in said and "ZeroDivisionError" in said


def test_the_log_goes_to_its_file(tmp_path: Path) -> None:
    with Editor(tmp_path, "--stdio", "--log", str(tmp_path / "log")) as editor:
        editor.initialize()
        editor.open((tmp_path / "a.metalor").as_uri(), WRONG)
        assert editor.leave() == 0
    assert "publishDiagnostics" in (tmp_path / "log").read_text()


def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    paths = [path for path in sys.path if path and not path.endswith("site-packages")]
    code = "import sys; from metalor_lang.cli.main import main; sys.exit(main(['lsp']))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *paths])}
    done = subprocess.run(
        [tmp_path / "bare/bin/python", "-c", code], env=environment, capture_output=True, text=True, stdin=-3
    )
    assert done.returncode == 3 and done.stdout == ""
    assert "pip install 'metalor-lang[lsp]'" in done.stderr


def test_a_request_can_be_cancelled(tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.metalor").write_text("FROM scratch AS build\n" * 40)
    with Editor(tmp_path) as editor:
        editor.initialize(root=tmp_path)
        number = editor.send("workspace/symbol", {"query": "nothing is called so"})
        editor.notify("$/cancelRequest", {"id": number})
        assert editor.answer(number)["error"]["code"] == -32800
        found = editor.ask("workspace/symbol", {"query": "BLD"})
        assert len(found) == 256 and {each["name"] for each in found} == {"build"}


def test_files_that_come_and_go_are_noticed(tmp_path: Path) -> None:
    uri = (tmp_path / "a.metalor").as_uri()
    with Editor(tmp_path) as editor:
        editor.initialize()
        assert codes(editor.open(uri, WRONG)) == ["E0401"]
        (tmp_path / "later.txt").write_text("")
        editor.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": uri, "type": 1}]})
        assert editor.diagnostics(uri) == []
        (tmp_path / ".metalorignore").write_text("*.txt\n")
        editor.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
        assert codes(editor.diagnostics(uri)) == ["E0402"]
        (tmp_path / ".metalorignore").unlink()
        editor.change(uri, 2, {"text": WRONG + "#"})
        assert codes(editor.diagnostics(uri)) == ["E0402"]  # at once, with what is known
        assert editor.diagnostics(uri) == []  # and when nobody types, with the disk asked anew


def test_a_text_that_is_no_file_is_checked_without_folders(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        editor.initialize()
        assert codes(editor.open("untitled:Untitled-1", WRONG + "RUN x\n")) == ["E0210"]


def test_what_a_base_says_is_said_when_it_is_here(tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    uri = (tmp_path / "a.metalor").as_uri()
    with Editor(tmp_path) as editor:
        editor.initialize()
        assert codes(editor.open(uri, "FROM oci:layout\n")) == ["E0501"]


@pytest.mark.parametrize("pushed", [True, False], ids=["pushed", "asked for"])
def test_settings_are_taken(tmp_path: Path, pushed: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/later.txt").write_text("")
    uri = (tmp_path / "a.metalor").as_uri()
    settings = {"contexts": {"": "elsewhere", "site": "none"}, "args": {"V": "7"}, "hint": False, "delay": "soon"}
    with Editor(tmp_path) as editor:
        editor.initialize({} if pushed else {"workspace": {"configuration": True}})
        if pushed:
            assert codes(editor.open(uri, WRONG)) == ["E0401"]
            editor.notify("workspace/didChangeConfiguration", {"settings": {"metalor": settings}})
        else:
            asked = next(each for each in iter(editor.read, None) if each.get("method") == "workspace/configuration")
            assert asked["params"]["items"] == [{"section": "metalor"}]
            editor.write({"id": asked["id"], "result": [settings]})
            editor.open(uri, WRONG + "LABEL a=${V}\n")
        assert editor.diagnostics(uri) == [] if pushed else True
        shown = messages(editor)
        assert "metalor: there is no setting `hint`: did you mean `hints`?" in shown
        assert "metalor: the setting `delay` must be a number of milliseconds from 0 to 10000" in shown
        if not pushed:
            assert any("the context `site` is no folder" in each for each in shown)


def test_what_the_server_says_of_itself(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        said = editor.initialize({"general": {"positionEncodings": ["utf-32", "utf-8"]}})
    can = said["capabilities"]
    assert can["positionEncoding"] == "utf-32"
    assert can["textDocumentSync"] == {"openClose": True, "change": 2, "save": True}
    assert "diagnosticProvider" not in can  # errors are pushed: an editor that asks too would show them twice
    assert json.dumps(said).count("metalor") >= 2
