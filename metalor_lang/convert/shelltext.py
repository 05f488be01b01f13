"""Shell text as a statement: `SH` on one line, over several with a backslash at their ends, or as a block.

Invariant: the shell of the recipe gets the text that Docker's shell gets, byte for byte where white space counts.
"""

import re
from collections.abc import Sequence

from metalor_lang.convert.reader import Part
from metalor_lang.hints import Final

INDENT: Final = "    "
_TRAILING: Final = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")


def statement(head: str, parts: Sequence[Part]) -> list[str]:
    """`SH` over the same lines as RUN had, comments where they were; on one line, where white space counts.

    Args:
        head: `SH` and its flags.
        parts: the text by line, without continuation marks.

    """
    text = "".join(part.text for part in parts if not part.comment)
    kept = [part for part in parts if not part.blank]
    end = len(kept)
    while end and kept[end - 1].comment:
        end -= 1
    # Nothing may follow the last line of text: comments there move in front of it.
    kept = [*kept[: end - 1], *kept[end:], *kept[end - 1 : end]]
    written = [part for part in kept if not part.comment]
    if len(written) < 2:
        return [f"{head} {text}"]
    if not _same(written):
        return [f"{head} {text}"]
    lines: list[str] = []
    last = len(written) - 1
    count = 0
    for part in kept:
        if part.comment:
            lines.append(_indented(part.text) if count else part.text.strip())
            continue
        body = _indented(part.text) if count else f"{head} {part.text}".rstrip(" \t")
        mark = "" if count == last else " \\" if _gap(written, count) else "\\"
        lines.append(f"{body}{mark}")
        count += 1
    return lines


def _indented(text: str) -> str:
    """A line that is continued to, as far in as it was."""
    front = text[: len(text) - len(text.lstrip(" \t"))]
    return (front or INDENT) + text.strip(" \t")


def block(head: str, text: str) -> list[str] | None:
    """`SH '''` with the text in it; None where a line of it would close the block."""
    lines = text.removesuffix("\n").split("\n")
    if any(line.lstrip(" \t").startswith("'''") for line in lines) or not text.strip():
        return None
    return [f"{head} '''", *(f"{INDENT}{line}" if line else "" for line in lines), f"{INDENT}'''"]


def _gap(written: Sequence[Part], at: int) -> bool:
    """Whether white space separates a line from the next one."""
    return written[at].text[-1:] in (" ", "\t") or written[at + 1].text[:1] in (" ", "\t")


def _same(written: Sequence[Part]) -> bool:
    """Whether white space at the ends of lines may become one blank: not within quotes, nor behind a backslash."""
    quote = ""
    for part in written[:-1]:
        quote = _quote_after(part.text, quote)
        if quote or _TRAILING.search(part.text.rstrip(" \t")):
            return False
        if part.text.strip(" \t") == "" or "<<" in part.text:
            return False
    return True


def _quote_after(text: str, quote: str) -> str:
    """The quote that is open at the end of a text."""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        at += 1
    return quote
