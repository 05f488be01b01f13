"""Source → recipe and every error in it.

Invariant: each statement is parsed alone and one bad statement gives one diagnostic; the text behind it is read again
from the next line that starts with a statement word. `parse` never raises.
"""

import re

from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.primitives import significant_lines
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax.ast import Recipe, RecipeVersion, Statement
from metalor_lang.syntax.build import build_statement
from metalor_lang.syntax.explain import REFUSED_WORDS, explain
from metalor_lang.syntax.grammar import scan
from metalor_lang.syntax.lines import Open, Slice, bad_characters, cut_slice, touches
from metalor_lang.syntax.statements import BY_WORD

_WORD = re.compile(r"[ \t]*([^ \t\r\n]*)")
_DIRECTIVE = re.compile(r"#[ \t]*(syntax|escape|check)[ \t]*=[^\n\r]*", re.IGNORECASE)


def parse(source: SourceFile) -> tuple[Recipe, tuple[Diagnostic, ...]]:
    """The statements of a recipe that are right, and one diagnostic for each that is not."""
    diagnostics = list(bad_characters(source))
    diagnostics += _directives(source)
    bad = [diagnostic.span.start for diagnostic in diagnostics]
    statements: list[Statement] = []
    text = source.text
    done = 0
    recovering: str | None = None
    unclosed: set[str] = set()
    for line in significant_lines(text):
        start = source.line_span(line.number).start
        if start < done:
            continue
        found = _WORD.match(text, start)
        assert found is not None
        if recovering is not None and not _resumes(found.group(1), recovering, indented=found.start(1) > start):
            continue
        recovering = None
        cut = cut_slice(text, found.start(1))
        done = max(cut.end, source.line_span(line.number).end)
        if touches(bad, cut):
            recovering = cut.word
            continue
        if cut.open is Open.FENCE and cut.fence is not None and cut.body is not None:
            # The rest of the file would be the block: look for statements in it, at the margin only. One that is
            # never closed explains the next ones, too.
            mark = text[cut.fence]
            done, recovering = cut.body, "'''"
            if mark not in unclosed:
                unclosed.add(mark)
                diagnostics += [each for each in _parse_slice(source, cut)[1:] if each is not None]
            continue
        statement, diagnostic = _parse_slice(source, cut)
        if diagnostic is None:
            assert statement is not None
            statements.append(statement)
            continue
        diagnostics.append(diagnostic)
        recovering = cut.word
    diagnostics += _misplaced_version(statements)
    diagnostics.sort(key=lambda diagnostic: (diagnostic.span.start, diagnostic.span.end))
    return Recipe(statements=tuple(statements), source=source), tuple(diagnostics)


def incomplete(text: str) -> bool:
    r"""Whether a text ends inside a statement: behind a `\`, in an open array or in an open block."""
    source = SourceFile("", text)
    done = 0
    last: Slice | None = None
    for line in significant_lines(text):
        span = source.line_span(line.number)
        if span.start < done:
            continue
        found = _WORD.match(text, span.start)
        assert found is not None
        last = cut_slice(text, found.start(1))
        done = max(last.end, span.end)
    return last is not None and last.open is not None


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
    return build_statement(text, cut.start, tokens)


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
