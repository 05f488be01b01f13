"""Texts that a command makes for a person, into files.

Invariant: nothing is written while one of the files is there already with another text, unless that is forced.
"""

from collections.abc import Sequence
from pathlib import Path

from metalor_lang.errors import MachineError, UsageError


def write_files(files: Sequence[tuple[Path, str]], *, force: bool) -> None:
    """Write files that belong together.

    Args:
        files: each with its text.
        force: replace those that are there.

    Raises:
        UsageError: one is there, and is not to be replaced.
        MachineError: one cannot be written.

    """
    for path, text in files:
        if not force and path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
            raise UsageError(f"{path} is there already", help="name another file, or say --force to replace it")
    for path, text in files:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise MachineError(f"cannot write {path}: {error.strerror}") from None
