"""What the language server costs: a real process, messages as bytes."""

import random
import time
from pathlib import Path

from tests.bench.front import recipe_of
from tests.support.editor import Editor


def keystroke_seconds(folder: Path, count: int, edits: int) -> list[float]:
    """From writing a change to having read its diagnostics: a character typed or deleted, at places all over.

    Args:
        folder: an empty one, where the recipe would be.
        count: statements of the recipe.
        edits: how many changes.

    """
    chance = random.Random(7)
    uri = (folder / "bench.metalor").as_uri()
    text = recipe_of(count)
    lines = text.split("\n")
    taken: list[float] = []
    with Editor(folder) as editor:
        editor.initialize({"textDocument": {"publishDiagnostics": {"versionSupport": True}}})
        assert editor.open(uri, text) == []
        for version in range(2, 2 + edits, 2):
            line = chance.randrange(1, len(lines) - 1)
            here = {"line": line, "character": len(lines[line])}
            behind = {"line": line, "character": len(lines[line]) + 1}
            for number, typed, end in ((version, "x", here), (version + 1, "", behind)):
                time.sleep(0.02)  # as a fast typist leaves
                start = time.perf_counter()
                editor.change(uri, number, {"range": {"start": here, "end": end}, "text": typed})
                while True:
                    said = editor.wait_for("textDocument/publishDiagnostics")
                    if said["version"] == number:
                        break
                taken.append(time.perf_counter() - start)
    return taken
