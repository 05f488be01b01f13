"""The folder in which tests keep what they made from Debian's packages."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def directory() -> Path:
    return Path(os.environ.get("METALOR_BASES") or PROJECT / ".cache" / "bases").absolute()


@contextmanager
def lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
