"""The text of the recipe, put together of what became of each item, and who answers for which line of it.

Invariant: a chunk that was refused leaves a comment with its reason and its text, and takes the stages along that were
made for it alone.
"""

import re
from collections.abc import Iterable, Sequence

from metalor_lang.convert.model import LineReport, Verdict
from metalor_lang.convert.reader import Comment, Directive, Instruction, Item
from metalor_lang.convert.state import Stage
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field

_DIRECTIVE: Final = re.compile(r"#\s*[A-Za-z]+\s*=")


@dataclass(slots=True)
class Chunk:
    """An item and what became of it."""

    item: Item
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: str = ""
    first: int = 0
    last: int = 0
    above: tuple[int, ...] = ()
    """Lines of the recipe in stages that were made for it."""


def comment(text: str) -> str:
    """A comment; what a recipe would not take in one is made visible."""
    shown = "".join(char if char == "\t" or char.isprintable() else "\ufffd" for char in text)
    # What looks like a directive is an error in a recipe, because it would do nothing.
    return f"#{shown}" if _DIRECTIVE.match(shown) else shown


def assemble(chunks: Sequence[Chunk], stages: Sequence[Stage]) -> str:
    """The text of the recipe; each chunk learns its lines."""
    begun = dict(zip(_from_chunks(chunks), stages, strict=False))
    out: list[tuple[str, int, bool]] = []
    for index, chunk in enumerate(chunks):
        stage = begun.get(index)
        lines = _refusal(chunk) if chunk.refused else chunk.lines
        if stage is not None and chunk.refused:
            lines = [*lines, f"FROM scratch{f' AS {stage.name}' if stage.name else ''}"]
        extra = [
            (line, owner, True)
            for owner, more in (stage.before if stage is not None else ())
            if not chunks[owner].refused
            for line in more
        ]
        if extra:
            at = _above(chunks, index, len(out))
            out[at:at] = [*extra, ("", -1, True)]
        out += [(line, index, False) for line in lines]
    places: dict[int, list[int]] = {}
    aside: dict[int, list[int]] = {}
    for number, (_, owner, made) in enumerate(out, 1):
        (aside if made else places).setdefault(owner, []).append(number)
    for index, chunk in enumerate(chunks):
        own = places.get(index, [0])
        chunk.first, chunk.last, chunk.above = own[0], own[-1], tuple(aside.get(index, ()))
    return "".join(f"{line}\n" for line, _, _ in out)


def _above(chunks: Sequence[Chunk], index: int, at: int) -> int:
    """Where the comments right above a chunk begin, in lines from 0."""
    while index and isinstance(chunks[index - 1].item, Comment):
        index, at = index - 1, at - 1
    return at


def _from_chunks(chunks: Sequence[Chunk]) -> list[int]:
    return [n for n, chunk in enumerate(chunks) if isinstance(chunk.item, Instruction) and chunk.item.word == "FROM"]


def _refusal(chunk: Chunk) -> list[str]:
    """What stands in the recipe for what was refused."""
    if isinstance(chunk.item, Directive):
        return []
    assert isinstance(chunk.item, Instruction)
    where = (
        f"line {chunk.item.first}"
        if chunk.item.first == chunk.item.last
        else f"lines {chunk.item.first}-{chunk.item.last}"
    )
    return [
        f"# REFUSED, {where} of the Dockerfile: {comment(chunk.refused)}",
        *(comment(f"#   {line}".rstrip()) for line in chunk.item.written),
    ]


def blame(chunks: Sequence[Chunk], wrong: Iterable[tuple[int, str]]) -> bool:
    """Refuse what does not pass the check; whether there was any."""
    hit = False
    for line, why in wrong:
        right = [chunk for chunk in chunks if not chunk.refused and chunk.first and isinstance(chunk.item, Instruction)]
        mine = [chunk for chunk in right if chunk.first <= line <= chunk.last or line in chunk.above]
        # What goes on where it should not is told behind its end.
        mine = mine or [chunk for chunk in right if chunk.last < line][-1:]
        for chunk in mine[:1]:
            chunk.refused, hit = why, True
    return hit


def report(chunk: Chunk) -> LineReport:
    """What became of an instruction or a directive."""
    item = chunk.item
    if isinstance(item, Directive):
        first = last = item.line
        word = f"#{item.name}"
    else:
        assert isinstance(item, Instruction)
        first, last, word = item.first, item.last, item.word
    notes = (chunk.refused,) if chunk.refused else tuple(chunk.notes)
    verdict = Verdict.REFUSED if chunk.refused else Verdict.NOTE if notes else Verdict.EXACT
    return LineReport(
        first=first, last=last, word=word, verdict=verdict, notes=notes, recipe_first=chunk.first,
        recipe_last=chunk.last,
    )  # fmt: skip
