"""What completion asks of the world, answered from a session.

Invariant: nothing raises and nothing runs; an answer about a state is kept as long as that state is the current one.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.repl.session import Session
from metalor_lang.syntax.characters import decode
from metalor_lang.tooling.items import Entry, ItemKind, Place, Where
from metalor_lang.tooling.paths import Candidate

_MOST: Final = 512
"""Listings that are kept."""


class SessionAround:
    """The surroundings of the statement that is typed at a session's prompt."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._listed: dict[tuple[object, ...], tuple[Entry, ...]] = {}

    def entries(self, place: Place, folder: str) -> Iterable[Entry]:
        """The names in a folder of a context, a stage, or the state at the prompt."""
        if place.where is Where.CONTEXT:
            # Somebody may be changing it: a context is looked at anew each time.
            return _entries(self._session.context_names(folder, context=place.name))
        if place.where is Where.MACHINE:
            return _listed(self._session.core.now.place.path.parent / folder)
        key = (self._session.view.chain, place, folder)
        if key not in self._listed:
            if len(self._listed) >= _MOST:
                self._listed.clear()
            stage = place.name if place.where is Where.STAGE else None
            self._listed[key] = _entries(self._session.image_names(folder, stage=stage))
        return self._listed[key]

    def contexts(self) -> Mapping[str, str]:
        """The contexts that were given."""
        return dict.fromkeys((name for name in self._session.contexts() if name), "that was given")

    def recipe(self, path: str) -> str | None:
        """A file beside the recipe."""
        try:
            return decode(path, self._session.core.now.place.recipe(path))[0].text
        except MetalorError:
            return None

    def images(self) -> Mapping[str, str]:
        """What is in the store."""
        return dict.fromkeys(self._session.images(), "in the store")

    def environment(self) -> Mapping[str, str]:
        """The environment of the state."""
        return dict(self._session.view.state.env)

    def users(self) -> Mapping[str, str]:
        """The users of the state."""
        return self._session.users()

    def workdir(self) -> str:
        """The folder of the state."""
        return self._session.view.state.workdir or "/"


def _entries(names: Iterable[str]) -> tuple[Entry, ...]:
    return tuple(Entry(name=name.removesuffix("/"), folder=name.endswith("/")) for name in names)


def files(word: str) -> Iterable[Candidate]:
    """The files of this machine that continue a word."""
    folder, slash, part = word.rpartition("/")
    try:
        found = _listed(Path(folder + slash or ".").expanduser())
    except RuntimeError:  # there is no such home
        return
    for entry in found:
        if entry.name.startswith(".") and not part.startswith("."):
            continue
        yield Candidate(
            text=entry.name + ("/" if entry.folder else ""),
            kind=ItemKind.FOLDER if entry.folder else ItemKind.FILE,
            cut=len(folder + slash),
        )


def _listed(folder: Path) -> tuple[Entry, ...]:
    """The names in a folder of this machine."""
    try:
        with os.scandir(folder) as found:
            return tuple(sorted((Entry(name=each.name, folder=each.is_dir()) for each in found), key=lambda e: e.name))
    except OSError:
        return ()
