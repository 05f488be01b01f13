"""Formatting as edits: what `metalor fmt` would change, piece by piece.

Invariant: all edits together give the text of `format_recipe`, but for line ends, which stay as the file has them; an
edit holds whole statements.
"""

from metalor_lang.diagnostics.model import Edit
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax.formatter import lay_out


def format_edits(source: SourceFile, within: Span | None = None) -> tuple[Edit, ...]:
    """The edits that lay a recipe out.

    Args:
        source: a recipe without errors.
        within: only statements and lines that this span touches; None for all.

    """
    text = source.text
    end = "\r\n" if "\r\n" in text else "\n"
    out: list[Edit] = []
    for laid in lay_out(source):
        start = source.line_span(laid.first).start
        behind = source.line_span(laid.last + 1).start if laid.last < source.line_count else len(text)
        new = "" if laid.text is None else laid.text.replace("\n", end) + end
        if text[start:behind] != new and (within is None or (start <= within.end and within.start < max(behind, 1))):
            out.append(Edit(span=Span(start, behind), text=new, safe=True))
    return tuple(out)
