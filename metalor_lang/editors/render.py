"""Coloured recipes as a page, as a picture and for a terminal, by the Pygments lexer.

Invariant: what is shown is the text: only tabs become blanks, and control characters are made visible.
"""

from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Final, NamedTuple

from pygments.token import (
    Comment,
    Error,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Other,
    Punctuation,
    String,
    Token,
    _TokenType,
)

from metalor_lang.diagnostics.render.human import visible
from metalor_lang.editors.pygments_lexer import MetalorLexer


class Look(NamedTuple):
    """How a token looks.

    Args:
        ink: on a page or in a picture, as `#rrggbb`.
        code: on a terminal, as the parameters of an SGR sequence: its own sixteen colours.
        strong, underlined: besides the colour.

    """

    ink: str
    code: str
    strong: bool = False
    underlined: bool = False


PAPER: Final = "#1c1f26"
INK: Final = "#dcdfe4"
FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

_PLAIN: Final = Look(INK, "")
LOOKS: Final[dict[_TokenType, Look]] = {
    Token: _PLAIN,
    Keyword: Look("#61afef", "1;34", strong=True),
    Comment: Look("#7f8694", "90"),
    Punctuation: Look("#7f8694", "90"),
    Name.Attribute: Look("#56b6c2", "36"),
    Operator: _PLAIN,
    Number: Look("#c678dd", "35"),
    Name.Variable.Global: Look("#e5c07b", "33"),
    Name.Property: Look("#e5c07b", "33"),
    Name.Variable: Look("#c678dd", "35"),
    Name.Builtin: Look("#56b6c2", "36"),
    String: Look("#98c379", "32"),
    String.Escape: Look("#b5dd96", "1;32", strong=True),
    String.Interpol: Look("#c678dd", "35"),
    String.Delimiter: Look("#56b6c2", "36"),
    Literal.Number: Look("#c678dd", "35"),
    Error: Look("#e06c75", "4;31", underlined=True),
    Other: _PLAIN,
}
"""The colours of the prompt, for tokens and their kinds."""

_WIDE, _HIGH, _EDGE = 8.4, 20, 16


class _Run(NamedTuple):
    """Characters of one look on one line."""

    column: int
    width: int
    text: str
    look: Look


@cache
def look(kind: _TokenType) -> Look:
    """How a token looks: as the nearest of its kinds that has a row."""
    return next(LOOKS[each] for each in reversed(kind.split()) if each in LOOKS)


def terminal(text: str, *, colours: bool = True) -> str:
    """The text with SGR sequences, in the sixteen colours that a terminal's theme sets, or without any."""
    return "".join("".join(_coded(run, colours) for run in line) + "\n" for line in _lines(text))


def _coded(run: _Run, colours: bool) -> str:
    return f"\x1b[{run.look.code}m{run.text}\x1b[0m" if colours and run.look.code else run.text


def html(text: str, title: str) -> str:
    """A page of its own."""
    names: dict[Look, str] = {}
    body = []
    for line in _lines(text):
        for run in line:
            name = names.setdefault(run.look, f"c{len(names)}")
            body.append(f'<span class="{name}">{escape(run.text, quote=False)}</span>')
        body.append("\n")
    rules = [f"    .{name} {{ {_css(each)} }}" for each, name in names.items()]
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '  <meta charset="utf-8">',
            f"  <title>{escape(title)}</title>",
            "  <style>",
            f"    body {{ background: {PAPER}; color: {INK}; }}",
            f"    pre {{ font: 14px/1.4 {FONTS}; }}",
            *rules,
            "  </style>",
            "</head>",
            "<body>",
            f"<pre>{''.join(body)}</pre>",
            "</body>",
            "</html>",
            "",
        )
    )


def svg(text: str, title: str) -> str:
    """A picture, every character in its cell."""
    lines = list(_lines(text))
    columns = max((run.column + run.width for line in lines for run in line), default=0)
    width, height = columns * _WIDE + 2 * _EDGE, len(lines) * _HIGH + 2 * _EDGE
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
        f'<g font-family="{FONTS}" font-size="14" xml:space="preserve">',
    ]
    for row, line in enumerate(lines):
        for run in line:
            if run.text.strip() or run.look.underlined:
                x, y = _EDGE + run.column * _WIDE, _EDGE + row * _HIGH + 14
                style = ' font-weight="bold"' * run.look.strong + ' text-decoration="underline"' * run.look.underlined
                out.append(
                    f'<text x="{x:g}" y="{y}" fill="{run.look.ink}"{style} textLength="{run.width * _WIDE:g}">'
                    f"{escape(run.text, quote=False)}</text>"
                )
    return "\n".join((*out, "</g>", "</svg>", ""))


def _css(each: Look) -> str:
    strong = " font-weight: bold;" * each.strong
    return f"color: {each.ink};{strong}{' text-decoration: underline;' * each.underlined}"


def _lines(text: str) -> Iterator[list[_Run]]:
    """The runs of each line, control characters made visible."""
    line: list[_Run] = []
    column = 0
    for _, kind, piece in MetalorLexer().get_tokens_unprocessed(text.replace("\r\n", "\n")):
        for number, part in enumerate(piece.split("\n")):
            if number:
                yield line
                line, column = [], 0
            shown, start = [], column
            for char in part:
                cell = visible(char, column)
                shown.append(cell)
                column += _width(cell)
            run = _Run(start, column - start, "".join(shown), look(kind))
            if line and line[-1].look == run.look:
                line[-1] = _Run(line[-1].column, line[-1].width + run.width, line[-1].text + run.text, run.look)
            elif part:
                line.append(run)
    if line:
        yield line


def _width(cell: str) -> int:
    from wcwidth import wcswidth

    return len(cell) if cell.isascii() else max(wcswidth(cell), 0)
