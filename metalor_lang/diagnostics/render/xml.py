"""Text in XML 1.0, whatever is in it: what XML has no way to write is shown by its picture or number."""

from xml.sax.saxutils import escape, quoteattr

from metalor_lang.diagnostics.render.human import visible


def attribute(text: str) -> str:
    """A text as the value of an attribute, with its quotes; control characters are made visible."""
    return quoteattr(_without_nonchars("".join(visible(char, 0) for char in text)))


def content(text: str) -> str:
    """A text between tags; control characters must have been made visible."""
    return escape(_without_nonchars(text))


def _without_nonchars(text: str) -> str:
    # The two characters that are neither controls nor allowed (XML 1.0, production 2).
    return text.replace("\ufffe", "<U+FFFE>").replace("\uffff", "<U+FFFF>")
