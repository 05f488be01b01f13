"""What was typed, kept in a file that several sessions share.

Invariant: an entry is appended whole, under a lock, by one write, so that nothing of another session is lost or mixed.
The form is prompt-toolkit's own: a comment with the time, then each line of the entry behind a `+`.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.hints import Final, Self

_MOST: Final = 1 << 20
"""Bytes that are read back at the most: the younger ones."""


def default_path() -> Path | None:
    """Where the history is kept: the user's state folder; None where there is no home."""
    try:
        root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return Path(root) / "metalor" / "history"


class HistoryFile:
    """An open history; without a file (`fd` None) it lasts as long as the session."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._own: list[str] = []
        self._read: tuple[int, list[str]] = (-1, [])

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """Open (and make) the file as the user who runs us; where that cannot be, nothing is kept."""
        if path is None:
            return cls(None)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return cls(None)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return cls(None)
        return cls(fd)

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def append(self, text: str) -> None:
        """Keep an entry; one that was typed twice in a row is kept once."""
        last = self.entries()[-1:]
        if last == [text]:
            return
        self._own.append(text)
        if self._fd is None:
            return
        lines = "".join(f"+{line}\n" for line in text.split("\n"))
        data = f"\n# {time.strftime('%Y-%m-%d %H:%M:%S')}\n{lines}".encode("utf-8", "surrogatepass")
        try:
            with self._locked():
                os.write(self._fd, data)
        except OSError:  # a full disk takes no history, and nothing else of the session
            pass

    def entries(self) -> list[str]:
        """Every entry, those of other sessions too, the oldest first."""
        if self._fd is None:
            return list(self._own)
        try:
            size = os.fstat(self._fd).st_size
            if size != self._read[0]:
                with self._locked():
                    size = os.fstat(self._fd).st_size
                    data = os.pread(self._fd, _MOST, max(size - _MOST, 0))
                self._read = size, list(parse(data.decode("utf-8", "replace")))
        except OSError:
            return list(self._own)
        return list(self._read[1])

    def _locked(self) -> "_Lock":
        assert self._fd is not None
        return _Lock(self._fd)


class _Lock:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *error: object) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN)


def parse(text: str) -> Iterator[str]:
    """The entries of a history's text; what is no whole entry at its front is left out."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith("+"):
            lines.append(line[1:])
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)
