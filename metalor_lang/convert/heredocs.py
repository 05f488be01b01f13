"""A heredoc of COPY and ADD as FILE.

Invariant: the file has the bytes that BuildKit writes: it takes a backslash off every character behind it and expands
variables, unless the heredoc's name is quoted.
"""

import posixpath
from collections.abc import Sequence

from metalor_lang.convert.names import Refused
from metalor_lang.convert.reader import Heredoc
from metalor_lang.convert.shelltext import INDENT
from metalor_lang.convert.sources import is_folder
from metalor_lang.convert.state import Context, fits
from metalor_lang.convert.values import Value, block, plain, value, word
from metalor_lang.convert.words import WordError, pieces
from metalor_lang.syntax import ast


def write(context: Context, doc: Heredoc, destination: Value, flags: Sequence[str], *, several: bool) -> list[str]:
    """The FILE of a heredoc.

    Args:
        context: the conversion.
        doc: the heredoc.
        destination: where to, as it was written.
        flags: `--chown=` and `--chmod=`.
        several: whether it is one of several sources, which go into a folder.

    Raises:
        Refused: its text cannot be written.

    """
    path = context.where(destination)
    last = destination[-1]
    if is_folder(destination) or several or context.stage.is_directory(path):
        slash = "" if isinstance(last, str) and last.endswith("/") else "/"
        destination = value(*destination, slash, doc.name)
        context.stage.made_directory(path)
        path = posixpath.join(path, doc.name)
    else:
        context.stage.made_directory(posixpath.dirname(path))
    context.stage.paths[posixpath.normpath(path)] = "file"
    content = value(doc.stripped)
    if doc.expands:
        try:
            found = pieces(doc.stripped, quotes=False)
        except WordError as error:
            raise Refused(f"Docker refuses it too: {error}") from None
        content = context.names.value(found, context.stage.scope, context.notes)
    head = " ".join(["FILE", *flags, word(destination)])
    for lines in _spellings(head, content):
        made = fits(lines)
        if isinstance(made, ast.File) and _same(made.block, content):
            return lines
    raise Refused("its text cannot be written as FILE: put it into a file of the context and COPY that")


def _spellings(head: str, content: Value) -> list[list[str]]:
    text, expanding = plain(content), block(content)
    out = []
    if text is not None:
        out.append(_fenced(head, "'''", text))
    if expanding is not None:
        out.append(_fenced(head, '"""', expanding))
    return out


def _fenced(head: str, fence: str, text: str) -> list[str]:
    body = text.removesuffix("\n").split("\n") if text else []
    return [f"{head} {fence}", *(f"{INDENT}{line}" if line else "" for line in body), f"{INDENT}{fence}"]


def _same(found: ast.Block, content: Value) -> bool:
    parts = value(*(each.value if isinstance(each, ast.Text) else f"\0{each.name}\0" for each in found.parts))
    return parts == value(*(each if isinstance(each, str) else f"\0{each.name}\0" for each in content))
