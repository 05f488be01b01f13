"""The edits of diagnostics, put to use: which fit together, how each is called, what the text is behind them.

Invariant: edits that are applied together do not overlap, and each means what it means in the text as it was.
"""

from collections.abc import Iterable, Sequence

from metalor_lang.diagnostics.model import Diagnostic, Edit

_LONGEST = 48


def safe_fixes(found: Iterable[Diagnostic]) -> tuple[Edit, ...]:
    """The edits of every diagnostic whose edits are all safe, in order; of those that overlap the first counts."""
    out: list[Edit] = []
    for each in sorted((each for each in found if each.edits), key=lambda each: each.edits[0].span.start):
        if all(edit.safe for edit in each.edits) and not _overlap(out, each.edits):
            out += each.edits
    return tuple(sorted(out, key=lambda edit: (edit.span.start, edit.span.end)))


def applied(text: str, edits: Sequence[Edit]) -> str:
    """The text with edits that do not overlap."""
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end), reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def title(text: str, edits: Sequence[Edit]) -> str:
    """What a fix does, in a few words."""
    first = edits[0]
    old, new = text[first.span.start : first.span.end], first.text
    if not new.strip() and old.strip():
        return f"remove {_short(old)}"
    if len(edits) > 1 or "\n" in old + new:
        return f"rewrite as {_short(new)}"
    if not old:
        return f"insert {_short(new)}"
    return f"replace {_short(old)} by {_short(new)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"`{line if len(line) <= _LONGEST else line[: _LONGEST - 1] + '…'}`" if line else "a blank"


def _overlap(taken: Sequence[Edit], edits: Sequence[Edit]) -> bool:
    return any(
        (edit.span.start < other.span.end and other.span.start < edit.span.end) or edit.span.start == other.span.start
        for edit in edits
        for other in taken
    )
