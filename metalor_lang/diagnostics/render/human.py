"""Diagnostics for a person: place, source line, underline, labels, remedy.

Invariant: pure text in, text out; every control character of the source is made visible, so nothing that a recipe
holds can move the cursor; without `color` the output has no escape sequence.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.render.hide import without_passwords
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span

_TAB = 4
_MOST_LINES = 4
"""Of a span over more lines the first ones are shown."""


@dataclass(frozen=True, slots=True)
class _Style:
    error: str = ""
    gutter: str = ""
    strong: str = ""
    help: str = ""
    end: str = ""


_PLAIN = _Style()
_COLORED = _Style(error="\x1b[1;31m", gutter="\x1b[34m", strong="\x1b[1m", help="\x1b[36m", end="\x1b[0m")


@cache
def _width(char: str) -> int:
    # Imported here: to say that a recipe is right, no width is needed.
    from wcwidth import wcwidth

    return wcwidth(char)


def visible(char: str, column: int) -> str:
    """A character as it is shown in a column (0-based): a tab as blanks, a control character by its picture or number.

    Characters without a width of their own stay what they are, unless they change the direction of text.
    """
    if char == "\t":
        return " " * (_TAB - column % _TAB)
    if char < " ":
        return chr(0x2400 + ord(char))
    if char == "\x7f":
        return "\u2421"
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\u200c\u200d":
        return f"<U+{ord(char):04X}>"
    return char


def _columns(line: str) -> tuple[str, list[int]]:
    """A line as shown, and the shown column of each of its characters (and of its end)."""
    shown: list[str] = []
    at = [0]
    for char in line:
        text = visible(char, at[-1])
        shown.append(text)
        at.append(at[-1] + sum(max(_width(one), 0) for one in text))
    return "".join(shown), at


def render_human(
    diagnostics: Sequence[Diagnostic], source: SourceFile, *, color: bool = False, width: int = 100
) -> str:
    """The diagnostics as paragraphs, each ended by a newline.

    Args:
        diagnostics: what to show, in order.
        source: the text they were made for.
        color: whether ANSI colours may be used.
        width: columns of the terminal; long lines are cut around the place, remedies are wrapped.

    """
    style = _COLORED if color else _PLAIN
    return "\n".join(_one(diagnostic, source, style, max(width, 40)) for diagnostic in diagnostics)


def _one(diagnostic: Diagnostic, source: SourceFile, style: _Style, width: int) -> str:
    place = source.position(min(diagnostic.span.start, len(source.text)))
    path = "".join(visible(char, 0) for char in source.path)
    gutter = len(str(max(_last_shown(span, file) for span, file in _spans(diagnostic, source))))
    kind = str(diagnostic.severity)
    message = "".join(visible(char, 0) for char in diagnostic.message)
    out = [
        f"{style.strong}{path}:{place}:{style.end} {style.error}{kind}[{diagnostic.code}]{style.end}: "
        f"{style.strong}{message}{style.end}"
    ]
    marks = [(diagnostic.span, "^", "", style.error)]
    marks += [(each.span, "-", each.text, style.gutter) for each in diagnostic.labels if each.source is None]
    out += _lines(marks, source, style, gutter, width)
    for file in {id(each.source): each.source for each in diagnostic.labels if each.source is not None}.values():
        marks = [(each.span, "-", each.text, style.gutter) for each in diagnostic.labels if each.source is file]
        where = file.position(min(marks[0][0].start, len(file.text)))
        name = "".join(visible(char, 0) for char in file.path)
        out.append(f"{style.gutter}{'':>{gutter}} in{style.end} {name}:{where}")
        out += _lines(marks, file, style, gutter, width)
    if diagnostic.help:
        help = "".join(visible(char, 0) for char in diagnostic.help)
        indent = " " * (gutter + 1)
        from textwrap import wrap

        wrapped = wrap(help, max(width - gutter - 9, 30), break_long_words=False, break_on_hyphens=False)
        out.append(f"{indent}{style.help}= help:{style.end} " + f"\n{indent}        ".join(wrapped))
    return "\n".join(out) + "\n"


_Mark = tuple[Span, str, str, str]
"""A place, the sign below it, what is said there, and in which colour."""


def _lines(marks: list[_Mark], source: SourceFile, style: _Style, gutter: int, width: int) -> list[str]:
    """The marked lines of one file, from top to bottom."""
    out: list[str] = []
    before: int | None = None
    for span, sign, text, tint in sorted(marks, key=lambda mark: _line(mark[0], source)):
        number = _line(span, source)
        if before is not None and number > before + 1:
            out.append(f"{style.gutter}{'':>{gutter}} ⋮{style.end}")
        repeat = before == number
        out += _marked(span, sign, text, tint, source, style, gutter, width, with_line=not repeat)
        before = number
    return out


def _line(span: Span, source: SourceFile) -> int:
    return source.position(min(span.start, len(source.text))).line


def _spans(diagnostic: Diagnostic, source: SourceFile) -> list[tuple[Span, SourceFile]]:
    return [(diagnostic.span, source), *((label.span, label.source or source) for label in diagnostic.labels)]


def _last_shown(span: Span, source: SourceFile) -> int:
    """The last line that is shown of a span."""
    first = source.position(min(span.start, len(source.text))).line
    last = source.position(min(max(span.end - 1, span.start), len(source.text))).line
    return min(last, first + _MOST_LINES - 1)


def _marked(
    span: Span,
    sign: str,
    text: str,
    tint: str,
    source: SourceFile,
    style: _Style,
    gutter: int,
    width: int,
    *,
    with_line: bool,
) -> list[str]:
    """The source lines of a span with the underline below each."""
    start = source.position(min(span.start, len(source.text)))
    out = []
    for number in range(start.line, _last_shown(span, source) + 1):
        line = without_passwords(source.line(number))
        begin = source.line_span(number).start
        left = min(max(span.start - begin, 0), len(line))
        right = min(max(span.end - begin, left), len(line))
        if number > start.line and not line[:right].strip():
            continue
        if number > start.line:
            left = max(left, len(line) - len(line.lstrip()))
        shown, at = _columns(line)
        mark = sign * max(at[right] - at[left], 1)
        shown, offset = _window(shown, at[left], width - gutter - 4)
        tail = f" {text}" if text and number == start.line else ""
        if with_line:
            out.append(f"{style.gutter}{number:>{gutter}} |{style.end} {shown}".rstrip())
        room = max(width - gutter - 4 - (at[left] - offset), 1)
        out.append(
            f"{style.gutter}{'':>{gutter}} |{style.end} {' ' * (at[left] - offset)}{tint}{mark[:room]}{tail}{style.end}"
        )
    return out


def _window(shown: str, column: int, room: int) -> tuple[str, int]:
    """The part of a long line around a column, and by how many columns what follows moved left."""
    if len(shown) <= room:
        return shown, 0
    if column < room - 12:
        return shown[: room - 1] + "…", 0
    # Cutting by characters is right for lines of single-width characters; wide ones only make the window wider.
    skip = column - room // 3
    taken, at = 0, 0
    for char in shown:
        if at >= skip:
            break
        at += max(_width(char), 0)
        taken += 1
    rest = shown[taken:]
    return "…" + (rest if len(rest) < room else rest[: room - 2] + "…"), at - 1
