"""Why a root, a path or a command is refused.

Invariant: each is raised before the first thing that it speaks of has been made, written or mounted.
"""

from metalor_lang.errors import MachineError, MetalorError, UsageError


class CommandRefused(UsageError):
    """A command (or another argument of this API) is wrong as data; the message names the field."""


class PathRefused(MetalorError):
    """A path on this machine's side leaves its place: a symbolic link, something else than a directory, no prefix."""


class NotIsolated(MetalorError):
    """A container command was asked for outside the private namespaces that were prepared for it."""


class UnsupportedArchitecture(UsageError):
    """An architecture that no image or emulator is known for."""


class EmulatorMissing(MachineError):
    """The program that runs another architecture's programs is not in PATH."""
