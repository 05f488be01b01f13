"""The server beside a lock: it says what is locked, believes it as `check` does, and tells of a bad one."""

from pathlib import Path

from tests.support.editor import Editor
from tests.unit.cli.test_check_locked import LOCK

TEXT = """\
FROM --platform=linux/amd64 debian:12
ENV SAID=${LANG}
FETCH --unpinned https://example.org/a /a
GIT --unpinned=main https://example.org/r.git /r
FETCH --unpinned https://example.org/other /b
"""


def hover(editor: Editor, uri: str, line: int, character: int = 0) -> str:
    position = {"line": line, "character": character}
    found = editor.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})
    return str(found["contents"]["value"])


def test_a_hover_says_what_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "app.metalor"
    path.write_text(TEXT)
    (tmp_path / "app.lock").write_text(LOCK)
    uri = path.as_uri()
    with Editor(tmp_path, environment={"METALOR_STORE": str(tmp_path / "store")}) as editor:
        editor.initialize()
        assert editor.open(uri, TEXT) == []
        base = hover(editor, uri, 0, 30)
        assert "a" * 64 in base and "locked to it" in base and "LANG=C.UTF-8" in base
        assert hover(editor, uri, 2).startswith(f"locked to {'d' * 64}")
        assert hover(editor, uri, 3).startswith(f"locked to {'e' * 40}")
        assert hover(editor, uri, 4).startswith("not in the lock")
        assert hover(editor, uri, 1).startswith("ENV")
    assert not (tmp_path / "store").exists()


def test_what_the_lock_says_of_a_base_is_held_against_the_recipe_and_a_bad_lock_is_told(tmp_path: Path) -> None:
    path, lock = tmp_path / "app.metalor", tmp_path / "app.lock"
    text = TEXT.replace("LANG", "LANGUAGE")
    path.write_text(text)
    lock.write_text(LOCK)
    with Editor(tmp_path, environment={"METALOR_STORE": str(tmp_path / "store")}) as editor:
        editor.initialize()
        (wrong,) = editor.open(path.as_uri(), text)
        assert (wrong["code"], wrong["range"]["start"]["line"]) == ("E0301", 1)
    lock.write_text(LOCK[:100])
    with Editor(tmp_path, environment={"METALOR_STORE": str(tmp_path / "store")}) as editor:
        editor.initialize()
        (wrong,) = editor.open(path.as_uri(), text)
        assert (wrong["code"], wrong["range"]["start"]["line"]) == ("E0701", 0)
        assert wrong["message"].startswith("app.lock:8:5: this is no JSON")
