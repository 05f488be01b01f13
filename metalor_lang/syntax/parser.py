"""Source → recipe and every error in it.

Invariant: each statement is parsed alone and one bad statement gives one diagnostic; the text behind it is read again
from the next line that starts with a statement word. `parse` never raises.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from metalor_lang.diagnostics.model import Diagnostic, Edit, Label
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.primitives import significant_lines
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax.ast import Define, Else, End, For, If, Import, Recipe, RecipeVersion, Statement, Use
from metalor_lang.syntax.automaton.machine import Raw, read
from metalor_lang.syntax.build import build_statement
from metalor_lang.syntax.characters import bad_characters

_FENCE = pattern(r"(?:'''|\"\"\")[ \t]*\Z")
_BLANK_LINES = pattern(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*")
_DIRECTIVE = pattern(r"#[ \t]*(syntax|escape|check)[ \t]*=[^\n\r]*", re.IGNORECASE)


_BLOCK_LINES: Final = frozenset((If, Else, End, For, Define, Use, Import))

Unit = tuple[int, int, Statement | None, Diagnostic | None, bool]
"""A piece of a source: its offsets; the statement or the error that it gave, if any; and whether it is a statement that
was read by itself, so that nothing around it matters."""


def parse(source: SourceFile) -> tuple[Recipe, tuple[Diagnostic, ...]]:
    """The statements of a recipe that are right, and one diagnostic for each that is not."""
    early = [*bad_characters(source), *directives(source)]
    diagnostics = list(early)
    statements: list[Statement] = []
    for _, _, statement, diagnostic, _ in Reading(source, [each.span.start for each in early]).units():
        if statement is not None:
            statements.append(statement)
        elif diagnostic is not None:
            diagnostics.append(diagnostic)
    return Recipe(statements=tuple(statements), source=source), gathered(source, statements, diagnostics)


def gathered(source: SourceFile, statements: Sequence[Statement], found: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """What is wrong with the statements of a source, with what only all of it together shows, sorted by place."""
    met = {*map(type, statements)}
    if RecipeVersion in met:
        found = [*found, *misplaced_version(statements)]
    if not _BLOCK_LINES.isdisjoint(met):
        from metalor_lang.syntax.blocks import matched

        found = [*found, *matched(source, statements, found)[1]]
    if any(each.code == "E0228" for each in found):
        from metalor_lang.syntax.rewrites import with_block

        found = [with_block(source, each) for each in found]
    found.sort(key=lambda each: (each.span.start, each.span.end))
    return tuple(found)


class Reading:
    """Reads a source piece by piece.

    Args:
        source: the recipe.
        bad: the sorted offsets of characters that no recipe may hold, and of directives.

    """

    def __init__(self, source: SourceFile, bad: list[int]) -> None:
        self.source = source
        self.bad = bad
        self.recovering: str | None = None
        """The first word of the refused statement that is being left behind."""
        self.unclosed: set[str] = set()
        """The first character of fences that open a block which nothing closes; the first such block is an error."""

    def units(self, at: int = 0) -> Iterator[Unit]:
        """The pieces from an offset on, which is 0 or the end of a piece."""
        text = self.source.text
        size = len(text)
        bad = self.bad
        while (at := behind_blank(text, at)) < size:
            # Nearly every statement is right and read at once; what the automaton refuses is cut out and explained.
            if self.recovering is None and (found := read(text, at)) is not None:
                tokens, end = found
                if not (bad and _touched(bad, at, end)) and not _ends_in_fence(text, tokens[-1]):
                    statement, diagnostic = build_statement(text, tokens, end)
                    if diagnostic is None:
                        yield at, end, statement, None, True
                    else:
                        from metalor_lang.syntax.rewrites import with_edits

                        self.recovering = tokens[0][0]
                        yield at, end, None, with_edits(self.source, at, diagnostic), False
                    at = end
                    continue
            from metalor_lang.syntax.recovery import read_line

            end, wrong, diagnostic = read_line(self, at)
            # As a right one, it ends before its line end: who puts something behind it does not move the next line in.
            yield at, at + len(text[at:end].rstrip("\r\n")), wrong, diagnostic, False
            at = end


def incomplete(text: str) -> bool:
    r"""Whether a text ends inside a statement: behind a `\`, in an open array or in an open block."""
    from metalor_lang.syntax.lines import cut_slice

    source = SourceFile("", text)
    done = 0
    last = None
    for line in significant_lines(text):
        span = source.line_span(line.number)
        if span.start < done:
            continue
        last = cut_slice(text, behind_blank(text, span.start))
        done = max(last.end, span.end)
    return last is not None and last.open is not None


def behind_blank(text: str, at: int) -> int:
    """The offset behind blank lines, comment lines and the blanks of the next line."""
    found = _BLANK_LINES.match(text, at)
    assert found is not None
    return found.end()


def _touched(offsets: list[int], start: int, end: int) -> bool:
    """Whether one of the sorted offsets lies in a statement."""
    at = bisect_left(offsets, start)
    return at < len(offsets) and offsets[at] < end


def _ends_in_fence(text: str, last: Raw) -> bool:
    """Whether a line of shell text ends as a block begins, which the lines below it may then belong to."""
    kind, start, end = last
    return kind == "SH_TEXT" and text[end - 1] in "'\" \t" and _FENCE.search(text, start, end) is not None


def directives(source: SourceFile) -> list[Diagnostic]:
    """Comments above the first statement that another build tool would obey."""
    out = []
    first = next(significant_lines(source.text), None)
    for number in range(1, first.number if first else source.line_count + 1):
        line = source.line(number)
        found = _DIRECTIVE.match(line.lstrip(" \t"))
        if found is None:
            continue
        start = source.line_span(number).start + len(line) - len(line.lstrip(" \t"))
        out.append(
            Diagnostic(
                code="E0207",
                message=f"`# {found.group(1).lower()}=` does nothing here: no other program reads a recipe",
                span=Span(start, start + len(found.group().rstrip())),
                help="remove the line; RECIPE 1 says which language it is",
                edits=(Edit(span=Span(source.line_span(number).start, _behind(source, number)), text="", safe=True),),
            )
        )
    return out


def _behind(source: SourceFile, number: int) -> int:
    """Where the line behind one starts."""
    end = source.text.find("\n", source.line_span(number).start)
    return len(source.text) if end < 0 else end + 1


def misplaced_version(statements: Sequence[Statement]) -> list[Diagnostic]:
    """An error for each RECIPE that is not the first statement."""
    out = []
    for index, statement in enumerate(statements):
        if index and isinstance(statement, RecipeVersion):
            first = statements[0]
            out.append(
                Diagnostic(
                    code="E0251",
                    message="RECIPE must be the first statement",
                    span=statement.span,
                    labels=(Label(span=first.word_span, text="the first statement"),),
                    help="move it to the top, or remove it: it is optional",
                )
            )
    return out
