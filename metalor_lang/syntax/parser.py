"""Source → recipe and every error in it.

Invariant: each statement is parsed alone and one bad statement gives one diagnostic; the text behind it is read again
from the next line that starts with a statement word. `parse` never raises.
"""

import re
from bisect import bisect_left

from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.primitives import WHITE_SPACE, significant_lines
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax.ast import Recipe, RecipeVersion, Statement
from metalor_lang.syntax.automaton.machine import GAPS, Raw, read
from metalor_lang.syntax.build import build_statement
from metalor_lang.syntax.explain import REFUSED_WORDS, explain
from metalor_lang.syntax.grammar import scan
from metalor_lang.syntax.lines import Open, Slice, bad_characters, cut_slice, touches
from metalor_lang.syntax.statements import BY_WORD

_WORD = re.compile(r"[^ \t\r\n]*")
_FENCE = re.compile(r"(?:'''|\"\"\")[ \t]*\Z")
_BLANK_LINES = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*")
_DIRECTIVE = re.compile(r"#[ \t]*(syntax|escape|check)[ \t]*=[^\n\r]*", re.IGNORECASE)


def parse(source: SourceFile) -> tuple[Recipe, tuple[Diagnostic, ...]]:
    """The statements of a recipe that are right, and one diagnostic for each that is not."""
    diagnostics = [*bad_characters(source), *_directives(source)]
    bad = [diagnostic.span.start for diagnostic in diagnostics]
    text = source.text
    size = len(text)
    statements: list[Statement] = []
    slow = _Recovery(source, bad)
    at = 0
    while (at := _behind_blank(text, at)) < size:
        # Nearly every statement is right and is read at once; whatever the automaton refuses is cut out and explained.
        if slow.recovering is None and (found := read(text, at)) is not None:
            tokens, end = found
            if not (bad and _touched(bad, at, end)) and not _ends_in_fence(text, tokens[-1]):
                statement, diagnostic = build_statement(text, tokens, end)
                if diagnostic is None:
                    statements.append(statement)
                else:
                    diagnostics.append(diagnostic)
                    slow.recovering = tokens[0][0]
                at = end
                continue
        at = slow.line(at, statements, diagnostics)
    diagnostics += _misplaced_version(statements)
    diagnostics.sort(key=lambda diagnostic: (diagnostic.span.start, diagnostic.span.end))
    return Recipe(statements=tuple(statements), source=source), tuple(diagnostics)


class _Recovery:
    """Reads lines that are no right statements, and finds where right ones may begin again.

    Args:
        source: the recipe.
        bad: the sorted offsets of characters that no recipe may hold, and of directives.

    """

    def __init__(self, source: SourceFile, bad: list[int]) -> None:
        self.source = source
        self.bad = bad
        self.recovering: str | None = None
        """The first word of the refused statement that is being left behind."""
        self._unclosed: set[str] = set()

    def line(self, at: int, statements: list[Statement], diagnostics: list[Diagnostic]) -> int:
        """Read what begins with a line whose first character behind blanks is at an offset; gives where to go on."""
        text = self.source.text
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].strip(WHITE_SPACE)
        if not line or line[0] == "#":
            return end
        found = _WORD.match(text, at)
        assert found is not None
        indented = at > 0 and text[at - 1] != "\n"
        if self.recovering is not None and not _resumes(found.group(), self.recovering, indented=indented):
            return end
        self.recovering = None
        cut = cut_slice(text, at)
        if touches(self.bad, cut):
            self.recovering = cut.word
        elif cut.open is Open.FENCE and cut.fence is not None and cut.body is not None:
            # The rest of the file would be the block: look for statements in it, at the margin only. One that is
            # never closed explains the next ones, too.
            mark = text[cut.fence]
            self.recovering = "'''"
            if mark not in self._unclosed:
                self._unclosed.add(mark)
                diagnostics += [each for each in _parse_slice(self.source, cut)[1:] if each is not None]
            return cut.body
        else:
            statement, diagnostic = _parse_slice(self.source, cut)
            if diagnostic is None:
                assert statement is not None
                statements.append(statement)
            else:
                diagnostics.append(diagnostic)
                self.recovering = cut.word
        # What is left of the line was read with the statement.
        done = max(cut.end, end)
        return done if text[done - 1 : done] == "\n" else _line_end(text, done)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def incomplete(text: str) -> bool:
    r"""Whether a text ends inside a statement: behind a `\`, in an open array or in an open block."""
    source = SourceFile("", text)
    done = 0
    last: Slice | None = None
    for line in significant_lines(text):
        span = source.line_span(line.number)
        if span.start < done:
            continue
        last = cut_slice(text, _behind_blank(text, span.start))
        done = max(last.end, span.end)
    return last is not None and last.open is not None


def _behind_blank(text: str, at: int) -> int:
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


def _resumes(word: str, after: str, *, indented: bool) -> bool:
    """Whether reading goes on at a line with this first word, behind a bad statement."""
    known = word in BY_WORD or word in REFUSED_WORDS
    if after == "'''":
        return known and not indented
    # In a file that is not written in upper case every line gets its error.
    return known or (after != after.upper() and after.upper() in BY_WORD and word.upper() in BY_WORD)


def _parse_slice(source: SourceFile, cut: Slice) -> tuple[Statement | None, Diagnostic | None]:
    text = source.text[cut.start : cut.end]
    tokens, refusal = scan(text)
    if refusal is not None:
        return None, explain(source, cut, tokens, refusal)
    solid: list[Raw] = []
    in_block = False
    for kind, start, end in tokens:
        in_block = in_block or kind in ("RAW_OPEN", "TEXT_OPEN")
        if kind not in GAPS or (in_block and kind == "NL"):
            solid.append((kind, cut.start + start, cut.start + end))
    return build_statement(source.text, solid, cut.end)


def _directives(source: SourceFile) -> list[Diagnostic]:
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
            )
        )
    return out


def _misplaced_version(statements: list[Statement]) -> list[Diagnostic]:
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
