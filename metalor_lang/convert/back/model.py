"""What a recipe becomes as a Dockerfile."""

from collections.abc import Mapping

from metalor_lang.record import dataclass, field


class Unsaid(Exception):
    """A Dockerfile has no way to say a statement; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A statement that cannot be carried over.

    Args:
        start: the offset of the statement in the recipe.
        text: the statement's first line.
        why: the reason, and what to write instead.

    """

    start: int
    text: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A Dockerfile and what is to be known of it.

    Args:
        text: the Dockerfile, "" when something was refused.
        refused: what has no way to be said, in order.
        notes: sentences on what differs in ways that no file of the image shows.
        contexts: named contexts that a build of it must be given.
        secrets: names of secrets that a build of it must be given.

    """

    text: str
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    bases: Mapping[str, str] = field(default_factory=dict)
    """References in FROM that stand for local images of the recipe, with the images."""
