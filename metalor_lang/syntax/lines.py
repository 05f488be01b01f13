r"""Cuts a source into statements: continuations, open arrays and fences.

Invariant: slices do not overlap and come in order; every significant line outside a block is in exactly one slice.
A slice that is cut short (a blank line behind a `\`, an array or fence that never closes) ends where the missing
text would begin, so that the grammar refuses it there.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache

from metalor_lang.primitives import significant_lines
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile
from metalor_lang.syntax.statements import ARRAY_WORDS


class Open(StrEnum):
    """What a slice still waits for at its end."""

    CONTINUATION = "continuation"
    ARRAY = "array"
    FENCE = "fence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One statement's text.

    Args:
        start, end: offsets; the line end after the last line is not in it, unless something is missing there.
        word: its first word as written.
        open: what is missing at its end, if anything.
        fence: where its opening fence stands.
        body: where the lines of its block start (the line after the opening fence).

    """

    start: int
    end: int
    word: str
    open: Open | None = None
    fence: int | None = None
    body: int | None = None


_WORD = re.compile(r"[^ \t\r\n]*")
_GAP = r"(?:[ \t]+(?:\\[ \t]*\r?\n(?:[ \t]*\#[^\n]*\n)*[ \t]*)*)"
_FLAG = r'(?:--[a-z][a-z0-9\-]*(?:=(?:"(?:\\.|[^"\\\r\n])*"|\'[^\'\r\n]*\'|[^ \t\r\n"\'\\]*))?)'
_SHELL_HEAD = re.compile(rf"(?:TEST{_GAP})?SH(?:{_GAP}{_FLAG})*(?:{_GAP}|(?=[ \t]*(?:\r?\n|\Z)))")
_ARRAY_HEAD = re.compile(rf"(?:TEST{_GAP})?(?:RUN|CMD|ENTRYPOINT|SHELL)(?:{_GAP}{_FLAG})*{_GAP}\[")
_COMMENT_LINE = re.compile(r"[ \t]*#[^\n]*(?:\n|\Z)")
_BLANK_LINE = re.compile(r"[ \t\r]*(?:\n|\Z)")
_ODD_BACKSLASH = re.compile(r"(?<!\\)(?:\\\\)*\\[ \t]*\r?\Z")
_LINE_ATOM = re.compile(
    r"""(?P<blank>[ \t]+) | (?P<string>"(?:\\.|[^"\\\r\n])*") | (?P<single>'[^'\r\n]*')
      | (?P<other>[^ \t\r\n"'\#]+|.)""",
    re.VERBOSE,
)
_ARRAY_ATOM = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\r\n])*") | (?P<comment>(?<=[ \t\n])\#[^\n]*) | (?P<close>\]) | (?P<end>\n)
      | (?P<other>[^"\]\#\n]+|.)""",
    re.VERBOSE,
)
_FENCE_AT_END = re.compile(r"(?:(?<=[ \t])|\A)('''|\"\"\")[ \t]*\r?\Z")


def slices(source: SourceFile) -> Iterator[Slice]:
    """The statements' texts, in order."""
    text = source.text
    done = 0
    for line in significant_lines(text):
        span = source.line_span(line.number)
        if span.start < done:
            continue
        start = span.start
        while text[start] in " \t":
            start += 1
        cut = cut_slice(text, start)
        done = max(cut.end, span.end)
        yield cut


def cut_slice(text: str, start: int) -> Slice:
    """The statement that starts at an offset (at its first word)."""
    found = _WORD.match(text, start)
    assert found is not None
    word = found.group()
    if word in ("SH", "TEST") and (head := _SHELL_HEAD.match(text, start)):
        return _cut_shell(text, start, word, head.end())
    if (word in ARRAY_WORDS or word == "TEST") and (head := _ARRAY_HEAD.match(text, start)):
        return _cut_array(text, start, word, head.end())
    end, waits = _logical_end(text, start, shell=False)
    if waits is None and (fence := _fence(text, start, end)) is not None:
        return _cut_block(text, start, word, fence)
    return Slice(start=start, end=end, word=word, open=waits)


def _line_end(text: str, at: int) -> int:
    """The offset of the line's LF, or the end of the text."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _without_cr(text: str, start: int, end: int) -> int:
    """The end of a line without its CR."""
    return end - 1 if end > start and text[end - 1] == "\r" else end


def _logical_end(text: str, at: int, *, shell: bool) -> tuple[int, Open | None]:
    r"""The end of a statement that goes on behind each `\` at a line's end."""
    while True:
        end = _line_end(text, at)
        if not _continues(text, at, end, shell=shell):
            return _without_cr(text, at, end), None
        if end == len(text):
            return end, Open.CONTINUATION
        at = end + 1
        while (comment := _COMMENT_LINE.match(text, at)) and comment.end() > at:
            at = comment.end()
        blank = _BLANK_LINE.match(text, at)
        if blank is not None:
            return at, Open.CONTINUATION if at == len(text) else None


def _continues(text: str, start: int, end: int, *, shell: bool) -> bool:
    r"""Whether a line ends with a `\` that continues it: an odd run, outside comments."""
    if not _ODD_BACKSLASH.search(text, start, end):
        return False
    if shell:
        return True
    at, after_blank = start, start == 0 or text[start - 1] == "\n"
    while at < end:
        if after_blank and text[at] == "#":
            return False
        found = _LINE_ATOM.match(text, at, end)
        if found is None:
            break
        after_blank = found.lastgroup == "blank"
        at = found.end()
    return True


def _fence(text: str, start: int, end: int) -> int | None:
    """Where an opening fence stands as the last word of a logical line."""
    last = text.rfind("\n", start, end) + 1
    found = _FENCE_AT_END.search(text, max(start, last), end)
    if found is None:
        return None
    # Behind a comment's `#`, or inside a quoted word, it is no fence.
    at, after_blank = max(start, last), True
    while at < found.start(1):
        if after_blank and text[at] == "#":
            return None
        atom = _LINE_ATOM.match(text, at, end)
        if atom is None:
            return None
        after_blank = atom.lastgroup == "blank"
        at = atom.end()
    return at if at == found.start(1) else None


def _cut_shell(text: str, start: int, word: str, at: int) -> Slice:
    end, waits = _logical_end(text, at, shell=True)
    if waits is None and (fence := _FENCE_AT_END.search(text, max(at, text.rfind("\n", at, end) + 1), end)):
        return _cut_block(text, start, word, fence.start(1))
    if text.startswith("'''", at) and (block := _cut_block(text, start, word, at)).open is None:
        # Text behind the opening fence is an error; its block is still one.
        return block
    return Slice(start=start, end=end, word=word, open=waits)


def _cut_block(text: str, start: int, word: str, fence: int) -> Slice:
    body = min(_line_end(text, fence) + 1, len(text))
    closings = _closings(text, text[fence : fence + 3])
    at = bisect_left(closings, body)
    if at == len(closings):
        return Slice(start=start, end=len(text), word=word, open=Open.FENCE, fence=fence, body=body)
    end = _line_end(text, closings[at])
    return Slice(start=start, end=_without_cr(text, closings[at], end), word=word, fence=fence, body=body)


@lru_cache(maxsize=8)
def _closings(text: str, mark: str) -> tuple[int, ...]:
    """Where the lines start that would close a block: found once a text, so that many open blocks cost no more."""
    return tuple(found.start() for found in re.finditer(rf"^[ \t]*{mark}", text, re.MULTILINE))


def _cut_array(text: str, start: int, word: str, at: int) -> Slice:
    """`at` is behind the opening bracket."""
    while at < len(text):
        found = _ARRAY_ATOM.match(text, at)
        assert found is not None
        at = found.end()
        match found.lastgroup:
            case "close":
                end, waits = _logical_end(text, at, shell=False)
                return Slice(start=start, end=end, word=word, open=waits)
            case "end":
                following = _array_goes_on(text, at)
                if following is None:
                    return Slice(start=start, end=at, word=word, open=Open.ARRAY if _only_blank(text, at) else None)
                at = following
            case _:
                pass
    return Slice(start=start, end=len(text), word=word, open=Open.ARRAY)


def _array_goes_on(text: str, at: int) -> int | None:
    """Where the next line that is not blank starts, if it begins with what can stand in an array."""
    while at < len(text):
        end = _line_end(text, at)
        line = text[at:end].strip(" \t\r")
        if line:
            return at if line[0] in '",]#' else None
        at = end + 1
    return None


def _only_blank(text: str, at: int) -> bool:
    return not text[at:].strip(" \t\r\n")


def touches(offsets: list[int], cut: Slice) -> bool:
    """Whether one of the sorted offsets lies in the slice."""
    at = bisect_left(offsets, cut.start)
    return at < len(offsets) and offsets[at] < max(cut.end, cut.start + 1)
