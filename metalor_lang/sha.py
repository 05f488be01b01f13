"""SHA-256 without OpenSSL as long as there is little to hash.

Invariant: whoever makes it, the digest is the same.

`hashlib` loads OpenSSL, which takes longer than hashing all records of a build; the interpreter has a hash of its own
(`_sha2`, before Python 3.12 `_sha256`), a fifth as fast.
"""

import sys
from functools import cache
from importlib import import_module

from metalor_lang.hints import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash as Hash

LITTLE: Final = 1 << 16
"""Up to so many bytes, the interpreter's own hash takes less time than the import."""
_SUM: Final = 32


def new_hash(size: int | None = None) -> "Hash":
    """A new hash, as `hashlib.sha256()` gives it.

    Args:
        size: how many bytes it will be given, about; None for many.

    """
    if size is not None and size <= LITTLE and "hashlib" not in sys.modules:
        own = _own()
        if own is not None:
            return own()
    import hashlib

    return hashlib.sha256()


def digest_of(data: "bytes | memoryview") -> bytes:
    """The digest of some bytes."""
    hasher = new_hash(len(data))
    hasher.update(data)
    return hasher.digest()


def sealed(kind: bytes, body: bytes) -> bytes:
    """What a file of a kind that is told by its first line holds: that line, the digest of the body, the body."""
    return kind + digest_of(body) + body


def unsealed(kind: bytes, data: bytes) -> memoryview | None:
    """The body of such a file; None where it is of another kind, cut short or damaged."""
    start = len(kind) + _SUM
    body = memoryview(data)[start:]
    return body if data[:start] == kind + digest_of(body) else None


@cache
def _own() -> "Callable[[], Hash] | None":
    try:
        made: Callable[[], Hash] = import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256
    except ImportError:  # a Python that was made without it
        return None
    return made
