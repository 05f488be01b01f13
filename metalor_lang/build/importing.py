"""Reads recipe files that are imported.

Invariant: what is read is an ordinary file of a sensible size; nothing else is ever waited for.
"""

import os
import stat
from pathlib import Path

from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final

_MOST: Final = 16 << 20
"""The largest imported file, in bytes."""

_EXAMPLE: Final = "name a recipe file: IMPORT common.metalor AS common"


def read_recipe(folder: Path, path: str) -> bytes:
    """The content of a recipe file.

    Args:
        folder: that of the recipe.
        path: relative to it.

    Raises:
        MetalorError: there is none, it is no ordinary file, cannot be read, or is too large.

    """
    try:
        # A pipe or a device must not hold anybody up: it is opened without waiting, and looked at.
        with open(os.open(folder / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise MetalorError(f"`{path}` is no file", help=_EXAMPLE)
            if status.st_size > _MOST:
                raise MetalorError(f"`{path}` is larger than {_MOST >> 20} MiB: it is no recipe")
            return file.read(_MOST)
    except IsADirectoryError:
        raise MetalorError(f"`{path}` is no file", help=_EXAMPLE) from None
    except FileNotFoundError:
        raise MetalorError(f"there is no `{path}`") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise MetalorError(f"`{path}` cannot be read: {why}") from None
