"""A real terminal: tmux types, and shows what a person sees."""

import re
import subprocess
import time
from pathlib import Path

from tests.support.documents import ROOT


class Screen:
    """A terminal of 80 by 24 with a shell in it."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        environment = f"METALOR_STORE={folder / 'store'} PYTHONPATH={ROOT} PS1='host> '"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", str(folder),
                   f"env {environment} bash --norc --noprofile")  # fmt: skip

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, text: str, *keys: str) -> None:
        self._tmux("send-keys", "-l", "--", text)
        if keys:
            self._tmux("send-keys", *keys)

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def show(self) -> str:
        return self._tmux("capture-pane", "-p").rstrip()

    def wait(self, pattern: str, seconds: float = 60) -> str:
        """Wait until the screen matches, and give it."""
        until = time.monotonic() + seconds
        while not re.search(pattern, shown := self.show(), re.M):
            assert time.monotonic() < until, f"no {pattern!r} on the screen:\n{shown}"
            time.sleep(0.05)
        return shown

    def close(self) -> None:
        self._tmux("kill-server")
