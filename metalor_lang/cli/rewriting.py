"""Changing recipes in place: what would change, and the change itself.

Invariant: a file is replaced whole or not at all, and keeps its mode, its owner and its byte order mark.
"""

import codecs
import contextlib
import difflib
import os
import tempfile
from pathlib import Path

from metalor_lang.errors import MachineError
from metalor_lang.source import SourceFile

_NO_END = "\\ No newline at end of file\n"
_TINTS = {"---": "\x1b[1m", "+++": "\x1b[1m", "@": "\x1b[36m", "-": "\x1b[31m", "+": "\x1b[32m"}
"""By how a line begins, the longest first."""


def difference(source: SourceFile, text: str, *, color: bool = False) -> list[str]:
    """What `text` changes, as the lines of a unified diff.

    Args:
        source: what is there now.
        text: what is to be there.
        color: for a terminal: in colours, and with control characters made visible.

    """
    # Not splitlines(): that ends lines at characters which end none in a recipe.
    before, after = (_lines(each) for each in (source.text, text))
    lines = difflib.unified_diff(before, after, source.path, source.path)
    whole = [part for line in lines for part in ((line,) if line.endswith("\n") else (f"{line}\n", _NO_END))]
    return [_tinted(line) for line in whole] if color else whole


def _lines(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _tinted(line: str) -> str:
    from metalor_lang.diagnostics.render.human import visible

    shown = "".join(char if char in "\t\n" else visible(char, 0) for char in line.replace("\r\n", "\n"))
    tint = next((tint for begin, tint in _TINTS.items() if shown.startswith(begin)), "")
    return f"{tint}{shown.removesuffix(chr(10))}\x1b[0m\n" if tint else shown


def replace_file(path: Path, text: str) -> None:
    """Put `text` in the place of a file; raises MachineError."""
    target = path.resolve()  # a link stays a link
    try:
        with target.open("rb") as old:
            mark = codecs.BOM_UTF8 if old.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else b""
            status = os.fstat(old.fileno())
        fd, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with open(fd, "wb") as file:
                file.write(mark + text.encode())
                with contextlib.suppress(PermissionError):  # only the superuser can give a file back
                    os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
            os.rename(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror}") from None
