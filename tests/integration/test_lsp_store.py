"""The language server beside a real store: it sees what a build would find there, and leaves no trace."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.bases import base
from tests.support.editor import Editor

pytestmark = pytest.mark.integration


def recipe(text: str) -> str:
    return f"FROM oci:{base('busybox')}:12 AS app\nCOPY site /site/\nWORKDIR /x\n{text}\nENV A=${{PATH}}\n"


def state(editor: Editor, uri: str, line: int) -> str:
    """What a hover over a statement's word says of a build; asked again while the answer is worked out."""
    for _ in range(20):
        position = {"line": line, "character": 0}
        text = editor.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})["contents"][
            "value"
        ]
        first = str(text).split("\n")[0].split(":")[0]
        if first in ("cached", "would run"):
            return first
        time.sleep(0.1)
    return ""


def traces(store: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of a store with its times and size."""
    found = {}
    for path in sorted(store.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    return found


def test_what_a_build_would_find(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("1")
    path, store = tmp_path / "app.metalor", tmp_path / "store"
    text = recipe('RUN ["/bin/busybox", "true"]')
    path.write_text(text)
    uri = path.as_uri()
    environment = {"METALOR_STORE": str(store)}
    with Editor(tmp_path, environment=environment) as editor:
        editor.initialize()
        assert editor.open(uri, text) == []
        hover = {"textDocument": {"uri": uri}, "position": {"line": 3, "character": 0}}
        assert "Runs a program" in editor.ask("textDocument/hover", hover)["contents"]["value"].split("\n")[1]
        assert not store.exists()

        subprocess.run(
            [sys.executable, "-m", "metalor_lang", "build", path], env={**os.environ, **environment}, check=True
        )
        before = traces(store)
        editor.change(uri, 2, {"text": text})  # who built meanwhile is asked anew
        assert [state(editor, uri, line) for line in (1, 2, 3)] == ["cached"] * 3

        other = recipe('RUN ["/bin/busybox", "false"]')
        editor.change(uri, 3, {"text": other})
        assert [state(editor, uri, line) for line in (1, 2, 3)] == ["cached", "cached", "would run"]

        (tmp_path / "site/index.html").write_text("22")
        editor.change(uri, 4, {"text": text})
        assert [state(editor, uri, line) for line in (1, 2, 3)] == ["would run"] * 3
        assert traces(store) == before


def test_what_the_base_says(tmp_path: Path) -> None:
    text = recipe("SH true")
    (tmp_path / "site").mkdir()
    uri = (tmp_path / "app.metalor").as_uri()
    with Editor(tmp_path) as editor:
        editor.initialize()
        assert editor.open(uri, text) == []
        (manifest,) = json.loads((base("busybox") / "index.json").read_text())["manifests"][:1]
        hover = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 8}}
        said = editor.ask("textDocument/hover", hover)["contents"]["value"]
        assert manifest["digest"] in said and "environment: PATH=/usr/local/sbin" in said
        hints = {
            "textDocument": {"uri": uri},
            "range": {"start": {"line": 4, "character": 0}, "end": hover["position"]},
        }
        hints["range"]["end"] = {"line": 5, "character": 0}
        assert editor.ask("textDocument/inlayHint", hints)[0]["label"].startswith("=/usr/local/sbin")
