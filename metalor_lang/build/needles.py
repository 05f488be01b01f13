"""How a secret looks when it leaks: as it is, and as tools write it (base64, hexadecimal, in addresses).

Invariant: whatever is found or hidden here is a form of a whole secret, or of one of its long lines; nothing here
shows one: neither texts nor representations.
"""

import json
import re
from collections.abc import Iterator, Mapping

from metalor_lang.hints import Final

MASK: Final = b"***"
LEAST: Final = 4
"""Bytes of the shortest secret: less would be found everywhere."""
_LONG: Final = 20
"""Characters of a line that is a secret by itself: one of a key in PEM, say."""
_FORM: Final = 12
"""The shortest encoded form that is looked for: shorter ones stand in many files by chance."""
_BASE64_LINE: Final = 76
_HEX_LINE: Final = 60
_TELLING: Final = rb"(?=.*[0-9])(?=.*[A-Za-z])[!-~]+"


class Needles:
    """Everything that some secrets are looked for by.

    Args:
        values: the secrets by name, each at least LEAST bytes long.

    """

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._names: dict[bytes, str] = {}
        for name in sorted(values):
            for form in _forms(values[name]):
                self._names.setdefault(form, name)
        # Longer ones first, so that no rest of one is left beside a shorter one.
        self._all = tuple(sorted(self._names, key=lambda each: (-len(each), each)))
        self.longest = max(map(len, self._all), default=0)

    def __repr__(self) -> str:
        return f"Needles({sorted(set(self._names.values()))})"

    def __bool__(self) -> bool:
        return bool(self._all)

    def find(self, data: bytes) -> str:
        """The name of a secret that is in some bytes, or ""."""
        return next((self._names[needle] for needle in self._all if needle in data), "")

    def hide(self, data: bytes) -> bytes:
        """The bytes with MASK in the place of each."""
        for needle in self._all:
            if needle in data:
                data = data.replace(needle, MASK)
        return data

    def begun(self, data: bytes) -> int:
        """How many bytes at the end of some data may be the beginning of one that goes on."""
        most = 0
        for needle in self._all:
            at = data.find(needle[:1], max(len(data) - len(needle) + 1, 0))
            while at >= 0:
                if needle.startswith(data[at:]):
                    most = max(most, len(data) - at)
                    break
                at = data.find(needle[:1], at + 1)
        return most


class Masker:
    """Hides secrets in a stream of bytes, also those that arrive in pieces.

    Args:
        needles: what to hide.

    """

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What may be shown now; the beginning of a secret waits for what follows."""
        data = self._needles.hide(self._held + data)
        held = self._needles.begun(data)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def finish(self) -> bytes:
        """What was held back, when nothing follows."""
        held, self._held = self._held, b""
        return held


def _forms(value: bytes) -> Iterator[bytes]:
    """A secret as it is, without the line end of a file, and its long lines; each also as tools write it."""
    whole = value.strip(b"\r\n")
    texts = {whole if len(whole) >= LEAST else value}
    lines = whole.splitlines()
    if len(lines) > 1:
        texts |= {line.strip() for line in lines if _secret_by_itself(line.strip())}
    for text in texts:
        yield text
        for form in (*_base64(text), *_hexadecimal(text), _in_address(text), _in_json(text)):
            if len(form) >= min(_FORM, len(text)) and len(form) >= LEAST * 2:
                yield form
        escaped = _in_json(text)
        if escaped != text:
            yield escaped


def _secret_by_itself(line: bytes) -> bool:
    if len(line) < _LONG or b"://" in line or line.startswith(b"--"):
        return False
    return re.fullmatch(_TELLING, line) is not None


def _base64(text: bytes) -> Iterator[bytes]:
    """Its characters whatever stands before it (a user's name, say): at three places of a group of three bytes."""
    import base64  # with binascii: most builds have no secret

    for before in range(3):
        written = base64.b64encode(bytes(before) + text).rstrip(b"=")
        first = -(-before * 8 // 6)
        last = (before + len(text)) * 8 // 6
        inner = written[first:last]
        for form in (inner, inner.replace(b"+", b"-").replace(b"/", b"_")):
            yield form
            if before == 0:
                yield from _wrapped(form, _BASE64_LINE)


def _hexadecimal(text: bytes) -> Iterator[bytes]:
    for form in (text.hex().encode(), text.hex().upper().encode()):
        yield form
        yield from _wrapped(form, _HEX_LINE)


def _wrapped(form: bytes, width: int) -> Iterator[bytes]:
    """The lines of a long form as tools break it."""
    if len(form) > width:
        yield from (form[at : at + width] for at in range(0, len(form), width) if len(form) - at >= _LONG)


def _in_address(text: bytes) -> bytes:
    from urllib.parse import quote_from_bytes

    return quote_from_bytes(text, safe="").encode()


def _in_json(text: bytes) -> bytes:
    return json.dumps(text.decode("utf-8", "surrogateescape"))[1:-1].encode("utf-8", "surrogateescape")
