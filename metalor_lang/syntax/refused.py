"""What can still be told of a statement that was refused: where it starts, its lines, the word that was meant.

Invariant: nothing here reports; what was refused has its diagnostic already.
"""

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import Final
from metalor_lang.source import SourceFile
from metalor_lang.syntax.statements import BY_WORD

CLOSERS: Final = ("ENDIF", "FI", "ENDFOR", "DONE", "ENDDEFINE", "ENDDEF", "}", "};")
"""How other languages write END."""

ELSE_IFS: Final = ("ELIF", "ELSEIF", "ELSIF")
"""How other languages write ELSE IF."""


def lines_of(source: SourceFile, diagnostic: Diagnostic) -> tuple[int, str]:
    """Where the line that a diagnostic's statement starts on begins, and its lines as far as backslashes join them."""
    first = last = source.position(diagnostic.span.start).line
    while first > 1 and source.line(first - 1).rstrip().endswith("\\"):
        first -= 1
    while last < source.line_count and source.line(last).rstrip().endswith("\\"):
        last += 1
    text = "\n".join(source.line(number) for number in range(first, last + 1))
    return source.line_span(first).start, text


def meant(word: str) -> str:
    """The statement word that a first word is, or is misspelt from ("" for none); invisible characters do not count."""
    plain = word.encode("ascii", "ignore").decode().upper()
    if plain in CLOSERS:
        return "END"
    if plain in ELSE_IFS:
        return "ELSE"
    return plain if plain in BY_WORD else nearest(plain, BY_WORD) or ""
