"""A recipe's context as a Dockerfile would find it: the same questions as of a Dockerfile's, with a recipe's own rules.

Invariant: only looks. What a COPY does not see is listed by name, because the two kinds of rules mean different things.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.build.dockerfolder import DockerFolder
from metalor_lang.build.ignore import Rules
from metalor_lang.build.ignorefile import IGNORE_FILE

_SPECIAL = frozenset("*?[]\\")


class RecipeFolder(DockerFolder):
    """The default context of a recipe.

    Args:
        context: the folder that COPY reads.
        recipe: the recipe's file, which COPY takes only when it is named.
        store: as for `DockerFolder`.

    """

    def __init__(self, context: Path, recipe: Path, store: Path) -> None:
        super().__init__(context, context / "Dockerfile", store)
        path = context / IGNORE_FILE
        text = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
        self._rules = Rules(text.splitlines(), IGNORE_FILE)
        self._own = {IGNORE_FILE}
        if recipe.resolve().parent == self._root:
            self._own |= {recipe.name, f"{recipe.name.removesuffix('.metalor')}.lock"}

    def dockerignore(self) -> str:
        """The paths that no COPY of a directory takes, as a `.dockerignore` names them; "" when there are none."""
        return "".join(f"{_escaped(path)}\n" for path in sorted(self._unseen()))

    def _unseen(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            below = os.path.relpath(folder, self._root)
            front = "" if below == "." else f"{below}/"
            seen = []
            for name in folders:
                if self._rules.hides(f"{front}{name}", directory=True):
                    yield f"{front}{name}"
                else:
                    seen.append(name)
            folders[:] = seen
            for name in files:
                if self._rules.hides(f"{front}{name}", directory=False) or f"{front}{name}" in self._own:
                    yield f"{front}{name}"


def _escaped(path: str) -> str:
    text = "".join(f"\\{char}" if char in _SPECIAL else char for char in path)
    return f"\\{text}" if text.startswith(("!", "#")) else text
