"""The words of a block that belong together: an opener, its ELSEs and its END.

Invariant: they are those that the checker takes for one block, also where a line of it was refused.
"""

from collections.abc import Iterator, Sequence

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import Final
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.blocks import Block, Item, has_blocks, matched

_END: Final = "END"


def partners(
    source: SourceFile, statements: Sequence[ast.Statement], refused: Sequence[Diagnostic], offset: int
) -> tuple[Span, ...]:
    """The words of the block one of whose words is at an offset, in order; empty at other places."""
    if not has_blocks(statements):
        return ()
    for block in _around(matched(source, statements, refused)[0], offset):
        words = tuple(_words(source, block))
        if any(each.start <= offset <= each.end for each in words):
            return words
    return ()


def _around(items: Sequence[Item], offset: int) -> Iterator[Block]:
    """The blocks that an offset lies in, the outermost first."""
    for item in items:
        if isinstance(item, Block) and item.span.start <= offset <= item.span.end:
            yield item
            for branch in item.branches:
                yield from _around(branch.body, offset)


def _words(source: SourceFile, block: Block) -> Iterator[Span]:
    yield Span(block.span.start, block.span.start + len(block.word))
    for branch in block.branches[1:]:
        if branch.head is not None:
            yield branch.head.word_span
    end = Span(max(block.span.start, block.span.end - len(_END)), block.span.end)
    if source.slice(end) == _END:
        yield end
