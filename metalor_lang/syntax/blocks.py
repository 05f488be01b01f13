"""Which END belongs to which IF, FOR or DEFINE: the lines of a recipe as a tree.

Invariant: every statement that is no line of a block stands in the tree exactly once, in order, whatever is wrong; a
refused line still opens, parts or closes its block, so that one mistake gives one error.
"""

from collections.abc import Iterator, Sequence

from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.refused import lines_of, meant

DEEPEST: Final = 32
"""How many blocks may stand in each other."""

_OPENERS: Final = ("IF", "FOR", "DEFINE")
_TOP_ONLY: Final = ("DEFINE", "IMPORT")
_NEVER_IN: Final = {"IF": frozenset(_TOP_ONLY), "FOR": frozenset((*_TOP_ONLY, "ARG")),
                    "DEFINE": frozenset((*_TOP_ONLY, "ARG", "FROM"))}  # fmt: skip
"""Of each kind of block: the statements that cannot stand in it, however deep."""

CODES: Final = frozenset({"E0801", "E0802", "E0803", "E0804", "E0805", "E0806"})
"""What is said here: of lines that are right in themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A line that opens or parts a block, and what stands behind it; no `head` where that line was refused."""

    head: ast.If | ast.Else | ast.For | ast.Define | None
    body: "tuple[Item, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An IF, FOR or DEFINE with its lines.

    Args:
        word: of its opener.
        branches: one; an IF has more, where ELSE parts it.
        span: from the opener to END, or to what stands last where there is none.

    """

    word: str
    branches: tuple[Branch, ...]
    span: Span


Item = ast.Statement | Block
"""A statement that is no line of a block, or a block."""


def has_blocks(statements: Sequence[ast.Statement]) -> bool:
    """Whether any statement says which others are built."""
    return not _LINES.isdisjoint(map(type, statements))


_LINES: Final = frozenset((ast.If, ast.Else, ast.End, ast.For, ast.Define, ast.Use, ast.Import))


def matched(
    source: SourceFile, statements: Sequence[ast.Statement], refused: Sequence[Diagnostic]
) -> tuple[tuple[Item, ...], list[Diagnostic]]:
    """The tree of a recipe, and what is wrong with its blocks.

    Args:
        source: the recipe.
        statements: those that are right, in order.
        refused: what is wrong with the others; what is said of lines that are right in themselves is passed over.

    """
    matcher = _Matcher(source)
    for span, word, node in _lines(source, statements, refused):
        matcher.take(span, word, node)
    items = matcher.finish()
    # Behind a block of text that nothing closes, lines are looked for at the margin only: an END may have gone with it.
    found = [] if any(each.code == "E0109" for each in refused) else matcher.found
    return items, found


_Line = tuple[Span, str, ast.Statement | None]


def _lines(source: SourceFile, statements: Sequence[ast.Statement], refused: Sequence[Diagnostic]) -> Iterator[_Line]:
    """Statements, and refused lines that would be a block's, in order."""
    lines: dict[int, _Line] = {node.span.start: (node.word_span, node.word, node) for node in statements}
    for each in refused:
        if each.code in CODES:
            continue
        start, text = lines_of(source, each)
        words = text.split(maxsplit=1)
        start += len(text) - len(text.lstrip())
        if words and start not in lines and (word := meant(text)) in (*_OPENERS, "ELSE", "END"):
            lines[start] = Span(start, start + len(words[0])), word, None
    return (lines[start] for start in sorted(lines))


@dataclass(slots=True)
class _Open:
    """A block that is not closed yet."""

    word: str
    span: Span
    head: ast.If | ast.For | ast.Define | ast.Else | None
    body: list[Item] = field(default_factory=list)
    done: list[Branch] = field(default_factory=list)
    otherwise: Span | None = None
    """Its ELSE without a condition."""
    inner_end: tuple[Span, str, Span] | None = None
    """The last END of a block right in it, with the word of that block and its place."""

    def part(self) -> None:
        """Close the branch at hand."""
        self.done.append(Branch(head=self.head, body=tuple(self.body)))
        self.body = []


class _Matcher:
    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.found: list[Diagnostic] = []
        self.open: list[_Open] = []
        self.items: list[Item] = []
        self.too_deep = 0
        """How many blocks are open beyond those that may be."""
        self.stage: Span | None = None
        self.last = Span(0, 0)

    def take(self, span: Span, word: str, node: ast.Statement | None) -> None:
        """The next line: the place of its word, its word, and its statement unless it was refused."""
        self.last = span if node is None else node.span
        self._placed(span, word)
        if word in _OPENERS:
            assert node is None or isinstance(node, ast.If | ast.For | ast.Define)
            if len(self.open) == DEEPEST:
                if not self.too_deep:
                    help = "write the inner lines as a group: DEFINE name, and USE name here"
                    self._say("E0805", f"blocks stand in each other more than {DEEPEST} deep", span, help)
                self.too_deep += 1
            else:
                self.open.append(_Open(word, span, node))
        elif word == "ELSE":
            assert node is None or isinstance(node, ast.Else)
            self._else(span, node)
        elif word == "END":
            self._end(span)
        elif node is not None:
            self._body().append(node)

    def _body(self) -> list[Item]:
        return self.open[-1].body if self.open else self.items

    def _say(self, code: str, message: str, span: Span, help: str, labels: tuple[Label, ...] = ()) -> None:
        self.found.append(Diagnostic(code=code, message=message, span=span, help=help, labels=labels))

    def _placed(self, span: Span, word: str) -> None:
        """Whether a statement may stand in the blocks that are open."""
        around = next((each for each in reversed(self.open) if word in _NEVER_IN[each.word]), None)
        if around is not None:
            if word in _TOP_ONLY:
                help = f"move it up, out of the {around.word}" + (" and above its USE" if word == "DEFINE" else "")
            elif word == "ARG":
                help = f"move it up, above the {around.word}: an ARG is one for the whole recipe"
            else:
                help = "a group is a part of a stage: write the FROM above its USE"
            label = Label(span=around.span, text=f"in this {around.word}")
            self._say("E0806", f"{word} cannot stand in {around.word}", span, help, (label,))
        elif word == "IMPORT" and self.stage is not None:
            label = Label(span=self.stage, text="the first FROM")
            self._say("E0806", "IMPORT stands behind the first FROM", span, "move it up, above the FROM", (label,))
        elif word == "FROM":
            self.stage = self.stage or span

    def _else(self, span: Span, node: ast.Else | None) -> None:
        if self.too_deep:
            return
        top = self.open[-1] if self.open else None
        if top is None or top.word != "IF":
            around = () if top is None else (Label(span=top.span, text=f"the block here is this {top.word}"),)
            help = "remove it, or open the IF above: IF ${NAME} == value"
            self._say("E0803", "ELSE without an IF", span, help, around)
            return
        if top.otherwise is not None:
            labels = (Label(span=top.otherwise, text="the ELSE"), Label(span=top.span, text="of this IF"))
            help = "a condition stands before it: ELSE IF ${NAME} == value; ELSE without one is the last"
            self._say("E0804", "nothing can be left for this ELSE: one without a condition stands above", span, help,
                      labels)  # fmt: skip
        elif node is not None and node.condition is None:
            top.otherwise = span
        top.part()
        top.head = node

    def _end(self, span: Span) -> None:
        if self.too_deep:
            self.too_deep -= 1
        elif not self.open:
            self._say("E0802", "END closes nothing: no IF, FOR or DEFINE is open here", span, "remove it")
        else:
            closed = self._close(span.end)
            if self.open:
                self.open[-1].inner_end = span, closed.word, closed.span

    def _close(self, end: int) -> _Open:
        top = self.open.pop()
        top.part()
        block = Block(word=top.word, branches=tuple(top.done), span=Span(top.span.start, max(end, top.span.end)))
        self._body().append(block)
        return top

    def finish(self) -> tuple[Item, ...]:
        """The tree, when all lines were taken."""
        unclosed = {each.span for each in self.open}
        self.found = [each for each in self.found if not self._stands_behind(each, unclosed)]
        while self.open:
            top = self._close(self.last.end)
            labels: tuple[Label, ...] = ()
            if top.inner_end is not None:
                end, word, opener = top.inner_end
                # An END that stands right below the opener was meant for it.
                if self._column(end) == self._column(top.span) != self._column(opener):
                    line = self.source.position(opener.start).line
                    labels = (Label(span=end, text=f"this END closes the {word} in line {line}"),)
            self._say("E0801", f"this {top.word} is never closed", top.span, "close it: END", labels)
        return tuple(self.items)

    def _stands_behind(self, each: Diagnostic, unclosed: set[Span]) -> bool:
        """Whether what "cannot stand in" a block that nothing closes is not indented: its END is missing above it."""
        around = unclosed.intersection(label.span for label in each.labels) if each.code == "E0806" else ()
        return any(self._column(each.span) <= self._column(opener) for opener in around)

    def _column(self, span: Span) -> int:
        return self.source.position(span.start).column
