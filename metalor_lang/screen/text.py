"""Texts for a terminal: widths, durations, sizes, and control characters made visible.

Invariant: `visible` gives text that cannot move the cursor, change colours or reorder the line.
"""

import re
from collections.abc import Iterable

from metalor_lang.errors import UsageError
from metalor_lang.hints import Final

_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_HIDDEN: Final = frozenset(["Cc", "Cf", "Zl", "Zp", "Cs"])


def visible(text: str) -> str:
    """`text` with control and format characters spelled out: `^[` for escape, `<U+202E>` for a bidi override."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    code = ord(char)
    if char == "\t":
        return "    "
    if code < 0x20 or code == 0x7F:
        return "^" + chr(code ^ 0x40)
    import unicodedata  # not for most lines

    return f"<U+{code:04X}>" if unicodedata.category(char) in _HIDDEN else char


def output_line(data: bytes, *, raw: bool = False) -> str:
    """One line of a step's output as shown; what a lone CR would overwrite is left out (the log has it)."""
    text = data.rstrip(b"\r").decode("utf-8", "backslashreplace")
    if raw:
        return text
    pieces = [piece for piece in text.split("\r") if piece]
    return visible(pieces[-1]) if pieces else ""


def with_values(values: Iterable[tuple[str, str]]) -> str:
    """What is said behind a statement of the loop variables and parameters that it names; nothing for none."""
    shown = "".join(f" {name}={quoted(value)}" for name, value in values)
    return f"  with{shown}" if shown else ""


def quoted(value: str) -> str:
    """A value of which one sees where it ends: in quotes when it has blanks or quotes in it, or is empty."""
    shown = visible(value)
    plain = shown and not any(map(str.isspace, shown)) and "'" not in shown
    return shown if plain else "'" + shown.replace("'", "'\\''") + "'"


def char_width(char: str) -> int:
    """Columns a character takes: 0 for combining ones, 2 for wide ones."""
    import unicodedata

    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def width_of(text: str) -> int:
    """Columns a text takes."""
    return len(text) if text.isascii() else sum(map(char_width, text))


def fit(text: str, width: int) -> str:
    """`text` cut to `width` columns, with `…` where something was cut."""
    if len(text) <= width and text.isascii():
        return text
    if width_of(text) <= width:
        return text
    if width < 1:
        return ""
    used, result = 1, []
    for char in text:
        used += char_width(char)
        if used > width:
            break
        result.append(char)
    return "".join(result) + "…"


def one_line(text: str) -> str:
    """The first line of a statement, with `…` when there is more; control characters made visible."""
    first, _, more = text.strip().partition("\n")
    return visible(first) + (" …" if more else "")


def terminal_size() -> tuple[int, int]:
    """Columns and rows of the terminal, or 80 and 24."""
    import shutil  # it brings four packers with it, and most commands draw nothing

    return shutil.get_terminal_size()


def duration(milliseconds: int) -> str:
    """`0.3s`, `12.0s`, `2m05s`, `1h02m`."""
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def counted(number: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(count: int) -> str:
    """`812 B`, `3.4 kB`, `1.2 GB` (powers of ten)."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 1000:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def transfer(done: int, total: int | None) -> str:
    """`3.4 MB of 1.2 GB`, or `3.4 MB` where the whole is not known."""
    return f"{size(done)} of {size(total)}" if total is not None else size(done)


def parse_size(text: str) -> int:
    """`10G`, `500M`, `1000`: bytes, in powers of ten.

    Raises:
        UsageError: anything else.

    """
    match = re.fullmatch(r"([0-9]{1,15})([kMGT]?)B?", text)
    if match is None:
        raise UsageError(f"{text!r} is not a size", help="write it as 10G, 500M or 1000")
    return int(match[1]) * _UNITS[match[2]]
