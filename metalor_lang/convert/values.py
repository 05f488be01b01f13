"""Values in the spelling of a recipe: bare words, double-quoted and single-quoted ones, exec arrays, block text.

Invariant: what is written is read back as the same text with the same names in it.
"""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from metalor_lang.hints import Final

_UNSAFE: Final = re.compile(r"[\s\"'\\]")
_LOOKS: Final = re.compile(r"\$+(?=[A-Za-z_(])")
_BRACED: Final = re.compile(r"\$(?=\$*\{)")
_GLOB: Final = re.compile(r"[*?\[]")


class Name(NamedTuple):
    """`${NAME}` of the recipe."""

    name: str


Value = tuple[str | Name, ...]
"""Literal text and names, in order."""


def value(*parts: str | Name) -> Value:
    """Parts joined: no empty text, no two texts side by side."""
    out: list[str | Name] = []
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        elif part != "":
            out.append(part)
    return tuple(out)


def plain(found: Value) -> str | None:
    """The text of a value without names, else None."""
    if not found:
        return ""
    return found[0] if len(found) == 1 and isinstance(found[0], str) else None


def word(found: Value, *, glob: bool | None = None, key: str = "") -> str:
    """A value as one word, behind `key=` where there is one.

    Args:
        found: the value.
        glob: for sources of COPY: True where `*` and the like are meant (the caller knows that it fits into a bare
            word), False where they are not. None elsewhere.
        key: the front of the word.

    """
    text = "".join(part for part in found if isinstance(part, str))
    front = found[0] if found and isinstance(found[0], str) else ""
    if not found:
        return f"{key}=" if key else '""'
    odd = _UNSAFE.search(text) or (front.startswith(("[", "#")) and not key and not (glob and front[:1] == "["))
    odd = odd or (front.startswith("--") and not key) or "'''" in text or '"""' in text
    odd = odd or (glob is False and _GLOB.search(text) is not None) or _meets(found)
    odd = odd or any(_LOOKS.search(part) for part in found if isinstance(part, str))
    head = f"{key}=" if key else ""
    if not odd:
        return head + "".join(_braced(part) if isinstance(part, str) else f"${{{part.name}}}" for part in found)
    whole = plain(found)
    if (
        whole is not None
        and "'" not in whole
        and ("$" in whole or '"' in whole or "\\" in whole)
        and whole.isprintable()
    ):
        return f"{head}'{whole}'"
    return head + _quoted(found, looks=True)


def exec_array(found: Sequence[Value]) -> str:
    """Strings as an exec array."""
    return f"[{', '.join(_quoted(each, looks=False) for each in found)}]"


def block(found: Value) -> str | None:
    """Text of a `\"\"\"` block; None where it cannot be written there."""
    if _meets(found):
        return None
    return "".join(_braced(part) if isinstance(part, str) else f"${{{part.name}}}" for part in found)


def _braced(text: str) -> str:
    """Text in which `${` is no expansion."""
    return re.sub(r"\$+(?=\{)", lambda dollars: f"{dollars[0]}$", text)


def _meets(found: Value) -> bool:
    """Whether a literal dollar stands right before a name, or before text that starts with a brace."""
    return any(
        isinstance(first, str) and first.endswith("$") and isinstance(second, Name) for first, second in pairwise(found)
    )


def _quoted(found: Value, *, looks: bool) -> str:
    """A JSON string; with `looks` no dollar stands before what looks like a name."""
    out = ""
    for at, part in enumerate(found):
        if isinstance(part, Name):
            out += f"${{{part.name}}}"
            continue
        text = json.dumps(_braced(part), ensure_ascii=False)[1:-1]
        if looks:
            text = _LOOKS.sub(lambda dollars: "\\u0024" * len(dollars[0]), text)
        if text.endswith("$") and at + 1 < len(found):
            bare = text.rstrip("$")
            text = bare + "\\u0024" * (len(text) - len(bare))
        out += text
    return f'"{out}"'
