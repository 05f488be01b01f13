"""What is remembered of builds only to say what changed: accounts in `builds/`, listings of contexts in `listings/`.

Invariant: nothing of it is needed to build. An account goes when no step that it names has a record any more, a listing
when no account, no whole copy and no other listing names it.
"""

import os
import zlib
from collections.abc import Iterator, Set
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.pattern import pattern

_DIGEST: Final = pattern(r"sha256:([0-9a-f]{64})")
_HEAD: Final = 1 << 16
_ZLIB: Final = b"\x78\x01"


def dead_memories(root: Path, keys: Set[str]) -> list[Path]:
    """The files that go, given the keys of the step records that stay."""
    kept = {key.removeprefix("sha256:") for key in keys}
    dead: list[Path] = []
    named: set[str] = set()
    for path, data in _files(root / "builds"):
        start = data.find(_ZLIB)
        try:
            told = _digests(zlib.decompress(data[start:])) if start > 0 else set()
        except zlib.error:
            told = set()
        if told.isdisjoint(kept):
            dead.append(path)
        else:
            named |= told
    for _, data in _files(root / "copies"):
        named |= _digests(data)
    listings = [path for path, _ in _files(root / "listings", 0)]
    for path in listings:
        if path.name in named:
            with open(path, "rb") as stream:  # what it stands on is said in its head
                named |= _digests(stream.read(_HEAD))
    return dead + [path for path in listings if path.name not in named]


def _digests(data: bytes) -> set[str]:
    return set(_DIGEST.findall(data.decode("utf-8", "replace")))


def _files(folder: Path, limit: int = -1) -> Iterator[tuple[Path, bytes]]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        try:
            with open(folder / name, "rb") as stream:
                yield folder / name, stream.read(limit)
        except OSError:
            continue
