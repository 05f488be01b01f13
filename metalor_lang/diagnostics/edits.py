"""The edits of diagnostics, put to use: which fit together, how each is called, what the text is behind them.

Invariant: edits that are applied together do not overlap, and each means what it means in the text as it was.
"""

from collections.abc import Iterable, Sequence

from metalor_lang.diagnostics.model import Diagnostic, Edit

_LONGEST = 48


def safe(diagnostic: Diagnostic) -> bool:
    """Whether all it takes is edits that need no asking."""
    return bool(diagnostic.edits) and all(edit.safe for edit in diagnostic.edits)


def together(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Diagnostics whose edits are safe and can be made at once, by place; of those that overlap the first counts."""
    out: list[Diagnostic] = []
    start = end = -1
    for each in sorted(filter(safe, found), key=_start):
        # An edit at the very place of another would stand before it or behind it: nobody could say which.
        if _start(each) >= end and _start(each) != start:
            out.append(each)
            start, end = _start(each), max(edit.span.end for edit in each.edits)
    return tuple(out)


def _start(diagnostic: Diagnostic) -> int:
    return min(edit.span.start for edit in diagnostic.edits)


def applied(text: str, edits: Iterable[Edit]) -> str:
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
