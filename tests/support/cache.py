"""The folder in which tests keep what they made from Debian's packages."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
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


def made(name: str, make: Callable[[Path], Path]) -> Path:
    """A folder of the cache, made once however many want it; it appears under its name when it is whole.

    Args:
        name: of the folder.
        make: given a folder to work in, gives the one that is to be kept.

    """
    target = directory() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock(target.parent / f".{name}.lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as work:
                make(Path(work)).rename(target)
    return target
