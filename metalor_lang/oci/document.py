"""Strict reading of JSON documents that came from outside.

Invariant: every value that leaves here has its declared type; every refusal names the document and the field.
"""

import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from metalor_lang.digest import Json, valid_digest
from metalor_lang.hints import Final, NoReturn
from metalor_lang.oci.errors import BadDocument

LIMIT: Final = 4 << 20
"""Bytes of a manifest, index or config that are read; registries have the same limit for manifests."""

_MAX_INT: Final = (1 << 63) - 1
_MAX_DEPTH: Final = 64


def parse(data: bytes, what: str) -> "Fields":
    """Parse a JSON object; keys may not repeat and numbers must be whole.

    Args:
        data: the document's bytes.
        what: how errors name it, say "the manifest sha256:…".

    Raises:
        BadDocument: too large, not UTF-8, not JSON, not an object, too deep.

    """
    if len(data) > LIMIT:
        raise BadDocument(f"{what} is {len(data)} bytes long; at most {LIMIT} are read")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_whole,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadDocument(f"{what} is not a right JSON document: {reason}") from None
    if not isinstance(value, dict):
        raise BadDocument(f"{what} is a JSON {_kind(value)}, not an object")
    _check_values(value, what, 0)
    return Fields(value, what)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key!r} stands twice in one object")
        result[key] = value
    return result


def _whole(text: str) -> int:
    value = float(text)
    if not value.is_integer():
        raise ValueError(f"the number {text} is not whole")
    return int(value)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _check_values(value: Json, what: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise BadDocument(f"{what} is not a right JSON document: it is nested too deeply")
    match value:
        case dict():
            for key, item in value.items():
                _check_values(key, what, depth + 1)
                _check_values(item, what, depth + 1)
        case list():
            for item in value:
                _check_values(item, what, depth + 1)
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise BadDocument(f"{what} has a string with a lone surrogate: {value!r}") from None
        case _:
            pass


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


class Fields:
    """One JSON object read field by field; `rest()` gives what nobody asked for. A null counts as absent."""

    def __init__(self, value: Mapping[str, Json], where: str) -> None:
        self._value = value
        self._asked: set[str] = set()
        self.where = where

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise BadDocument for a field."""
        raise BadDocument(f"{self.where}: {name} {reason}")

    def _get(self, name: str) -> Json:
        self._asked.add(name)
        return self._value.get(name)

    def _wrong(self, name: str, expected: str) -> NoReturn:
        self.refuse(name, f"must be {expected}, not {_kind(self._value.get(name))}")

    def text(self, name: str, default: str | None = None) -> str:
        """A string; required without a default."""
        match self._get(name):
            case None if default is not None:
                return default
            case None:
                self.refuse(name, "is missing")
            case str() as value:
                return value
            case _:
                self._wrong(name, "a string")

    def digest(self, name: str) -> str:
        """A required `sha256:…`."""
        value = self.text(name)
        if not valid_digest(value):
            self.refuse(name, f"must be sha256: and 64 lower-case hex digits, not {value[:100]!r}")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number from 0 to 2⁶³−1; required without a default."""
        match self._get(name):
            case None if default is not None:
                return default
            case None:
                self.refuse(name, "is missing")
            case bool():
                self._wrong(name, "a number")
            case int() as value:
                if not 0 <= value <= _MAX_INT:
                    self.refuse(name, f"must be from 0 to {_MAX_INT}, not {value}")
                return value
            case _:
                self._wrong(name, "a number")

    def boolean(self, name: str) -> bool:
        """A boolean, False where absent."""
        match self._get(name):
            case None:
                return False
            case bool() as value:
                return value
            case _:
                self._wrong(name, "a boolean")

    def strings(self, name: str) -> tuple[str, ...] | None:
        """An array of strings, or None where absent."""
        match self._get(name):
            case None:
                return None
            case list() as value:
                for number, item in enumerate(value):
                    if not isinstance(item, str):
                        self.refuse(f"{name}[{number}]", f"must be a string, not {_kind(item)}")
                return tuple(item for item in value if isinstance(item, str))
            case _:
                self._wrong(name, "an array of strings")

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """An object of strings, sorted by key; empty where absent."""
        match self._get(name):
            case None:
                return ()
            case dict() as value:
                for key, item in value.items():
                    if not isinstance(item, str):
                        self.refuse(f"{name}[{key!r}]", f"must be a string, not {_kind(item)}")
                return tuple(sorted((key, item) for key, item in value.items() if isinstance(item, str)))
            case _:
                self._wrong(name, "an object of strings")

    def keys(self, name: str) -> tuple[str, ...]:
        """The keys of an object used as a set (`{"80/tcp": {}}`), sorted; empty where absent."""
        match self._get(name):
            case None:
                return ()
            case dict() as value:
                return tuple(sorted(value))
            case _:
                self._wrong(name, "an object")

    def fields(self, name: str) -> "Fields | None":
        """An object, or None where absent."""
        match self._get(name):
            case None:
                return None
            case dict() as value:
                return Fields(value, f"{self.where}: {name}")
            case _:
                self._wrong(name, "an object")

    def objects(self, name: str) -> "tuple[Fields, ...] | None":
        """An array of objects, or None where absent."""
        match self._get(name):
            case None:
                return None
            case list() as value:
                result = []
                for number, item in enumerate(value):
                    if not isinstance(item, dict):
                        self.refuse(f"{name}[{number}]", f"must be an object, not {_kind(item)}")
                    result.append(Fields(item, f"{self.where}: {name}[{number}]"))
                return tuple(result)
            case _:
                self._wrong(name, "an array of objects")

    def rest(self) -> dict[str, Json]:
        """The fields that were not asked for, as they are."""
        return {key: value for key, value in self._value.items() if key not in self._asked}


def read_file(path: Path) -> bytes:
    """The bytes of a document that no digest guards: a fifo must not hang us, nor an endless file fill the memory."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    with open(fd, "rb") as file:
        # One byte more than is read: the parser then says how much is too much.
        return file.read(LIMIT + 1)
