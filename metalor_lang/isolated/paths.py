"""Absolute paths as text: checked and normalised before anything looks at the machine.

Invariant: what passes is absolute, without `.`, `..`, empty components or NUL, and no longer than the kernel takes.
"""

import os

from metalor_lang.hints import Final
from metalor_lang.isolated.errors import CommandRefused

_LONGEST: Final = 4095  # PATH_MAX without the NUL


def absolute(path: str | os.PathLike[str], what: str) -> str:
    """The normalised text of an absolute path; `what` names it in errors.

    Raises:
        CommandRefused: it is relative, or has `..` or a NUL character.

    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise CommandRefused(
            f"{what} must be text, not {type(text).__name__}", help="os.fsdecode() makes text of bytes"
        )
    if "\0" in text:
        raise CommandRefused(f"{what} must not contain NUL characters: {text!r}")
    if not text.startswith("/"):
        raise CommandRefused(f"{what} must be absolute: {text!r}", help="write it from the root, for example /srv/app")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise CommandRefused(f"{what} must not contain '..': {text!r}", help="write the path that it leads to")
    if len(os.fsencode(text)) > _LONGEST:
        raise CommandRefused(f"{what} is longer than {_LONGEST} bytes: {text[:60]!r}…")
    return "/" + "/".join(parts)


def covers(destination: str, path: str) -> bool:
    """Whether a mount at `destination` hides `path` (both normalised)."""
    return path == destination or path.startswith(destination.rstrip("/") + "/")
