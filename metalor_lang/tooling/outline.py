"""The shape of a recipe: stages with what stands in them, what can be folded, what surrounds a place.

Invariant: spans nest: what is below another thing lies in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.blocks import Block, Branch, Item, has_blocks, matched
from metalor_lang.syntax.grammar import Token, scan
from metalor_lang.syntax.lines import Slice, slices
from metalor_lang.syntax.printer import print_statement

_LONGEST: Final = 80
_HOLD: Final = frozenset({"FROM", "IF", "ELSE", "FOR", "DEFINE"})
"""Words of what holds statements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stage, a statement, or a name that one declares.

    Args:
        word: the statement's word; "" for a name in one.
        title: how a list shows it.
        detail: what a list shows beside it.
        span: all of it; of a stage to the end of its last statement.
        head: what to show when it is chosen.

    """

    word: str
    title: str
    detail: str
    span: Span
    head: Span
    parts: tuple["Part", ...] = ()


def outline(recipe: ast.Recipe, refused: Sequence[Diagnostic] = ()) -> tuple[Part, ...]:
    """The statements before the first stage, and the stages; a block holds what stands in it.

    A stage that begins in a block ends with it: what follows the block belongs to no stage that is known.

    Args:
        recipe: the statements that are right.
        refused: what is wrong with the others: a refused line still opens, parts or closes its block.

    """
    out: list[Part] = []
    stage: ast.From | None = None
    inside: list[Part] = []
    count = 0

    def close() -> None:
        nonlocal stage, inside
        if stage is not None:
            out.append(_stage(stage, count, inside))
        stage, inside = None, []

    for item in _items(recipe, refused):
        if isinstance(item, ast.From):
            close()
            stage = item
            count += 1
            continue
        begins = isinstance(item, Block) and (starts := _froms(item))
        part = _block(item) if isinstance(item, Block) else _part(item)
        if begins:
            close()
            count += starts
        (out if stage is None else inside).append(part)
    close()
    return tuple(out)


def _items(recipe: ast.Recipe, refused: Sequence[Diagnostic]) -> tuple[Item, ...]:
    if not has_blocks(recipe.statements):
        return recipe.statements
    return matched(recipe.source, recipe.statements, refused)[0]


def _froms(block: Block) -> int:
    """How many stages begin in a block."""
    bodies = [item for branch in block.branches for item in branch.body]
    return sum(_froms(item) if isinstance(item, Block) else isinstance(item, ast.From) for item in bodies)


def _block(block: Block) -> Part:
    first, *others = block.branches
    parts = _body(first)
    for branch in others:
        below = _body(branch)
        if branch.head is None:
            parts += below
            continue
        end = max(below[-1].span.end if below else 0, branch.head.span.end)
        parts.append(
            Part(
                word="ELSE",
                title=_short(print_statement(branch.head)),
                detail="",
                span=Span(branch.head.span.start, end),
                head=branch.head.word_span,
                parts=tuple(below),
            )
        )
    head = first.head
    title = block.word if head is None else _short(print_statement(head))
    place = Span(block.span.start, block.span.start + len(block.word)) if head is None else head.word_span
    if isinstance(head, ast.Define):
        return Part(
            word="DEFINE", title=head.name, detail=title, span=block.span, head=head.name_span, parts=tuple(parts)
        )
    return Part(word=block.word, title=title, detail="", span=block.span, head=place, parts=tuple(parts))


def _body(branch: Branch) -> list[Part]:
    return [_block(item) if isinstance(item, Block) else _part(item) for item in branch.body]


def _stage(node: ast.From, number: int, inside: list[Part]) -> Part:
    end = inside[-1].span.end if inside else node.span.end
    return Part(
        word="FROM",
        title=node.stage or f"stage {number}",
        detail=_short(print_statement(node)),
        span=Span(node.span.start, end),
        head=node.stage_span or node.base.span,
        parts=tuple(inside),
    )


def _part(node: ast.Statement) -> Part:
    whole = _short(print_statement(node))
    match node:
        case ast.From(stage=str(stage)):
            return Part(
                word=node.word, title=stage, detail=whole, span=node.span, head=node.stage_span or node.base.span
            )
        case ast.Import(space=space):
            return Part(word=node.word, title=space, detail=whole, span=node.span, head=node.space_span)
        case ast.Arg():
            return Part(word=node.word, title=node.name, detail=whole, span=node.span, head=node.name_span)
        case ast.Env() | ast.Label() | ast.Annotate():
            pairs = tuple(
                Part(word="", title=pair.key, detail=_short(whole), span=pair.span, head=pair.key_span)
                for pair in node.pairs
            )
            if len(pairs) == 1:
                return Part(word=node.word, title=whole, detail="", span=node.span, head=node.pairs[0].key_span)
            return Part(word=node.word, title=whole, detail="", span=node.span, head=node.word_span, parts=pairs)
        case _:
            return Part(word=node.word, title=whole, detail="", span=node.span, head=node.word_span)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


# ---- folding -------------------------------------------------------------------------------------------------------


class FoldKind(StrEnum):
    """What is folded."""

    STAGE = "stage"
    BLOCK = "block"
    STATEMENT = "statement"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Lines that can be hidden behind the first: 1-based, the last one included."""

    first: int
    last: int
    kind: FoldKind


def folds(source: SourceFile, recipe: ast.Recipe, refused: Sequence[Diagnostic] = ()) -> tuple[Fold, ...]:
    """Stages, blocks and their branches, statements over several lines, and runs of comment lines, in order.

    As for `outline`, refused lines are lines of their blocks.
    """
    out: list[Fold] = []

    def add(first: int, last: int, kind: FoldKind) -> None:
        if last > first:
            out.append(Fold(first=first, last=last, kind=kind))

    for part in outline(recipe, refused):
        if part.word == "FROM":
            add(_line(source, part.span.start), _last(source, part.span), FoldKind.STAGE)
    for first, last in _block_lines(source, _items(recipe, refused)):
        add(first, last, FoldKind.BLOCK)
    inside: set[int] = set()
    for cut in slices(source):
        first, last = _line(source, cut.start), _last(source, Span(cut.start, max(cut.start, cut.end)))
        inside.update(range(first, last + 1))
        add(first, last, FoldKind.STATEMENT)
    begun: int | None = None
    for number in range(1, source.line_count + 2):
        comment = number not in inside and source.line(number).lstrip(" \t").startswith("#")
        if comment and begun is None:
            begun = number
        elif not comment and begun is not None:
            add(begun, number - 1, FoldKind.COMMENT)
            begun = None
    return tuple(sorted(out, key=lambda fold: (fold.first, -fold.last)))


def _block_lines(source: SourceFile, items: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """The lines of every branch: to the line before the next one, or to END."""
    for item in items:
        if not isinstance(item, Block):
            continue
        heads = [branch.head for branch in item.branches]
        starts = [_line(source, head.span.start if head is not None else item.span.start) for head in heads]
        yield from zip(starts, [*(start - 1 for start in starts[1:]), _last(source, item.span)])
        for branch in item.branches:
            yield from _block_lines(source, branch.body)


def _line(source: SourceFile, offset: int) -> int:
    return source.position(offset).line


def _last(source: SourceFile, span: Span) -> int:
    """The line of the last character of a span."""
    return _line(source, max(span.start, span.end - 1))


# ---- what surrounds a place ------------------------------------------------------------------------------------------


def surroundings(
    source: SourceFile, recipe: ast.Recipe, offset: int, refused: Sequence[Diagnostic] = ()
) -> tuple[Span, ...]:
    """The spans that a selection at an offset grows through, the smallest first; the last one is the whole text."""
    found: set[Span] = {Span(0, len(source.text))}
    found.update(_around(outline(recipe, refused), offset))
    cut = statement_at(source, offset)
    if cut is not None:
        found.add(Span(cut.start, cut.end))
        found.update(Span(cut.start + token.start, cut.start + token.end) for token in tokens_of(source, cut))
    for node in recipe.statements:
        if node.span.start <= offset <= node.span.end:
            found.update(_inside(node))
    number = _line(source, offset)
    line = source.line(number)
    start = source.line_span(number).start
    if line.strip():
        found.add(Span(start + len(line) - len(line.lstrip()), start + len(line.rstrip())))
    around = sorted(
        (span for span in found if span.start <= offset <= span.end), key=lambda span: (len(span), -span.start)
    )
    out: list[Span] = []
    for span in around:  # each holds the one before
        if not out or (span != out[-1] and span.start <= out[-1].start and out[-1].end <= span.end):
            out.append(span)
    return tuple(out)


def _around(parts: Iterable[Part], offset: int) -> Iterator[Span]:
    """The spans of stages, blocks and branches that an offset lies in."""
    for part in parts:
        if part.span.start <= offset <= part.span.end and part.word in _HOLD:
            yield part.span
            yield from _around(part.parts, offset)


def statement_at(source: SourceFile, offset: int) -> Slice | None:
    """The text of the statement that an offset is in, or at the end of."""
    for cut in slices(source):
        if cut.start <= offset <= cut.end:
            return cut
        if cut.start > offset:
            break
    return None


def tokens_of(source: SourceFile, cut: Slice) -> tuple[Token, ...]:
    """The tokens of a statement as far as it is right, white space left out; offsets are the statement's."""
    tokens, _ = scan(source.text[cut.start : cut.end])
    return tuple(token for token in tokens if token.type not in ("WS", "NL", "BACKSLASH"))


def _inside(node: ast.Node | ast.Word | ast.Array | ast.Pair | ast.Flag | ast.Block | ast.ShellText) -> Iterator[Span]:
    """The spans of everything below a node."""
    yield node.span
    match node:
        case ast.Word(parts=parts) | ast.Block(parts=parts):
            yield from (part.span for part in parts)
        case ast.Array(items=items):
            for item in items:
                yield from _inside(item)
        case ast.Pair(value=value):
            yield from _inside(value)
        case ast.Flag(value=ast.Word() as value):
            yield from _inside(value)
        case ast.Node():
            for flag in node.flags:
                yield from _inside(flag)
            for name in type(node).__slots__:
                below = getattr(node, name)
                for each in below if isinstance(below, tuple) else (below,):
                    if isinstance(each, ast.Node | ast.Word | ast.Array | ast.Pair | ast.Block | ast.ShellText):
                        yield from _inside(each)
        case _:
            pass
