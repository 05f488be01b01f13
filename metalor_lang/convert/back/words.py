"""Values as a Dockerfile spells them.

Invariant: what is written here is read back by BuildKit and by Buildah as the very value, whatever is in it.
"""

import json
import re
from collections.abc import Iterable

from metalor_lang.convert.back.model import Unsaid
from metalor_lang.hints import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,=~^-]+")
_LINES: Final = frozenset("\n\r")


def word(text: str, what: str = "a value") -> str:
    """One word, quoted where it must be.

    Raises:
        Unsaid: it has line breaks.

    """
    if _PLAIN.fullmatch(text):
        return text
    if _LINES.intersection(text):
        raise Unsaid(f"{what} has several lines, and a Dockerfile has no way to write them")
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{quoted}"'


def path(text: str) -> str:
    """A path of COPY or WORKDIR.

    Raises:
        Unsaid: a Dockerfile would read something else.

    """
    if any(char.isspace() for char in text) or text.startswith(("[", "--", "<<")):
        raise Unsaid(f"the path {text!r} cannot be written in a Dockerfile without being read as something else")
    return text.replace("\\", "\\\\").replace("$", "\\$").replace('"', '\\"').replace("'", "\\'")


def pairs(found: Iterable[tuple[str, str]]) -> str:
    """`key=value …`."""
    return " ".join(f"{key}={word(value, f'the value of {key}')}" for key, value in found)


def array(argv: Iterable[str]) -> str:
    """A JSON array on one line."""
    return json.dumps(list(argv), ensure_ascii=False)


def document(text: str, destination: str) -> tuple[str, str]:
    """The opening and the rest of a here document that nobody expands.

    Args:
        text: what is in it; every line ends in a line feed.
        destination: what stands behind the opening.

    """
    lines = text.split("\n")
    mark = next(each for each in _marks() if each not in lines)
    return f"<<'{mark}'{destination}", f"{text}{mark}"


def _marks() -> Iterable[str]:
    yield "EOF"
    number = 1
    while True:
        yield f"EOF{number}"
        number += 1
