"""What `--chmod` writes: octal or symbolic modes as functions of the mode that is there.

Invariant: a directory that can be read can be entered: an octal mode for files gives directories `x` where it has `r`.
"""

import re
from collections.abc import Callable

from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass

_CLAUSE: Final = pattern(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_ACTION: Final = pattern(r"([-+=])([ugo]|[rwxXst]*)")
_SHIFT: Final = {"u": 6, "g": 3, "o": 0}
_SPECIAL: Final = {"u": ("s", 0o4000), "g": ("s", 0o2000), "o": ("t", 0o1000)}


class ModeError(MetalorError):
    """A `--chmod` that is no mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Action:
    who: str
    sign: str
    what: str


Chmod = Callable[[int, bool], int]
"""(mode that is there, whether it is a directory) → mode."""


def parse_mode(text: str) -> Chmod:
    """The function that a `--chmod` stands for.

    Args:
        text: `644`, `0755`, `4755`; or clauses as `u=rwX,go=rX`, `+x`, `a-w`, `g=u`.

    Raises:
        ModeError: it is neither.

    """
    if re.fullmatch(r"[0-7]{3,4}", text):
        number = int(text, 8)
        return lambda mode, directory: number | (number & 0o444) >> 2 if directory else number
    actions: list[_Action] = []
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise ModeError(f"`{text}` is not a mode", help="write octal, as `--chmod=644`, or `--chmod=u=rwX,go=rX`")
        who = "ugo" if not found[1] or "a" in found[1] else found[1]
        actions.extend(_Action(who=who, sign=sign, what=what) for sign, what in _ACTION.findall(found[2]))
    return lambda mode, directory: _apply(actions, mode, directory)


def _apply(actions: list[_Action], mode: int, directory: bool) -> int:
    for action in actions:
        changed, kept = 0, mode
        for each in action.who:
            shift, (letter, special) = _SHIFT[each], _SPECIAL[each]
            changed |= _bits(action.what, mode, directory) << shift
            if letter in action.what:
                changed |= special
            if action.sign == "=":
                kept &= ~((0o7 << shift) | special)
        mode = mode & ~changed if action.sign == "-" else kept | changed
    return mode


def _bits(what: str, mode: int, directory: bool) -> int:
    if what in _SHIFT:
        return mode >> _SHIFT[what] & 0o7
    bits = 0
    for letter in what:
        match letter:
            case "r":
                bits |= 4
            case "w":
                bits |= 2
            case "x":
                bits |= 1
            case "X":
                bits |= 1 if directory or mode & 0o111 else 0
            case _:
                pass  # s and t are no bits of one class
    return bits
