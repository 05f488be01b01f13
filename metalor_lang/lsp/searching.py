"""Workspace symbols: the stages, arguments and other statements of every recipe in the workspace folders.

Invariant: bounded in files, bytes and answers; a file is read again only when its times or size are others; links are
not followed out of the folders.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from lsprotocol import types

from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.positions import Encoding, Lines
from metalor_lang.lsp.structure import symbol_kind
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.parser import parse
from metalor_lang.tooling.outline import Part, outline

SUFFIX: Final = ".metalor"
MOST_FILES: Final = 1_000
MOST_FOLDERS: Final = 20_000
MOST_BYTES: Final = 1 << 20
MOST_FOUND: Final = 256
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "target", "venv"})

_Stamp = tuple[int, int]


class Recipes:
    """The recipes of the workspace that are not open."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Stamp, Lines, tuple[Part, ...]]] = {}

    async def search(
        self, query: str, roots: Iterable[Path], documents: Mapping[str, Document], encoding: Encoding
    ) -> list[types.WorkspaceSymbol]:
        """The symbols whose names hold the letters of a query in their order; open documents first.

        Between files the server answers other requests, and hears when this one is cancelled.
        """
        found: list[types.WorkspaceSymbol] = []
        for document in tuple(documents.values()):
            found += _matching(document.uri, document.lines, outline(document.recipe), query)
        for path in _recipes(roots):
            if len(found) >= MOST_FOUND:
                break
            uri = path.as_uri()
            if uri not in documents and (read := self._read(path, encoding)) is not None:
                found += _matching(uri, *read, query)
            await asyncio.sleep(0)
        return found[:MOST_FOUND]

    def _read(self, path: Path, encoding: Encoding) -> tuple[Lines, tuple[Part, ...]] | None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                if status.st_size > MOST_BYTES:
                    return None
                source, _ = decode(str(path), path.read_bytes())
                lines = Lines(source, encoding)
                known = self._known[path] = (stamp, lines, outline(parse(source)[0]))
        except OSError:
            return None
        return known[1], known[2]


def _recipes(roots: Iterable[Path]) -> Iterator[Path]:
    files = folders = 0
    for root in roots:
        for folder, below, names in os.walk(root):
            folders += 1
            if folders > MOST_FOLDERS:
                return
            below[:] = sorted(name for name in below if not name.startswith(".") and name not in _SKIPPED)
            for name in sorted(names):
                if name.endswith(SUFFIX):
                    files += 1
                    if files > MOST_FILES:
                        return
                    yield Path(folder, name)


def _matching(
    uri: str, lines: Lines, parts: Iterable[Part], query: str, container: str = ""
) -> Iterator[types.WorkspaceSymbol]:
    for part in parts:
        if _fits(query, part.title):
            yield types.WorkspaceSymbol(
                name=part.title,
                kind=symbol_kind(part),
                location=types.Location(uri=uri, range=lines.range(part.head)),
                container_name=container or None,
            )
        yield from _matching(uri, lines, part.parts, query, part.title)


def _fits(query: str, name: str) -> bool:
    """Whether a name has the letters of a query in their order, in any case."""
    letters = iter(name.lower())
    return all(letter in letters for letter in query.lower())
