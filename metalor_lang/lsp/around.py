"""What completion asks of the world, answered from the folders of a recipe's file.

Invariant: nothing raises and nothing runs; only what completion comes to is looked for.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.importing import imported_text
from metalor_lang.oci.fetch import references
from metalor_lang.tooling.items import Entry, Place, Where

_MOST: Final = 5_000
"""Names of one folder that are looked at."""


class FileAround:
    """The surroundings of a place in an open recipe.

    Args:
        document: the recipe.
        cursor: the offset in it.

    """

    def __init__(self, document: Document, cursor: int) -> None:
        self._document = document
        self._cursor = cursor

    def entries(self, place: Place, folder: str) -> Iterable[Entry]:
        """The names in a folder of a context, or beside the recipe; nothing is known of images' trees."""
        ground = self._document.ground
        match place.where:
            case Where.CONTEXT:
                top = ground.folders.get(place.name)
                return () if top is None else listed(top / folder)
            case Where.MACHINE:
                return () if ground.folder is None else listed(ground.folder / folder)
            case _:
                return ()

    def contexts(self) -> Mapping[str, str]:
        """The contexts of the settings."""
        return {name: str(folder) for name, folder in self._document.ground.folders.items() if name}

    def recipe(self, path: str) -> str | None:
        """A file beside the recipe."""
        found = imported_text(self._document, path)
        return None if found is None else found.text

    def images(self) -> Mapping[str, str]:
        """What is in the store, and what the recipe names already."""
        return dict.fromkeys(references(self._document.ground.store / "images"), "in the store")

    def environment(self) -> Mapping[str, str]:
        """The environment of the base of the stage at the place, where that base is here."""
        stage = self._document.names.stage_at(self._cursor)
        if stage is None:
            return {}
        bottom = self._document.names.stages[stage.root]
        return self._document.ground.environment(bottom.base, bottom.platform)

    def users(self) -> Mapping[str, str]:
        """Nothing is known of them without the image's tree."""
        return {}

    def workdir(self) -> str:
        """The root: nothing is listed there."""
        return "/"


def listed(folder: Path) -> tuple[Entry, ...]:
    """The names in a folder of this machine; none where it cannot be read."""
    found: list[Entry] = []
    try:
        with os.scandir(folder) as names:
            for each in names:
                if len(found) == _MOST:
                    break
                if each.name.isprintable():
                    found.append(Entry(name=each.name, folder=each.is_dir()))
    except (OSError, ValueError):
        return ()
    return tuple(found)
