"""The characters of a source: bytes into text, and what no recipe may hold.

Invariant: every byte that is no UTF-8 and every character that is refused gives one diagnostic at its place.
"""

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.pattern import pattern
from metalor_lang.source import SourceFile, Span

BAD_CLASS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
"""What no recipe may hold, as a class of a regular expression; besides them a carriage return without a line feed."""

_BAD = pattern(rf"{BAD_CLASS}|\r(?!\n)")


def _bad_character(char: str) -> tuple[str, str, str]:
    """Code, message and help for a character that no recipe may hold."""
    import unicodedata

    number = f"U+{ord(char):04X}"
    if char == "\r":
        return "E0103", "a carriage return without a line feed", "end lines with LF or CRLF"
    if unicodedata.category(char) == "Cc":
        escape = f'"\\u{ord(char):04x}"'
        help = "remove it" if char == "\0" else f"remove it; in double quotes it can be written {escape}"
        return "E0102", f"the control character {number}", help
    if "\ud800" <= char <= "\udfff":
        return "E0101", f"the lone surrogate {number} is no character", "remove it"
    name = unicodedata.name(char, number).lower()
    return (
        "E0104",
        f"the invisible character {number} ({name}) changes the order in which text is shown",
        "remove it: what is read must be what runs",
    )


def bad_characters(source: SourceFile) -> tuple[Diagnostic, ...]:
    """One diagnostic for each character that no recipe may hold."""
    if source.text.replace("\n", "").replace("\t", "").isprintable():
        return ()  # nearly every recipe: all that is refused is unprintable
    out = []
    for found in _BAD.finditer(source.text):
        code, message, help = _bad_character(found.group())
        out.append(Diagnostic(code=code, message=message, span=Span(found.start(), found.end()), help=help))
    return tuple(out)


_MOST_UTF8_ERRORS = 20
_OTHER_ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks that no UTF-8 text starts with."""


def decode(path: str, data: bytes) -> tuple[SourceFile, tuple[Diagnostic, ...]]:
    """A source from a file's bytes; every sequence that is no UTF-8 becomes U+FFFD and one diagnostic (the first 20).

    A leading byte order mark is dropped.
    """
    for mark, name in _OTHER_ENCODINGS.items():
        if data.startswith(mark):
            source = SourceFile(path, data.decode(name, "replace"))
            span = Span(0, 1 if source.text else 0)
            message = f"the recipe is written in {name.upper()}, not in UTF-8"
            return source, (Diagnostic(code="E0101", message=message, span=span, help="save the recipe as UTF-8"),)
    data = data.removeprefix(b"\xef\xbb\xbf")
    pieces: list[str] = []
    out: list[Diagnostic] = []
    at = length = 0
    while True:
        if len(out) == _MOST_UTF8_ERRORS:
            # Such a file is no text at all; each round decodes the rest again.
            pieces.append(data[at:].decode(errors="replace"))
            break
        try:
            pieces.append(data[at:].decode())
            break
        except UnicodeDecodeError as error:
            good = data[at : at + error.start].decode()
            bad = data[at + error.start : at + error.end]
            pieces += (good, "\ufffd")
            length += len(good)
            listed = " ".join(f"{byte:02X}" for byte in bad)
            out.append(
                Diagnostic(
                    code="E0101",
                    message=f"not UTF-8: the byte{'s' if len(bad) > 1 else ''} {listed}",
                    span=Span(length, length + 1),
                    help="save the recipe as UTF-8",
                )
            )
            length += 1
            at += error.end
    return SourceFile(path, "".join(pieces)), tuple(out)
