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

ELSEWHERE: Final = {
    "FOREACH": "FOR", "WHILE": "FOR", "UNTIL": "FOR", "UNLESS": "IF", "WHEN": "IF", "FUNCTION": "DEFINE",
    "DEF": "DEFINE", "MACRO": "DEFINE", "CALL": "USE", "INCLUDE": "IMPORT",
}  # fmt: skip
"""Words of other languages, and the statement that does most of the same."""


def lines_of(source: SourceFile, diagnostic: Diagnostic) -> tuple[int, str]:
    """Where the line that a diagnostic's statement starts on begins, and its lines as far as backslashes join them."""
    first = last = source.position(diagnostic.span.start).line
    while first > 1 and source.line(first - 1).rstrip().endswith("\\"):
        first -= 1
    while last < source.line_count and source.line(last).rstrip().endswith("\\"):
        last += 1
    text = "\n".join(source.line(number) for number in range(first, last + 1))
    return source.line_span(first).start, text


def meant(text: str) -> str:
    """The statement word that a line begins with, or that its first word is misspelt from ("" for none).

    Invisible characters do not count, and what is glued to a word is taken off.
    """
    words = text.split(maxsplit=1)
    plain = words[0].encode("ascii", "ignore").decode().upper() if words else ""
    if plain in CLOSERS:
        return "IF" if plain == "FI" and len(words) > 1 else "END"
    if plain in ELSE_IFS:
        return "ELSE"
    if plain in BY_WORD:
        return plain
    if plain in ELSEWHERE:
        return ELSEWHERE[plain]
    if len(words) == 1 and (closer := nearest(plain, ("END", "ELSE"))):
        return closer
    word = glued(plain)
    if word and not plain[len(word)].isalpha():
        return word
    return nearest(plain, BY_WORD) or word


def glued(word: str) -> str:
    """The statement word that an upper-case word begins with ("" for none); letters behind IF and FOR are no sign."""
    found = max((each for each in BY_WORD if word.startswith(each) and word != each), key=len, default="")
    return "" if found in ("IF", "FOR") and word[len(found)].isalpha() else found
