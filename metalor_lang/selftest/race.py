"""Look-ups while an attacker exchanges a directory for a link to the outside.

Invariant: a control, the old way of lstat(2) before open(2), is attacked as well and must fall: else the attacker was
too slow and the run proves nothing.
"""

import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.paths import Root
from metalor_lang.record import dataclass
from metalor_lang.selftest.place import die_with

_LONGEST: Final = 15.0
"""Seconds in which each must have met the attack: on a busy machine the attacker may not run for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """Counts of one victim."""

    tries: int
    escapes: int
    refused: int


def race(place: Path, seconds: float) -> dict[str, Raced]:
    """Attack each victim for so long, and until it met the attack; names are `read`, `make` (ours) and `control`.

    Args:
        place: an empty directory of ours.
        seconds: for each.

    """
    root, outside = place / "root", place / "outside"
    (root / "way").mkdir(parents=True)
    outside.mkdir()
    (root / "way/file").write_text("inside")
    (outside / "file").write_text("outside")
    (root / "link").symlink_to(outside)
    attacker = _attack(root)
    try:
        with Root.at(root) as opened:
            read = _tried(lambda: opened.read_bytes("way/file", 100) == b"outside", seconds)
            made = _tried(lambda: _make(opened), seconds)
        escaped = len(os.listdir(outside)) - 1
        control = _tried(lambda: _trusting(root), seconds, falls=True)
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)
    return {"read": read, "make": Raced(tries=made.tries, escapes=escaped, refused=made.refused), "control": control}


def _attack(root: Path) -> int:
    """Start a process that exchanges two names as fast as it can."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        die_with(parent)
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        while True:
            syscalls.renameat2(fd, "way", fd, "link", syscalls.RENAME_EXCHANGE)
    finally:
        os._exit(1)


def _tried(escapes: Callable[[], bool], seconds: float, *, falls: bool = False) -> Raced:
    tries = escaped = refused = 0
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds or (passed < _LONGEST and not (escaped if falls else refused)):
        tries += 1
        try:
            escaped += escapes()
        except OSError:
            refused += 1
    return Raced(tries=tries, escapes=escaped, refused=refused)


def _make(root: Root) -> bool:
    root.makedirs("way/new")
    root.remove("way/new")
    return False


def _trusting(root: Path) -> bool:
    """Look first, then open by the same name."""
    if stat.S_ISLNK(os.lstat(root / "way").st_mode):
        raise OSError("a link")
    os.sched_yield()  # on a busy machine the two steps lie further apart than here
    with open(root / "way/file") as stream:
        return stream.read() == "outside"
