"""What completion gives, and what it may ask of the world around a recipe.

Invariant: replacing an item's span with its text and suffix gives the beginning of a right statement.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from metalor_lang.hints import Protocol
from metalor_lang.record import dataclass
from metalor_lang.source import Span


class ItemKind(StrEnum):
    """What an item is; menus show it, and sort by it where nothing else decides."""

    STATEMENT = "statement"
    KEYWORD = "keyword"
    FLAG = "flag"
    VALUE = "value"
    ARGUMENT = "argument"
    VARIABLE = "variable"
    KEY = "key"
    STAGE = "stage"
    GROUP = "group"
    CONTEXT = "context"
    IMAGE = "image"
    FOLDER = "folder"
    FILE = "file"
    PROGRAM = "program"
    USER = "user"
    COMMAND = "command"
    MARK = "mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that can stand at the cursor.

    Args:
        text: what replaces `span`.
        span: offsets in the text that was completed; it ends at the cursor.
        kind: what it is.
        help: one line about it, "" where there is nothing to say.
        suffix: what follows at once, such as a blank, `=` or a closing quote; an editor that pairs may leave it out.
        label: how a menu shows it, where that is not `text`.

    """

    text: str
    span: Span
    kind: ItemKind
    help: str = ""
    suffix: str = ""
    label: str = ""

    @property
    def insert(self) -> str:
        """Text and suffix."""
        return self.text + self.suffix

    @property
    def shown(self) -> str:
        """How a menu shows it."""
        return self.label or self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A name in a folder; `note` is a word about it, such as its size."""

    name: str
    folder: bool
    note: str = ""


class Where(StrEnum):
    """Which files a path means."""

    CONTEXT = "context"
    STAGE = "stage"
    HERE = "here"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tree of files.

    A context ("" is the default one), an earlier stage, the state at the cursor (HERE), or this machine, seen from the
    recipe's folder.
    """

    where: Where
    name: str = ""


class Surroundings(Protocol):
    """What completion may ask; the prompt answers from its session, an editor from folders alone. Nothing may raise."""

    def entries(self, place: Place, folder: str) -> Iterable[Entry]:
        """The names in a folder; empty where there is none. Folders of contexts are relative ("" is their top)."""
        ...

    def contexts(self) -> Mapping[str, str]:
        """Named contexts with their folders."""
        ...

    def recipe(self, path: str) -> str | None:
        """The text of a recipe file that is imported by a path; None where it cannot be read."""
        ...

    def images(self) -> Mapping[str, str]:
        """References that a FROM can name, each with a word about it."""
        ...

    def environment(self) -> Mapping[str, str]:
        """The environment that the base of the stage at the cursor sets."""
        ...

    def users(self) -> Mapping[str, str]:
        """Users of the image at the cursor, each with its number."""
        ...

    def workdir(self) -> str:
        """The absolute folder in which a step at the cursor runs."""
        ...


class Nothing:
    """Surroundings of which nothing is known."""

    def entries(self, place: Place, folder: str) -> Iterable[Entry]:
        """Nothing."""
        return ()

    def contexts(self) -> Mapping[str, str]:
        """None."""
        return {}

    def recipe(self, path: str) -> str | None:
        """None."""
        return None

    def images(self) -> Mapping[str, str]:
        """None."""
        return {}

    def environment(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def users(self) -> Mapping[str, str]:
        """None."""
        return {}

    def workdir(self) -> str:
        """The root."""
        return "/"
