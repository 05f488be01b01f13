"""`.dockerignore` as `.metalorignore`.

Docker: the last pattern that matches a path or a directory above it decides, and a `!` brings back what lies in an
ignored directory; a pattern begins at the root, `**` stands for any number of directories. gitignore: a path is asked
about by itself, what lies in an ignored directory is gone, and a pattern without `/` matches at any depth.

Invariant: the same files are visible.
"""

from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedIgnore:
    """The text of a `.metalorignore` (None: none is needed), and what is to be known about it."""

    text: str | None
    remarks: tuple[str, ...] = ()


def convert_ignore(text: str | None) -> ConvertedIgnore:
    """Convert the text of a `.dockerignore`."""
    return ConvertedIgnore(text=text)
