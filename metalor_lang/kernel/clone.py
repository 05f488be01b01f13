"""clone(2): a child that shares our memory, does nothing, and is in namespaces of its own from its first moment.

Invariant: the child runs no code but libc's sleep, and ends by itself, within a second, when we are killed before we
end it. Its namespaces are there until we do so, even when it has slept to its end. A fork would copy the interpreter's
page tables, and every page written afterwards: 3 ms, for a child that only has to exist.
"""

import ctypes
import os
from _signal import SIGCHLD, SIGKILL  # type: ignore[import-not-found]  # `signal` takes longer than the call

_CLONE_VM = 0x100
_STACK = 1 << 16
_SECONDS = 1
"""How long the child lives when nobody ends it."""


class Sleeper:
    """A sleeping child; a context that ends it."""

    __slots__ = ("_stack", "pid")

    def __init__(self, flags: int) -> None:
        """Start it.

        Args:
            flags: CLONE_NEW* of the namespaces that it gets.

        Raises:
            OSError: the machine does not allow them.

        """
        libc = ctypes.CDLL(None, use_errno=True)
        self._stack = ctypes.create_string_buffer(_STACK)  # ours: it must last as long as the child
        top = (ctypes.addressof(self._stack) + _STACK) & ~0xF
        pid = libc.clone(
            ctypes.cast(libc.sleep, ctypes.c_void_p),
            ctypes.c_void_p(top),
            ctypes.c_int(flags | _CLONE_VM | SIGCHLD),
            ctypes.c_void_p(_SECONDS),
        )
        if pid < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "clone")
        self.pid = int(pid)

    def __enter__(self) -> "Sleeper":
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, SIGKILL)
        os.waitpid(self.pid, 0)
