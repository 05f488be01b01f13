"""Digests and the one canonical JSON that anything hashed goes through.

Invariant: equal values give equal bytes: keys sorted, no white space, UTF-8, no NaN, no floats.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from metalor_lang.hints import Final
from metalor_lang.sha import new_hash

# A JSON value without floats: what may be hashed.
Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]

FORMAT_VERSION: Final = 1
"""Enters every key; raised when the meaning of a hashed part changes."""


def valid_digest(text: str) -> bool:
    """Whether `text` is `sha256:` and 64 lower-case hex digits (the only form we accept)."""
    return len(text) == 71 and text.startswith("sha256:") and not text[7:].strip("0123456789abcdef")


def canonical_json(value: Json) -> bytes:
    """The canonical bytes of a JSON value.

    Raises:
        TypeError: for floats and anything that is not JSON.

    """
    _no_floats(value)
    return plain_json(value)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def plain_json(value: Json) -> bytes:
    """The canonical bytes of a JSON value that is known to hold no floats."""
    return _ENCODER.encode(value).encode()


def _no_floats(value: object) -> None:
    match value:
        case float():
            raise TypeError("floats have no canonical form")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise TypeError(f"a JSON key must be a string, not {key!r}")
                _no_floats(item)
        case list() | tuple():
            for item in value:
                _no_floats(item)
        case _:
            pass


def sha256(data: bytes | Iterable[bytes]) -> str:
    """The digest `sha256:…` of bytes, or of a series of chunks."""
    hasher = new_hash(len(data) if isinstance(data, bytes) else None)
    for chunk in (data,) if isinstance(data, bytes) else data:
        hasher.update(chunk)
    return "sha256:" + hasher.hexdigest()


def json_digest(value: Json) -> str:
    """The digest of a value's canonical JSON."""
    return sha256(canonical_json(value))
