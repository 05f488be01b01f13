"""The four primitives that any line-oriented language can be built on; the front end is built on them.

Invariant: nothing here knows a statement; offsets, names and values survive every script of Unicode.
"""

import json
from collections.abc import Iterator, Mapping

from metalor_lang.errors import MetalorError
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass

_IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_]*")

# Unicode's White_Space property. `str.strip()` would also take U+001C to U+001F, which are no white space there.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


class PrimitiveError(MetalorError, ValueError):
    """A text that a primitive refuses."""


@dataclass(frozen=True, slots=True)
class SignificantLine:
    """A line that means something.

    Args:
        number: 1-based line number in the source.
        text: the line without surrounding white space.

    """

    number: int
    text: str


def significant_lines(source: str) -> Iterator[SignificantLine]:
    """The trimmed lines of `source`, without the blank ones and those that start with `#`.

    Lines end with LF or CRLF; no other character ends a line.
    """
    start, number = 0, 0
    while start < len(source):
        number += 1
        end = source.find("\n", start)
        end = len(source) if end < 0 else end
        text = source[start:end].strip(WHITE_SPACE)
        if text and text[0] != "#":
            yield SignificantLine(number, text)
        start = end + 1


def valid_identifier(value: str) -> bool:
    """Whether `value` is an ASCII letter or `_`, then ASCII letters, digits and `_`."""
    return _IDENTIFIER.fullmatch(value) is not None


def parse_exec_array(raw: str) -> list[str]:
    """The members of a strict JSON array of strings.

    Raises:
        PrimitiveError: when the text does not start with `[`, is no JSON array of strings
            (RFC 8259: no control characters in strings, no lone surrogates), or is empty.

    """
    text = raw.strip(WHITE_SPACE)
    if not text.startswith("["):
        raise PrimitiveError("exec-form arrays must use JSON array syntax", help='write ["program", "argument"]')
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, list) or not all(isinstance(item, str) and _encodable(item) for item in members):
        raise PrimitiveError("invalid exec-form array", help='write a JSON array of strings: ["program", "argument"]')
    if not members:
        raise PrimitiveError("exec-form arrays must not be empty", help='write ["program", "argument"]')
    return members


def _encodable(text: str) -> bool:
    """Whether the text has no lone surrogate, which Python's JSON lets through."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def interpolate_braced_variables(value: str, variables: Mapping[str, str], kind: str) -> str:
    """`value` with every `${NAME}` replaced once; every other `$` stays.

    Args:
        value: the text to expand.
        variables: values by name. A key need not be an identifier.
        kind: what a name is called in errors, such as "build argument".

    Raises:
        PrimitiveError: for an expansion that is not closed, a name that is neither an identifier
            nor a key, or a name without a value.

    """
    out: list[str] = []
    at = 0
    while (start := value.find("${", at)) >= 0:
        end = value.find("}", start + 2)
        if end < 0:
            raise PrimitiveError("unterminated ${NAME} expansion", help="close it with }")
        name = value[start + 2 : end]
        if name not in variables:
            if not valid_identifier(name):
                raise PrimitiveError(f"invalid {kind} reference {name}")
            raise PrimitiveError(f"undefined {kind} {name}")
        out += (value[at:start], variables[name])
        at = end + 1
    return "".join(out) + value[at:]
