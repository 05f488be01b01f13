"""What is known of a text while it is typed, as data.

Invariant: imports nothing that looks at a recipe, so that a prompt can be drawn before anything is loaded.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from metalor_lang.record import dataclass

if TYPE_CHECKING:
    from metalor_lang.diagnostics.model import Diagnostic
    from metalor_lang.tooling.signature import Signature

COMMAND: Final = "command"
"""The one role that no recipe has: a command's name."""


class Colour(NamedTuple):
    """Characters of one role; `wrong` where something about them is refused."""

    start: int
    end: int
    role: str
    wrong: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known of a typed text.

    Args:
        colours: in order, without overlaps; blanks may be left out.
        problem: the first thing that is wrong, "" where nothing is known to be.
        signature: how the statement at the cursor is written.

    """

    colours: tuple[Colour, ...]
    problem: "Diagnostic | None"
    signature: "Signature | None"


NOTHING: Final = Reading(colours=(), problem=None, signature=None)
